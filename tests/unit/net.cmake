signet_test(unit net SOURCES net/fetch_test.cpp net/http_server_test.cpp net/peer_user_test.cpp
            net/public_address_test.cpp LIBRARIES signet::net OpenSSL::SSL)
target_include_directories(unit_net PRIVATE ${PROJECT_SOURCE_DIR})  # net/public_address.hpp, which no other folder sees
