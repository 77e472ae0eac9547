#include "agent/configuration.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "property.hpp"
#include "signing/origin.hpp"

// signet.toml. A local administrator's text, but what it may hold is what the agent relies on.

using namespace signet;
using fuzz::hold;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = agent::parse_configuration(base::as_text({data, size}), "signet.toml");
  if (!read) {
    hold(read.error().code == base::ErrorCode::configuration_invalid && read.error().detail.starts_with("signet.toml, line "));
    return 0;
  }
  for (const auto& module : read->modules) hold(module.path.starts_with('/'));
  for (const std::string& origin : read->web.origins) hold(signing::Origin::parse(origin).has_value());
  hold(!read->web.ports.empty() && read->web.ports.size() <= 5 && std::ranges::find(read->web.ports, 0) == read->web.ports.end());
  for (const std::string& url : read->time_stamping.urls) hold(url.starts_with("http"));
  hold(read->time_stamping.timeout >= std::chrono::milliseconds{100} && read->time_stamping.timeout <= std::chrono::minutes{1});
  hold(read->time_stamping.tries >= 1 && read->time_stamping.tries <= 10);
  hold(read->pin_cache.idle <= std::chrono::hours{24} && read->pin_cache.max_age <= std::chrono::hours{24});
  hold(read->pin_cache.max_signatures >= 1);
  hold(!read->dialog.pinentry.empty() && read->dialog.timeout >= std::chrono::seconds{5});
  for (const auto& path : {read->journal, read->control_socket}) hold(path.empty() || path.is_absolute());
  return 0;
}
