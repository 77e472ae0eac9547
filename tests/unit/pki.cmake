signet_test(unit pki
  SOURCES pki/algorithms_test.cpp pki/certificate_test.cpp pki/crl_test.cpp pki/ocsp_test.cpp pki/path_test.cpp pki/revocation_test.cpp pki/time_stamp_test.cpp
  LIBRARIES signet::pki signet::demo)
