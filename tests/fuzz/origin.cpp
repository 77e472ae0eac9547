#include "signing/origin.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "property.hpp"

// The Origin header of a web page.

using namespace signet;
using fuzz::hold;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = base::as_text({data, size});
  const auto origin = signing::Origin::parse(text);
  if (!origin) {
    hold(origin.error().code == base::ErrorCode::origin_refused);
    return 0;
  }
  // What is compared with the configuration and shown to the person is what the browser sent, to the byte.
  hold(origin->text() == text);
  hold(!origin->is_command_line() && *origin != signing::Origin::command_line());
  hold(text.starts_with("http://") || text.starts_with("https://"));
  const std::string_view authority = text.substr(text.find("//") + 2);
  hold(!authority.empty() && authority.size() <= 255 + std::string_view(":65535").size());
  hold(std::ranges::all_of(authority, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("-._:[]").contains(c);
  }));
  hold(!text.ends_with(text.starts_with("https") ? ":443" : ":80") || authority.ends_with(']'));
  hold(std::ranges::count(authority, '[') == std::ranges::count(authority, ']') && std::ranges::count(authority, '[') <= 1);
  if (!authority.starts_with('[')) hold(std::ranges::count(authority, ':') <= 1 && !authority.starts_with(':'));
  return 0;
}
