#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "portal/simulation.hpp"

// What the calls of page_face.cpp and its parts share: their parameters, and the answers that are no result.
namespace signet::portal {

constexpr std::size_t results_at_once = 500;
// A page that signs claims anew well before; one that is gone blocks the request for so long.
constexpr std::chrono::seconds claim_lasts{30};


std::optional<std::string> text_of(const boost::json::object& object, std::string_view key);
std::optional<std::int64_t> number_of(const boost::json::object& object, std::string_view key);
// Absent and null are one; what is there and no number that fits is not.
bool is_number_or_absent(const boost::json::object& object, std::string_view key);
std::optional<std::string> key_of(const boost::json::object& parameters);
// Nothing where it is no object, or nested too deep.
std::optional<boost::json::object> object_in(std::string_view body);

PageReply error_reply(unsigned status, std::string_view code, std::string_view message);
PageReply wrong_parameter(std::string_view which);
PageReply unavailable();
// What a claim that was not given means to the page.
std::optional<PageReply> not_claimed(ClaimOutcome outcome);

}  // namespace signet::portal
