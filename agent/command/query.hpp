#pragma once

#include <iostream>

#include "agent/command/command.hpp"
#include "agent/command/members.hpp"

// What commands that show an answer of the agent's have in common.
namespace signet::agent {

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
