#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

// Every limit of the native protocol, with its reason. Those that clients must know are told by `hello`.
namespace signet::web_bridge {

struct NativeLimits {
  std::size_t message_bytes = 4u << 20;     // a part of 5 000 items with long names is 2 MB
  std::size_t part_items = 5'000;           // a part is dealt with in one go: some milliseconds
  std::size_t connections = 64;             // those that are served; silent ones are bounded by the HTTP server
  std::size_t connections_per_origin = 16;  // tabs of one service
  std::size_t control_connections = 32;     // commands of one user at once
  std::size_t pending_requests = 32;        // of one connection, that wait for a person or a token
  std::size_t unsent_bytes = 1u << 20;      // answers and events that a client does not fetch: no more requests are read
  std::size_t results_per_message = 50;     // measured: the fastest in browsers with a progress bar
  std::size_t results_bytes = 1u << 20;     // so that large documents do not make a browser parse for long
  std::chrono::milliseconds results_interval{100};
  std::chrono::milliseconds progress_interval{100};
  std::chrono::milliseconds hello_timeout{30'000};
  std::chrono::milliseconds pin_descriptor_timeout{10'000};  // a pipe that nobody writes to
  std::size_t id_bytes = 64;                                 // as the manifest has them
  std::size_t name_bytes = 256;
  std::size_t purpose_bytes = 256;
  // What a page has a person state is shown in a dialog, which has little room: all of it fits, whatever it is.
  std::size_t commitments = 2;
  std::size_t roles = 2;
  std::size_t statement_bytes = 64;   // a role, a part of a place
  std::size_t identifier_bytes = 128;  // of a commitment type, a policy; where the policy is
  std::size_t batch_items = 100'000;
  std::size_t unacknowledged = 1'000;
};

// Of a message's JSON: more is message_invalid, so that no message makes us work more than its bytes are worth.
inline constexpr std::size_t max_json_depth = 16;
inline constexpr std::size_t max_object_members = 64;
inline constexpr std::uint64_t max_request_id = (std::uint64_t{1} << 53) - 1;  // what JavaScript counts exactly

}  // namespace signet::web_bridge
