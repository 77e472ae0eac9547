#pragma once

#include <sys/types.h>

#include <vector>

#include "net/http_server.hpp"
#include "signing/origin.hpp"

namespace signet::web_bridge {

// Which web pages and which users are served: exact origins, exact uids. Nothing is matched by pattern.
struct OriginPolicy {
  std::vector<signing::Origin> allowed;
  std::vector<uid_t> users;

  bool allows(const signing::Origin& origin) const;
  bool serves(uid_t user) const;
};

// host_refused unless there is exactly one Host and it is 127.0.0.1:P, localhost:P or [::1]:P with the port that was connected
// to: a rebound name (DNS) shows here.
base::Result<void> check_host(const net::HttpRequest& request);
// origin_refused unless there is exactly one Origin of a web page: `null` and extensions are none.
base::Result<signing::Origin> origin_of(const net::HttpRequest& request);

}  // namespace signet::web_bridge
