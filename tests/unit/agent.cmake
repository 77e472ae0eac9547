signet_test(unit agent SOURCES agent/event_log_test.cpp LIBRARIES signet::agent)
