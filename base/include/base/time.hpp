#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace signet::base {

// Seconds since the epoch, UTC. All times that are compared, signed or written are of this type.
using Time = std::chrono::sys_seconds;

std::string rfc3339(Time time);  // "2026-11-22T10:00:00Z", also a valid xsd:dateTime
// With a zone ("Z" or an offset); fractions of a second are cut.
std::optional<Time> from_rfc3339(std::string_view text);

}  // namespace signet::base
