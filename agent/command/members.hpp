#pragma once

#include <boost/json.hpp>
#include <string>

#include "service/text.hpp"

// What of the agent's answers commands show.
namespace signet::agent {

// The value of a member as a person reads it; "" if it is not there.
inline std::string shown_member(const boost::json::object& object, std::string_view name) {
  const boost::json::value* const value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  if (value->is_string()) return std::string(value->get_string());
  if (value->is_bool()) return value->get_bool() ? service::tr("yes") : service::tr("no");
  return boost::json::serialize(*value);
}

inline bool is_set(const boost::json::object& object, std::string_view name) {
  const boost::json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

inline const boost::json::array& rows(const boost::json::object& object, std::string_view name) {
  static const boost::json::array none;
  const boost::json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_array() ? value->get_array() : none;
}

}  // namespace signet::agent
