#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/digest.hpp"

// What identifiers of people, organizations, phones, requests and hashes look like. Forms only: nothing says that one was issued.
namespace signet::portal {

// A person's: 13 digits. No public source confirms a check digit.
bool is_idnp(std::string_view text);
// An organization's: 13 digits, of which the last is the sum of the first twelve with the weights 7 3 1 7 3 1 …, modulo 10.
bool is_idno(std::string_view text);
// 373 and 8 digits, without a plus sign.
bool is_msisdn(std::string_view text);

// A request's, as the store makes it: 32 lower-case hexadecimal digits.
bool is_request_id(std::string_view text);

// Unicode code points of a text in UTF-8: what the contract counts lengths in.
std::size_t characters(std::string_view utf8);

}  // namespace signet::portal
