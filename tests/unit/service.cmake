signet_test(unit service SOURCES
    service/event_log_test.cpp
    service/files_test.cpp
    service/kept_texts_test.cpp
    service/places_test.cpp
    service/revocation_test.cpp
    service/side_by_side_test.cpp
    service/time_stamps_test.cpp
  LIBRARIES signet::service signet::demo)
