#include "page_calls.hpp"

#include <boost/json/parse.hpp>

#include "portal/identifiers.hpp"

namespace signet::portal {

namespace json = boost::json;

std::optional<std::string> text_of(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->as_string());
}

std::optional<std::int64_t> number_of(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  if (value == nullptr) return {};
  boost::system::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  if (error) return {};
  return number;
}

bool is_number_or_absent(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  return value == nullptr || value->is_null() || number_of(object, key).has_value();
}

std::optional<std::string> key_of(const json::object& parameters) {
  auto key = text_of(parameters, "key");
  if (!key || !is_request_id(*key)) return {};  // 32 hexadecimal digits, as an id
  return key;
}

std::optional<json::object> object_in(std::string_view body) {
  boost::system::error_code wrong;
  json::parse_options strict;
  strict.max_depth = 8;
  auto parsed = json::parse(body, wrong, {}, strict);
  if (wrong || !parsed.is_object()) return {};
  return std::move(parsed.as_object());
}

PageReply error_reply(unsigned status, std::string_view code, std::string_view message) {
  return {status, {{"error", {{"code", code}, {"message", message}}}}};
}

PageReply wrong_parameter(std::string_view which) { return error_reply(400, "parameter_invalid", which); }

PageReply unavailable() { return error_reply(503, "unavailable", "The service cannot answer now."); }

std::optional<PageReply> not_claimed(ClaimOutcome outcome) {
  switch (outcome) {
    case ClaimOutcome::claimed:
      return {};
    case ClaimOutcome::held:
      return error_reply(409, "held", "Another window signs this request.");
    case ClaimOutcome::ended:
      return error_reply(409, "ended", "The request has ended.");
    case ClaimOutcome::unknown:
      break;
  }
  return error_reply(404, "request_unknown", "There is no such request.");
}

}  // namespace signet::portal
