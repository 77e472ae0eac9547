signet_test(unit net SOURCES net/fetch_test.cpp net/http_server_test.cpp net/peer_user_test.cpp LIBRARIES signet::net OpenSSL::SSL)
