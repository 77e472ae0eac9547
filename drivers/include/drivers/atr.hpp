#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace signet::drivers {

// ISO/IEC 7816-3 clause 8: TS, T0 and at most 31 characters after them.
constexpr std::size_t min_atr_size = 2;
constexpr std::size_t max_atr_size = 33;

// Whether these bytes can be the answer to reset of a card: their number, and TS. What the card says in it is not judged.
bool is_atr(base::BytesView atr);

// Which answers to reset belong to a family: bytes, of which some bits may be anything. Immutable; any thread.
class AtrMask {
 public:
  // Hexadecimal, white space between bytes; a dot is any four bits; a final `*` any further bytes: "3B 9F .. 81 31 FE 9.*".
  // parameter_invalid: not of that form, begins with neither 3B nor 3F, over 33 bytes, or fewer than four bytes without a dot,
  // which would take strangers' cards.
  static base::Result<AtrMask> parse(std::string_view text);

  bool matches(base::BytesView atr) const;
  unsigned fixed_bits() const;  // the more there are, the better it knows its cards
  std::string text() const;     // one form for each mask: upper case, a space between bytes
  bool operator==(const AtrMask&) const = default;

 private:
  AtrMask() = default;
  base::Bytes value_;
  base::Bytes mask_;  // as long as value_; a bit that is 0 is any
  bool any_rest_ = false;
};

}  // namespace signet::drivers
