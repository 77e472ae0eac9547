signet_test(unit xades_verify
  SOURCES
    xades_verify/certificates_test.cpp
    xades_verify/forms_test.cpp
    xades_verify/given_data_test.cpp
    xades_verify/hostile_xml_test.cpp
    xades_verify/levels_test.cpp
    xades_verify/packaging_test.cpp
    xades_verify/signature_test.cpp
    xades_verify/stamp_test.cpp
    xades_verify/sub_indications_test.cpp
    xades_verify/time_stamps_test.cpp
    xades_verify/told_test.cpp
    xades_verify/wrapping_test.cpp
  LIBRARIES signet::xades signet::demo)
