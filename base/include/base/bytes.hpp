#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace signet::base {

// A view owns nothing: what it points to stays its caller's. All functions here: any thread.
using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

inline BytesView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(BytesView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower case, no separators.
std::string hex(BytesView bytes);
Result<Bytes> from_hex(std::string_view text);  // either case; parameter_invalid

// RFC 4648 section 4, padded, one line.
std::string base64(BytesView bytes);
void append_base64(std::string& out, BytesView bytes);
// White space between the characters is skipped; anything else outside the alphabet is parameter_invalid.
Result<Bytes> from_base64(std::string_view text);

}  // namespace signet::base
