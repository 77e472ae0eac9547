#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace signet::agent {

// What a person reads of an error, in the chosen language: what happened and, where they can do something, what to do.
std::string message_for(base::ErrorCode code);

// What a commitment type says (EN 319 132-1 5.2.3), in the first person and the chosen language; "" for one that ETSI has not named.
std::string commitment_text(std::string_view uri);

}  // namespace signet::agent
