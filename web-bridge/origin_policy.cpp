#include "web_bridge/origin_policy.hpp"

#include <algorithm>

namespace signet::web_bridge {

bool OriginPolicy::allows(const signing::Origin& origin) const { return std::ranges::find(allowed, origin) != allowed.end(); }
bool OriginPolicy::serves(uid_t user) const { return std::ranges::find(users, user) != users.end(); }

base::Result<void> check_host(const net::HttpRequest& request) {
  const auto hosts = request.all("host");
  const std::string port = ':' + std::to_string(request.local.port);
  if (hosts.size() == 1) {
    for (const char* const name : {"127.0.0.1", "localhost", "[::1]"}) {
      if (hosts.front() == name + port) return {};
    }
  }
  return base::failure(base::ErrorCode::host_refused, hosts.empty() ? "no Host" : std::string(hosts.front()));
}

base::Result<signing::Origin> origin_of(const net::HttpRequest& request) {
  const auto origins = request.all("origin");
  if (origins.size() != 1)
    return base::failure(base::ErrorCode::origin_refused, origins.empty() ? "no Origin" : "more than one Origin");
  auto origin = signing::Origin::parse(origins.front());
  if (!origin) return base::failure(base::ErrorCode::origin_refused, std::string(origins.front()));
  return origin;
}

}  // namespace signet::web_bridge
