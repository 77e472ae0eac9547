#include "signing/origin.hpp"

#include <algorithm>
#include <charconv>

namespace signet::signing {
namespace {

bool valid_host(std::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  if (host.front() == '[') {
    return host.back() == ']' && host.size() > 2 && std::ranges::all_of(host.substr(1, host.size() - 2), [](char c) {
             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
           });
  }
  return std::ranges::all_of(
      host, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; });
}

}  // namespace

base::Result<Origin> Origin::parse(std::string_view text) {
  const auto refused = [] { return base::failure(base::ErrorCode::origin_refused, "not an origin"); };
  std::string_view rest = text;
  const bool https = rest.starts_with("https://");
  if (!https && !rest.starts_with("http://")) return refused();
  rest.remove_prefix(https ? 8 : 7);
  const std::size_t colon = rest.starts_with('[') ? rest.find(':', rest.find(']')) : rest.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view digits = rest.substr(colon + 1);
    unsigned port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    const bool whole = error == std::errc{} && end == digits.data() + digits.size() && !digits.starts_with('0');
    // A browser never writes the scheme's own port: what does is no browser.
    if (!whole || port == 0 || port > 65535 || port == (https ? 443U : 80U)) return refused();
    rest = rest.substr(0, colon);
  }
  if (!valid_host(rest)) return refused();
  return Origin(std::string(text));
}

Origin Origin::command_line() { return Origin("command-line"); }

}  // namespace signet::signing
