signet_test(unit trust SOURCES trust/cache_test.cpp trust/revocation_data_test.cpp trust/trusted_list_test.cpp
  LIBRARIES signet::trust signet::demo)
