signet_test(unit web_bridge
  SOURCES
    web_bridge/control_server_test.cpp
    web_bridge/json_test.cpp
    web_bridge/message_test.cpp
    web_bridge/native_server_test.cpp
    web_bridge/protocol_text_test.cpp
    web_bridge/signing_test.cpp
  LIBRARIES signet::web_bridge signet::demo signet_softhsm Boost::json)
target_compile_definitions(unit_web_bridge PRIVATE SIGNET_TOKEN_HOST="$<TARGET_FILE:signet-token-host>" SIGNET_PROTOCOL_MD="${PROJECT_SOURCE_DIR}/docs/PROTOCOL.md")
add_dependencies(unit_web_bridge signet-token-host)
