signet_test(unit agent
  SOURCES
    agent/configuration_test.cpp
    agent/event_log_test.cpp
    agent/remembered_certificates_test.cpp
    agent/screen_test.cpp
    agent/time_stamps_test.cpp
  LIBRARIES signet::agent signet::demo PkgConfig::libsystemd)
