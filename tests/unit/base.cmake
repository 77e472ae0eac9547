signet_test(unit base SOURCES base/bytes_test.cpp base/digest_test.cpp base/secret_test.cpp base/text_test.cpp base/time_test.cpp LIBRARIES signet::base)
