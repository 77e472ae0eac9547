signet_test(unit signing
  SOURCES signing/certificates_test.cpp signing/journal_test.cpp signing/manifest_test.cpp signing/origin_test.cpp signing/pin_cache_test.cpp
  LIBRARIES signet::signing signet::demo)
