#include "base/bytes.hpp"

#include <array>

namespace signet::base {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::uint8_t not_in_alphabet = 0xFF;
constexpr std::uint8_t white_space = 0xFE;

constexpr auto base64_values = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(not_in_alphabet);
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i)
    table[static_cast<std::uint8_t>(base64_alphabet[i])] = static_cast<std::uint8_t>(i);
  for (char c : {' ', '\t', '\r', '\n'}) table[static_cast<std::uint8_t>(c)] = white_space;
  return table;
}();

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string hex(BytesView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    out += hex_digits[byte >> 4];
    out += hex_digits[byte & 15];
  }
  return out;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return failure(ErrorCode::parameter_invalid, "odd number of hexadecimal digits");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return failure(ErrorCode::parameter_invalid, "not a hexadecimal digit");
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

void append_base64(std::string& out, BytesView bytes) {
  const std::size_t start = out.size();
  out.resize(start + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + start;
  const std::uint8_t* from = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 3; left -= 3, from += 3, to += 4) {
    to[0] = base64_alphabet[from[0] >> 2];
    to[1] = base64_alphabet[(from[0] & 3) << 4 | from[1] >> 4];
    to[2] = base64_alphabet[(from[1] & 15) << 2 | from[2] >> 6];
    to[3] = base64_alphabet[from[2] & 63];
  }
  if (left == 0) return;
  const std::uint8_t second = left == 2 ? from[1] : 0;
  to[0] = base64_alphabet[from[0] >> 2];
  to[1] = base64_alphabet[(from[0] & 3) << 4 | second >> 4];
  to[2] = left == 2 ? base64_alphabet[(second & 15) << 2] : '=';
  to[3] = '=';
}

std::string base64(BytesView bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

Result<Bytes> from_base64(std::string_view text) {
  Bytes out(text.size() / 4 * 3 + 3);
  std::uint8_t* to = out.data();
  std::uint32_t group = 0;
  int characters = 0;
  int padding = 0;
  for (char c : text) {
    const std::uint8_t value = base64_values[static_cast<std::uint8_t>(c)];
    if (value == white_space) continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    if (value == not_in_alphabet || padding != 0) return failure(ErrorCode::parameter_invalid, "not base64");
    group = group << 6 | value;
    if (++characters == 4) {
      to[0] = static_cast<std::uint8_t>(group >> 16);
      to[1] = static_cast<std::uint8_t>(group >> 8);
      to[2] = static_cast<std::uint8_t>(group);
      to += 3;
      group = 0;
      characters = 0;
    }
  }
  const bool whole = (characters == 0 && padding == 0) || (characters == 2 && padding == 2) || (characters == 3 && padding == 1);
  if (!whole) return failure(ErrorCode::parameter_invalid, "base64 of a wrong length");
  if (characters == 2) {
    *to++ = static_cast<std::uint8_t>(group >> 4);
  } else if (characters == 3) {
    *to++ = static_cast<std::uint8_t>(group >> 10);
    *to++ = static_cast<std::uint8_t>(group >> 2);
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
  return out;
}

}  // namespace signet::base
