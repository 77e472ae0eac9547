signet_test(unit portal
  SOURCES
    portal/portal_acceptance_test.cpp
    portal/portal_configuration_test.cpp
    portal/portal_identity_test.cpp
    portal/portal_metrics_test.cpp
    portal/portal_page_token_test.cpp
    portal/portal_rules_test.cpp
    portal/portal_soap_hostile_test.cpp
    portal/portal_soap_read_test.cpp
    portal/portal_soap_write_test.cpp
  LIBRARIES signet::portal signet::demo LibXml2::LibXml2)
