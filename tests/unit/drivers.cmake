signet_test(unit drivers
  SOURCES
    drivers/atr_test.cpp
    drivers/catalogue_test.cpp
    drivers/choice_test.cpp
    drivers/module_registry_test.cpp
    drivers/trusted_file_test.cpp
  LIBRARIES signet::drivers)
target_compile_definitions(unit_drivers PRIVATE SIGNET_CATALOGUE="${PROJECT_SOURCE_DIR}/drivers/catalogue")
