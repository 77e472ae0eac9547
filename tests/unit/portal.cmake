signet_test(unit portal
  SOURCES
    portal/portal_rules_test.cpp
    portal/portal_soap_hostile_test.cpp
    portal/portal_soap_read_test.cpp
    portal/portal_soap_write_test.cpp
  LIBRARIES signet::portal LibXml2::LibXml2)
