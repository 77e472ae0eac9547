#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace signet::fuzz {

// Ends the program where a property does not hold, so that libFuzzer keeps the input; in every kind of build.
inline void hold(bool property, std::source_location at = std::source_location::current()) {
  if (property) return;
  std::fprintf(stderr, "%s:%u: a property does not hold\n", at.file_name(), at.line());
  std::abort();
}

}  // namespace signet::fuzz
