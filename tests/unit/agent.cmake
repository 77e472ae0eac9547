signet_test(unit agent
  SOURCES
    agent/configuration_test.cpp
    agent/configuration_keys_test.cpp
    agent/dialog_text_test.cpp
    agent/explanation_test.cpp
    agent/language_test.cpp
    agent/pinentry_test.cpp
    agent/screen_test.cpp
    agent/token_news_test.cpp
  LIBRARIES signet::agent signet::demo PkgConfig::libsystemd)
target_compile_definitions(unit_agent PRIVATE SIGNET_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
add_dependencies(unit_agent signet_translations)

signet_test(unit assuan_client SOURCES agent/assuan_client_test.cpp LIBRARIES signet::agent)
