#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace signet::portal {

// What a Sign Page was opened with and brings back at each of its calls, under a MAC (HMAC-SHA-256, RFC 2104): any instance can
// answer, and a page cannot go where the consumer's register does not let it. It opens nothing but its own request.
struct PageToken {
  std::string request_id;
  std::string return_url;                  // checked when it was made; empty: none
  std::optional<std::string> relay_state;  // returned unmodified, whatever bytes it holds
  base::Time made_at{};
};

std::string sealed(const PageToken& token, base::BytesView secret);
// Nothing if it is not one that was sealed with the secret.
std::optional<PageToken> opened(std::string_view text, base::BytesView secret);

}  // namespace signet::portal
