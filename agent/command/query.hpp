#pragma once

#include <boost/json.hpp>
#include <iostream>

#include "agent/command/command.hpp"
#include "service/text.hpp"

// What commands that show an answer of the agent's have in common.
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

template <class Show>
void query(Context& context, std::string_view method, Show show, boost::json::object parameters = {}) {
  auto agent = context.agent();
  auto result = agent ? agent->call(method, std::move(parameters)) : base::Result<boost::json::object>(base::failure_of(agent));
  if (!result) {
    context.exit_code = report(context, result.error());
  } else if (context.json) {
    std::cout << boost::json::serialize(*result) << '\n';
  } else {
    show(*result);
  }
}

}  // namespace signet::agent
