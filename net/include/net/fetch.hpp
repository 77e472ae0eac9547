#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "base/bytes.hpp"

namespace signet::net {

// How a server is checked, and how we show it who we are (mutual TLS). PEM files.
struct FetchTls {
  std::string authorities;  // empty: the machine's
  std::string certificate;  // our own; empty: none
  std::string private_key;
};

// For lists that a publisher has moved.
inline constexpr unsigned most_redirects = 3;

struct FetchRequest {
  std::string url;   // http or https only
  base::Bytes body;  // POST if not empty
  std::string content_type;
  std::string accept;
  std::chrono::milliseconds timeout{10'000};
  std::size_t max_response_bytes = 1u << 20;
  FetchTls tls = {};
  // For addresses that a stranger wrote: connects to no loopback, private, link-local or multicast address, whatever the name
  // resolves to. A proxy may be anywhere; through it only the host's text is looked at, what a name means there the proxy decides.
  bool public_addresses_only = false;
  unsigned max_redirects = 0;  // to http and https, each under the same rules, all within the timeout
};

// Error::origin of network_failed where public_addresses_only kept it from each address that there was.
inline constexpr std::uint64_t only_private_addresses = std::uint64_t{1} << 32;

struct FetchResponse {
  long status = 0;
  std::string content_type;
  base::Bytes body;
  std::optional<std::chrono::seconds> retry_after;  // of 429 and 503
};

// One HTTP exchange with libcurl, or one for each redirect too, on the calling thread: blocks up to the timeout; use it on a worker.
// Keeps a connection per thread for the next call, honours the proxy variables of the environment. An HTTP error status is a
// response, and a redirect is one where none is to be followed; network_failed is for everything that gave none, message_too_large
// for one over the limit.
// `cancelled` (may be null) is polled about every 100 ms.
base::Result<FetchResponse> fetch(const FetchRequest& request, const std::atomic<bool>* cancelled = nullptr);

}  // namespace signet::net
