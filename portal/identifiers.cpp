#include "portal/identifiers.hpp"

#include <algorithm>
#include <array>

namespace signet::portal {
namespace {

constexpr std::size_t id_digits = 13;
constexpr std::string_view country_code = "373";
constexpr std::size_t msisdn_digits = 11;

bool digits(std::string_view text, std::size_t count) {
  return text.size() == count && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool is_idnp(std::string_view text) { return digits(text, id_digits); }

bool is_idno(std::string_view text) {
  constexpr std::array weights{7, 3, 1};
  if (!digits(text, id_digits)) return false;
  int sum = 0;
  for (std::size_t i = 0; i + 1 < id_digits; ++i) sum += (text[i] - '0') * weights[i % weights.size()];
  return sum % 10 == text.back() - '0';
}

bool is_msisdn(std::string_view text) { return digits(text, msisdn_digits) && text.starts_with(country_code); }

bool is_request_id(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace signet::portal
