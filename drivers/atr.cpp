#include "drivers/atr.hpp"

#include <bit>
#include <optional>

namespace signet::drivers {
namespace {

constexpr std::size_t min_whole_bytes = 4;
constexpr std::string_view digits = "0123456789ABCDEF";

struct Nibble {
  std::uint8_t value = 0;
  std::uint8_t mask = 0xF;
};

std::optional<Nibble> nibble(char c) {
  if (c == '.') return Nibble{0, 0};
  if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  const std::size_t value = digits.find(c);
  if (value == std::string_view::npos) return {};
  return Nibble{static_cast<std::uint8_t>(value), 0xF};
}

std::unexpected<base::Error> wrong(std::string what) {
  return base::failure(base::ErrorCode::parameter_invalid, std::move(what));
}

}  // namespace

bool is_atr(base::BytesView atr) {
  return atr.size() >= min_atr_size && atr.size() <= max_atr_size && (atr[0] == 0x3B || atr[0] == 0x3F);
}

base::Result<AtrMask> AtrMask::parse(std::string_view text) {
  AtrMask mask;
  std::size_t whole = 0;
  while (!text.empty()) {
    if (text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    if (text == "*") {
      mask.any_rest_ = true;
      break;
    }
    const auto high = nibble(text[0]);
    const auto low = text.size() > 1 ? nibble(text[1]) : std::nullopt;
    if (!high || !low) return wrong("an ATR is pairs of hexadecimal digits or dots, with at most a final *");
    if (mask.value_.size() == max_atr_size) return wrong("an ATR has at most 33 bytes");
    mask.value_.push_back(static_cast<std::uint8_t>(high->value << 4 | low->value));
    mask.mask_.push_back(static_cast<std::uint8_t>(high->mask << 4 | low->mask));
    if (mask.mask_.back() == 0xFF) ++whole;
    text.remove_prefix(2);
  }
  if (whole < min_whole_bytes) return wrong("an ATR needs four bytes without a dot");
  if (mask.mask_[0] != 0xFF || !is_atr(mask.value_)) return wrong("an ATR begins with 3B or 3F");
  return mask;
}

bool AtrMask::matches(base::BytesView atr) const {
  if (atr.size() < value_.size() || (atr.size() > value_.size() && !any_rest_)) return false;
  for (std::size_t i = 0; i < value_.size(); ++i) {
    if ((atr[i] & mask_[i]) != value_[i]) return false;
  }
  return true;
}

unsigned AtrMask::fixed_bits() const {
  unsigned bits = 0;
  for (const std::uint8_t byte : mask_) bits += static_cast<unsigned>(std::popcount(byte));
  return bits;
}

std::string AtrMask::text() const {
  std::string out;
  for (std::size_t i = 0; i < value_.size(); ++i) {
    if (i > 0) out += ' ';
    out += (mask_[i] & 0xF0) == 0 ? '.' : digits[value_[i] >> 4];
    out += (mask_[i] & 0x0F) == 0 ? '.' : digits[value_[i] & 0xF];
  }
  if (any_rest_) out += " *";
  return out;
}

}  // namespace signet::drivers
