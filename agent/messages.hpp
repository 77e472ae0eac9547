#pragma once

#include <string>

#include "base/error.hpp"

namespace signet::agent {

// What a person reads of an error, in the chosen language: what happened and, where they can do something, what to do.
std::string message_for(base::ErrorCode code);

}  // namespace signet::agent
