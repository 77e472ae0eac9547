#pragma once

#include <chrono>
#include <cstddef>

namespace signet::trust {

// How others' services are asked. Redirects are not followed; proxies are the environment's.
struct Fetching {
  bool offline = false;            // nobody is asked: what is kept serves
  bool private_addresses = false;  // a certificate must not make this machine call inside its own network
  std::chrono::milliseconds timeout{10'000};  // of all that one call fetches
  // What is kept is asked for anew after that, and serves until its end where nobody answers; sooner where a time is proven that is
  // after it was fetched.
  std::chrono::seconds fresh_for{3'600};
  std::size_t most_ocsp_bytes = 256u << 10;
  std::size_t most_list_bytes = 32u << 20;  // revocation lists and trusted lists
};

}  // namespace signet::trust
