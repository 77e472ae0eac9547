signet_test(unit portal
  SOURCES
    portal/portal_acceptance_test.cpp
    portal/portal_configuration_test.cpp
    portal/portal_identity_test.cpp
    portal/portal_judges_test.cpp
    portal/portal_known_forms_test.cpp
    portal/portal_metrics_test.cpp
    portal/portal_page_token_test.cpp
    portal/portal_rules_test.cpp
    portal/portal_simulation_test.cpp
    portal/portal_soap_hostile_test.cpp
    portal/portal_soap_read_test.cpp
    portal/portal_soap_write_test.cpp
  LIBRARIES signet::portal signet::demo LibXml2::LibXml2)
target_include_directories(unit_portal PRIVATE ${PROJECT_SOURCE_DIR}/portal)  # known_forms.hpp: what no other part sees
signet_test(unit portal_sandbox
  SOURCES portal/portal_sandbox_test.cpp ${PROJECT_SOURCE_DIR}/portal/program/sandbox.cpp
  LIBRARIES signet::portal signet::demo)
signet_test(unit portal_stamper
  SOURCES portal/portal_stamper_test.cpp ${PROJECT_SOURCE_DIR}/portal/program/stamper.cpp
  LIBRARIES signet::portal signet::demo)
target_include_directories(unit_portal_stamper PRIVATE ${PROJECT_SOURCE_DIR})
target_include_directories(unit_portal_sandbox PRIVATE ${PROJECT_SOURCE_DIR})
