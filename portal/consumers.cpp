#include "portal/consumers.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <set>

#include "base/owned.hpp"
#include "base/text.hpp"

namespace signet::portal {
namespace {

constexpr std::size_t url_limit = 2048;  // what browsers and proxies have in common
constexpr std::size_t host_limit = 253;  // of a name in DNS
constexpr std::size_t name_limit = 200, certificates_limit = 20, addresses_limit = 500, return_urls_limit = 100;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

boost::asio::ip::address unmapped(const boost::asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  return address;
}

template <class Bytes>
bool same_beginning(const Bytes& a, const Bytes& b, unsigned bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

template <class Bytes>
bool ends_in_zeros(const Bytes& bytes, unsigned from_bit) {
  for (unsigned bit = from_bit; bit < bytes.size() * 8; ++bit)
    if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
  return true;
}

unsigned bits_of(const boost::asio::ip::address& address) { return address.is_v4() ? 32 : 128; }

// What is compared of a URL.
struct Location {
  bool https = true;
  std::string host;  // lower case
  std::uint16_t port = 443;
  std::string path;   // as written, never empty where the host has been read
  bool plain = true;  // neither query nor fragment

  bool same_origin(const Location& other) const { return https == other.https && host == other.host && port == other.port; }
};

// What libcurl takes for a host may hold more than one that people can register.
bool is_host(std::string_view host) {
  if (host.starts_with('[')) return true;  // an address that has been parsed
  return !host.empty() && host.front() != '.' &&
         std::ranges::all_of(host, [](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '.'; });
}

bool is_loopback(std::string_view host) {
  if (host == "localhost") return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  return !error && unmapped(address).is_loopback();
}

// Decoded, as the server or something in front of it may: "/b/..%2f", and "/b/..;x/" of servlet containers, leave /b.
bool stays_where_it_is(std::string_view segment) {
  const auto unreadable = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '/' || c == '\\'; };
  if (std::ranges::any_of(segment, unreadable)) return false;
  // Twice encoded is still what it is to a server that decodes twice.
  if (segment.find('%') != std::string_view::npos) return false;
  const auto name = segment.substr(0, segment.find(';'));
  return name != "." && name != "..";
}

// What libcurl takes for a host and a port must be all that stands between "//" and the path: parsers that end the host at
// different places are how "https://good.example" becomes another's.
bool is_authority(std::string_view text, const Location& parsed) {
  const auto start = text.find("//") + 2;  // it is there: libcurl found the scheme before it
  const std::string authority = base::lower(text.substr(start, text.find_first_of("/?#", start) - start));
  if (!authority.starts_with(parsed.host)) return false;
  std::string_view rest = std::string_view(authority).substr(parsed.host.size());
  if (rest.empty() || rest == ":") return true;
  rest.remove_prefix(1);
  return authority[parsed.host.size()] == ':' && rest == std::to_string(parsed.port);
}

using Url = base::Owned<CURLU, curl_url_cleanup>;

std::optional<std::string> part(const Url& url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(url.get(), which, &text, flags) != CURLUE_OK) return std::nullopt;
  const base::Owned<char, curl_free> owned{text};
  return std::string(text);
}

std::string location(std::string_view text, Location& out) {
  if (text.empty() || text.size() > url_limit) return "its length";
  // RFC 3986 clause 2: all that may stand in a URL.
  const auto in_no_url = [](char c) {
    return c <= 0x20 || c >= 0x7F || std::string_view("\"<>\\^`{|}").find(c) != std::string_view::npos;
  };
  if (std::ranges::any_of(text, in_no_url)) return "a character that no URL has: encode it";
  const std::string beginning = base::lower(text.substr(0, 8));
  out.https = beginning == "https://";
  if (!out.https && !beginning.starts_with("http://")) return "it does not begin with https://";
  const Url url{::curl_url()};
  if (url == nullptr) throw std::bad_alloc();
  if (::curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) != CURLUE_OK)
    return "it is no URL, or has a user name";
  out.host = base::lower(part(url, CURLUPART_HOST).value_or(""));
  if (!is_host(out.host)) return "its host";
  const std::string port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("");
  if (std::from_chars(port.data(), port.data() + port.size(), out.port).ec != std::errc() || out.port == 0) return "its port";
  if (!is_authority(text, out)) return "its host";
  out.path = part(url, CURLUPART_PATH).value_or("/");
  std::string_view rest = out.path;
  for (std::size_t slash = 0; slash != std::string_view::npos;
       rest.remove_prefix(slash == std::string_view::npos ? 0 : slash + 1)) {
    slash = rest.find('/');
    if (!stays_where_it_is(base::percent_decoded(rest.substr(0, slash))))
      return "a part of its path that may be read in several ways";
  }
  out.plain = text.find_first_of("?#") == std::string_view::npos;
  return {};
}

std::string environment_error(const Location& location, Environment environment) {
  if (location.https || (environment == Environment::test && is_loopback(location.host))) return {};
  return "http is for this machine, in the test environment only";
}

}  // namespace

std::string_view name(Environment environment) { return environment == Environment::test ? "test" : "production"; }

std::optional<Environment> environment(std::string_view name) {
  if (name == "test") return Environment::test;
  if (name == "production") return Environment::production;
  return std::nullopt;
}

bool AddressRange::contains(const boost::asio::ip::address& other) const {
  const auto here = unmapped(address), there = unmapped(other);
  if (here.is_v4() != there.is_v4() || prefix > bits_of(here)) return false;
  return here.is_v4() ? same_beginning(here.to_v4().to_bytes(), there.to_v4().to_bytes(), prefix)
                      : same_beginning(here.to_v6().to_bytes(), there.to_v6().to_bytes(), prefix);
}

std::string AddressRange::text() const {
  return prefix == bits_of(address) ? address.to_string() : address.to_string() + "/" + std::to_string(prefix);
}

std::optional<AddressRange> address_range(std::string_view text) {
  constexpr unsigned mapped_bits = 96;  // those of ::ffff:0:0/96
  const auto slash = text.find('/');
  const auto address_text = text.substr(0, slash);
  if (address_text.find('%') != std::string_view::npos) return std::nullopt;  // a scope is one machine's
  boost::system::error_code error;
  AddressRange range;
  range.address = boost::asio::ip::make_address(std::string(address_text), error);
  if (error) return std::nullopt;
  range.prefix = bits_of(range.address);
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), range.prefix);
    const bool padded = digits.size() > 1 && digits.front() == '0';
    if (problem != std::errc() || end != digits.data() + digits.size() || padded || range.prefix > bits_of(range.address))
      return std::nullopt;
  }
  if (const auto plain = unmapped(range.address); plain.is_v4() != range.address.is_v4()) {
    if (range.prefix < mapped_bits) return std::nullopt;
    range.address = plain;
    range.prefix -= mapped_bits;
  }
  const bool whole = range.address.is_v4() ? ends_in_zeros(range.address.to_v4().to_bytes(), range.prefix)
                                           : ends_in_zeros(range.address.to_v6().to_bytes(), range.prefix);
  return whole ? std::optional(range) : std::nullopt;
}

std::string consumer_error(const Consumer& consumer) {
  if (consumer.id.empty() || consumer.id.size() > 40 ||
      !std::ranges::all_of(consumer.id, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; }))
    return "id: 1 to 40 of a-z, 0-9 and -";
  // What people read must be what they see: shown() changes what could mislead them.
  if (consumer.name.empty() || consumer.name.size() > name_limit || base::shown(consumer.name, name_limit) != consumer.name)
    return "name: 1 to 200 bytes of readable text";
  if (consumer.certificates.size() > certificates_limit || consumer.addresses.size() > addresses_limit ||
      consumer.return_urls.size() > return_urls_limit)
    return "more certificates, addresses or return URLs than anybody needs";
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const auto& [serial, issuer, not_after] : consumer.certificates) {
    // RFC 5280 4.1.2.2: at most 20 octets.
    if (serial.empty() || serial.size() > 40 || !std::ranges::all_of(serial, is_lower_hex) || (serial.front() == '0'))
      return "certificate: a serial number in lower-case hexadecimal without leading zeros";
    if (issuer.size() != 64 || !std::ranges::all_of(issuer, is_lower_hex))
      return "certificate: the SHA-256 of its issuer's certificate in lower-case hexadecimal";
    if (!seen.emplace(issuer, serial).second) return "certificate: " + serial + " twice";
  }
  for (const auto& range : consumer.addresses)
    if (!address_range(range.text())) return "address: " + range.text() + " is no range";
  for (const auto& prefix : consumer.return_urls)
    if (auto error = return_url_prefix_error(prefix, consumer.environment); !error.empty()) return "return URL: " + error;
  return {};
}

bool return_url_allowed(const Consumer& consumer, std::string_view url) {
  Location there;
  if (!location(url, there).empty() || !environment_error(there, consumer.environment).empty()) return false;
  return std::ranges::any_of(consumer.return_urls, [&](const std::string& prefix) {
    Location allowed;
    if (!location(prefix, allowed).empty() || !allowed.plain || !there.same_origin(allowed) ||
        !there.path.starts_with(allowed.path))
      return false;
    return allowed.path.ends_with('/') || there.path.size() == allowed.path.size() || there.path[allowed.path.size()] == '/';
  });
}

std::string return_url_host(std::string_view url) {
  Location there;
  location(url, there);
  if (there.path.empty() || there.host.size() > host_limit) return {};  // no path: what stands before it was not what it seems
  const bool own_port = there.port == (there.https ? 443 : 80);
  return own_port ? there.host : there.host + ":" + std::to_string(there.port);
}

std::string return_url_prefix_error(std::string_view prefix, Environment environment) {
  Location parsed;
  if (auto error = location(prefix, parsed); !error.empty()) return error;
  if (!parsed.plain) return "a query or a fragment";
  return environment_error(parsed, environment);
}

}  // namespace signet::portal
