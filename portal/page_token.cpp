#include "portal/page_token.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <charconv>

namespace signet::portal {
namespace {

constexpr std::size_t longest = 64 * 1024;
using Mac = std::array<std::uint8_t, 32>;

Mac mac_of(std::string_view payload, base::BytesView secret) {
  Mac mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(payload.data()),
       payload.size(), mac.data(), &size);
  return mac;
}

std::string encoded(std::string_view text) { return base::base64(base::as_bytes(text)); }
std::optional<std::string> decoded(std::string_view text) {
  const auto bytes = base::from_base64(text);
  if (!bytes) return {};
  return std::string(base::as_text(*bytes));
}

}  // namespace

// request "." seconds "." base64(url) "." base64(relay state) or "-" "." base64(MAC)
std::string sealed(const PageToken& token, base::BytesView secret) {
  std::string text = token.request_id + "." + std::to_string(token.made_at.time_since_epoch().count()) + "." +
                     encoded(token.return_url) + "." + (token.relay_state ? encoded(*token.relay_state) : "-");
  const Mac mac = mac_of(text, secret);
  return text + "." + base::base64(mac);
}

std::optional<PageToken> opened(std::string_view text, base::BytesView secret) {
  if (text.size() > longest) return {};
  const auto last = text.rfind('.');
  if (last == std::string_view::npos) return {};
  const auto given = base::from_base64(text.substr(last + 1));
  const Mac mac = mac_of(text.substr(0, last), secret);
  if (!given || given->size() != mac.size() || CRYPTO_memcmp(given->data(), mac.data(), mac.size()) != 0) return {};
  std::array<std::string_view, 4> parts;
  std::string_view rest = text.substr(0, last);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto dot = rest.find('.');
    if ((dot == std::string_view::npos) != (i + 1 == parts.size())) return {};
    parts.at(i) = rest.substr(0, dot);
    rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
  }
  PageToken token;
  token.request_id = parts[0];
  std::int64_t seconds = 0;
  std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), seconds);
  token.made_at = base::Time(std::chrono::seconds(seconds));
  auto url = decoded(parts[2]);
  if (!url) return {};
  token.return_url = std::move(*url);
  if (parts[3] != "-") {
    token.relay_state = decoded(parts[3]);
    if (!token.relay_state) return {};
  }
  return token;
}

}  // namespace signet::portal
