#include "base/bytes.hpp"

#include <array>
#include <bit>
#include <cstring>

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

// Two characters for each 12 bits.
constexpr auto base64_pairs = [] {
  std::array<char, std::size_t{2} << 12> table{};
  for (std::size_t i = 0; i < std::size_t{1} << 12; ++i) {
    table[2 * i] = base64_alphabet[i >> 6];
    table[2 * i + 1] = base64_alphabet[i & 63];
  }
  return table;
}();

char* write_pair(char* to, std::size_t bits) {
  std::memcpy(to, &base64_pairs[2 * (bits & 0xFFF)], 2);
  return to + 2;
}

// To where there is room for (size + 2) / 3 * 4.
void write_base64(char* to, BytesView bytes) {
  const std::uint8_t* from = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 6, from += 6) {  // six of the eight that are looked at
    std::uint64_t group = 0;
    std::memcpy(&group, from, sizeof group);
    if constexpr (std::endian::native == std::endian::little) group = std::byteswap(group);
    for (const int shift : {52, 40, 28, 16}) to = write_pair(to, group >> shift);
  }
  for (; left >= 3; left -= 3, from += 3) {
    const std::uint32_t group = std::uint32_t{from[0]} << 16 | std::uint32_t{from[1]} << 8 | from[2];
    to = write_pair(write_pair(to, group >> 12), group);
  }
  if (left == 0) return;
  const std::uint8_t second = left == 2 ? from[1] : 0;
  to = write_pair(to, std::size_t{from[0]} << 4 | second >> 4);
  to[0] = left == 2 ? base64_alphabet[(second & 15) << 2] : '=';
  to[1] = '=';
}

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
  const std::size_t start = out.size(), size = start + (bytes.size() + 2) / 3 * 4;
  out.resize_and_overwrite(size, [&](char* text, std::size_t) {
    write_base64(text + start, bytes);
    return size;
  });
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
  const auto value_at = [text](std::size_t at) { return base64_values[static_cast<std::uint8_t>(text[at])]; };
  for (std::size_t at = 0; at < text.size(); ++at) {
    while (characters == 0 && padding == 0 && text.size() - at > 4) {  // four at once, as long as there is nothing else
      const std::uint32_t all[4]{value_at(at), value_at(at + 1), value_at(at + 2), value_at(at + 3)};
      if ((all[0] | all[1] | all[2] | all[3]) > 63) break;
      const std::uint32_t four = all[0] << 18 | all[1] << 12 | all[2] << 6 | all[3];
      to[0] = static_cast<std::uint8_t>(four >> 16);
      to[1] = static_cast<std::uint8_t>(four >> 8);
      to[2] = static_cast<std::uint8_t>(four);
      to += 3;
      at += 4;
    }
    const char c = text[at];
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
