#include "web_bridge/json.hpp"

#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

namespace signet::web_bridge {
namespace {

constexpr std::uint64_t ones = 0x0101010101010101;
constexpr std::uint64_t tops = 0x8080808080808080;

// The top bit of each byte that is zero. Bytes above a zero byte may be marked wrongly: only the lowest mark is used.
constexpr std::uint64_t zero_bytes(std::uint64_t word) { return (word - ones) & ~word & tops; }

// As above, for bytes that JSON wants escaped: below 0x20, quotation mark, reverse solidus.
constexpr std::uint64_t escaped_bytes(std::uint64_t word) {
  const std::uint64_t below_space = (word - ones * 0x20) & ~word & tops;
  return below_space | zero_bytes(word ^ ones * '"') | zero_bytes(word ^ ones * '\\');
}

bool escaped(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

// How many bytes from `from` on need no escape.
std::size_t plain_run(std::string_view text, std::size_t from) {
  std::size_t at = from;
  if constexpr (std::endian::native == std::endian::little) {
    for (; at + 8 <= text.size(); at += 8) {
      std::uint64_t word;
      std::memcpy(&word, text.data() + at, 8);
      if (const std::uint64_t marks = escaped_bytes(word))
        return at - from + static_cast<std::size_t>(std::countr_zero(marks)) / 8;
    }
  }
  while (at < text.size() && !escaped(text[at])) ++at;
  return at - from;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 15];
  }
}

template <class Number>
void append_number(std::string& out, Number value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t run = plain_run(text, at);
    out.append(text.data() + at, run);
    at += run;
    if (at == text.size()) break;
    append_escape(out, text[at]);
  }
  out += '"';
}

std::string& JsonObject::member(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  out_ += '"';
  out_ += name;
  out_ += "\":";
  return out_;
}

JsonObject& JsonObject::text(std::string_view name, std::string_view value) {
  append_json_string(member(name), value);
  return *this;
}

JsonObject& JsonObject::number(std::string_view name, std::int64_t value) {
  append_number(member(name), value);
  return *this;
}

JsonObject& JsonObject::number(std::string_view name, std::size_t value) {
  append_number(member(name), value);
  return *this;
}

JsonObject& JsonObject::flag(std::string_view name, bool value) { return json(name, value ? "true" : "false"); }

JsonObject& JsonObject::json(std::string_view name, std::string_view value) {
  member(name) += value;
  return *this;
}

void JsonObject::end() {
  if (std::exchange(open_, false)) out_ += '}';
}

}  // namespace signet::web_bridge
