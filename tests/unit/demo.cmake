signet_test(unit demo
  SOURCES demo/judged_by_openssl_test.cpp demo/pki_test.cpp demo/tsa_test.cpp
  LIBRARIES signet::demo)
