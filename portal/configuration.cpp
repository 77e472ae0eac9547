#include "portal/configuration.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>

#include "base/text.hpp"
#include "service/settings.hpp"

namespace signet::portal {
namespace {

using service::must_be_absolute;
using service::SettingsTable;
using service::SettingsValue;

// "127.0.0.1:8443", "[::1]:8443".
std::optional<net::Endpoint> endpoint(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return {};
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return {};
  }
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [last, wrong] = std::from_chars(text.data() + colon + 1, end, port);
  if (error || wrong != std::errc{} || last != end) return {};
  return net::Endpoint{address, port};
}

void read_listener(SettingsTable table, Configuration::Listener& listener) {
  table.list("listen", [&](const SettingsValue& element) -> std::string {
    const auto text = element.text();
    const auto found = text ? endpoint(*text) : std::nullopt;
    if (!found) return "must hold addresses with ports such as \"127.0.0.1:8443\" or \"[::]:8443\"";
    listener.endpoints.push_back(*found);
    return {};
  });
  net::TlsFiles tls;
  table.text("certificate", [&](std::string path) {
    tls.certificate_chain = std::move(path);
    return must_be_absolute(tls.certificate_chain.string());
  });
  table.text("key", [&](std::string path) {
    tls.private_key = std::move(path);
    return must_be_absolute(tls.private_key.string());
  });
  if (!tls.certificate_chain.empty() || !tls.private_key.empty()) listener.tls = std::move(tls);
}

void read_proxies(SettingsTable table, Configuration::Proxies& proxies) {
  table.list("trusted", [&](const SettingsValue& element) -> std::string {
    const auto text = element.text();
    const auto range = text ? address_range(*text) : std::nullopt;
    if (!range) return "must hold addresses or ranges such as \"10.0.0.0/8\"";
    proxies.trusted.push_back(*range);
    return {};
  });
  const auto header = [](std::string& taken) {
    return [&taken](const std::string& name) -> std::string {
      taken = base::lower(name);
      return taken.empty() || taken.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos
                 ? "must be the name of a header"
                 : "";
    };
  };
  table.text("certificate_header", header(proxies.certificate_header));
  table.text("address_header", header(proxies.address_header));
}

void read_requests(SettingsTable table, Configuration::Requests& requests) {
  table.number("expire_after_s", 10, 30 * 86'400,
               [&](std::int64_t value) { requests.expire_after = std::chrono::seconds{value}; });
  table.number("delete_after_s", 60, 10 * 366 * 86'400LL,
               [&](std::int64_t value) { requests.delete_after = std::chrono::seconds{value}; });
  table.boolean("allow_sha1", [&](bool value) { requests.allow_sha1 = value; });
  table.number("max_contents", 1, 100'000, [&](std::int64_t value) { requests.max_contents = static_cast<std::size_t>(value); });
}

// "AT-" and 7 characters.
bool is_type_code(std::string_view text) {
  return text.size() == 10 && text.starts_with("AT-") &&
         text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 3) == std::string_view::npos;
}

void read_revocation(SettingsTable table, service::RevocationServices::Options& revocation) {
  table.boolean("fetch", [&](bool fetch) { revocation.fetch = fetch; });
  table.boolean("private_addresses", [&](bool allowed) { revocation.private_addresses = allowed; });
  table.number("timeout_ms", 100, 60'000, [&](std::int64_t value) { revocation.timeout = std::chrono::milliseconds{value}; });
}

void read_mpower(SettingsTable table, Configuration::Mpower& mpower) {
  table.text("url", [&](std::string url) -> std::string {
    mpower.url = std::move(url);
    while (mpower.url.ends_with('/')) mpower.url.pop_back();
    return mpower.url.starts_with("https://") ? "" : "must be an https address";
  });
  const auto file = [](std::string& taken) {
    return [&taken](std::string path) {
      taken = std::move(path);
      return must_be_absolute(taken);
    };
  };
  table.text("certificate", file(mpower.tls.certificate));
  table.text("key", file(mpower.tls.private_key));
  table.text("ca", file(mpower.tls.authorities));
  table.number("timeout_ms", 100, 60'000, [&](std::int64_t value) { mpower.timeout = std::chrono::milliseconds{value}; });
  table.each_text("roles", [&](const std::string& role, std::string code) -> std::string {
    int number = 0;
    const auto [end, wrong] = std::from_chars(role.data(), role.data() + role.size(), number);
    if (wrong != std::errc{} || end != role.data() + role.size() || number <= 0)
      return "must have the numbers of roles as keys: 12 = \"AT-0000123\"";
    if (!is_type_code(code)) return "must hold codes such as \"AT-0000123\"";
    mpower.roles.emplace(number, std::move(code));
    return {};
  });
}

// A page takes a connection that is silent for a minute for a broken one.
constexpr std::chrono::seconds stamping_takes_at_most{30};

// The names that the contract gives them; "sandbox" is ours.
const std::set<std::string, std::less<>> instrument_ids{"mobile", "moldsign", "nationalid", "securesign",
                                                        "tax",    "token",    "sandbox"};

void read_instruments(SettingsTable& root, Configuration& configuration, SettingsTable::Problems& problems) {
  root.list("instruments", [&](const SettingsValue& element) -> std::string {
    Configuration::Instrument instrument;
    instrument.kind = "token";
    {
      auto entry = element.table("instruments", problems);
      if (!entry) return "must be a table: [[instruments]]";
      entry->text("id", [&](std::string id) {
        instrument.id = std::move(id);
        return std::string{};
      });
      entry->text("kind", [&](std::string kind) -> std::string {
        instrument.kind = std::move(kind);
        return instrument.kind == "token" || instrument.kind == "sandbox" || instrument.kind == "mobile"
                   ? ""
                   : "must be \"token\", \"sandbox\" or \"mobile\"";
      });
      entry->text("issuers", [&](std::string path) {
        instrument.issuers = std::move(path);
        return must_be_absolute(instrument.issuers.string());
      });
    }
    if (!instrument_ids.contains(instrument.id))
      return "need an id: moldsign, nationalid, securesign, tax, token, mobile or sandbox";
    if (instrument.id == "mobile" && instrument.kind == "token") return "need kind = \"mobile\" where the id is mobile";
    if (std::ranges::any_of(configuration.instruments, [&](const auto& known) { return known.id == instrument.id; }))
      return "name one twice: " + instrument.id;
    configuration.instruments.push_back(std::move(instrument));
    return {};
  });
}

std::string lacking(const Configuration& configuration) {
  if (configuration.public_url.empty()) return "public_url is missing";
  if (configuration.api.endpoints.empty()) return "api.listen is missing";
  if (configuration.pages.endpoints.empty()) return "pages.listen is missing";
  if (configuration.consumer_cas.empty()) return "consumers.ca is missing: who may call the API";
  if (!configuration.api.tls && configuration.proxies.certificate_header.empty())
    return "api.certificate and api.key are missing (or proxies.certificate_header, behind a proxy that asks for client "
           "certificates)";
  if (!configuration.proxies.certificate_header.empty() && configuration.proxies.trusted.empty())
    return "proxies.trusted is missing: whose certificate_header is believed";
  if (!configuration.mpower.url.empty() &&
      (configuration.mpower.tls.certificate.empty() || configuration.mpower.tls.private_key.empty()))
    return "mpower.certificate and mpower.key are missing: MPower knows its callers by them";
  if (!configuration.proxies.trusted.empty() && configuration.proxies.certificate_header.empty())
    return "proxies.certificate_header is missing: a proxy that does not say who calls cannot be believed about from where";
  if (const auto& stamping = configuration.time_stamping;
      stamping.urls.size() * stamping.tries * stamping.timeout > stamping_takes_at_most)
    return "time_stamping: all tries of all urls take over 30 s; a page does not wait so long";
  if (configuration.instruments.empty()) return "[[instruments]] is missing: with what people sign";
  const bool simulated =
      std::ranges::any_of(configuration.instruments, [](const auto& instrument) { return instrument.kind == "sandbox"; });
  if (simulated && configuration.sandbox.empty()) return "instruments of the kind sandbox need sandbox.folder";
  if (configuration.signer_trust.empty() && configuration.sandbox.empty())
    return "signers.trust is missing: whose signatures are accepted";
  return {};
}

}  // namespace

base::Result<Configuration> parse_configuration(std::string_view toml, const std::string& file_name) {
  Configuration configuration;
  auto read = service::read_settings(toml, file_name, [&](SettingsTable& root, SettingsTable::Problems& problems) {
    root.text("public_url", [&](std::string url) -> std::string {
      configuration.public_url = std::move(url);
      const auto slashes = configuration.public_url.find("://");
      const bool fits = (configuration.public_url.starts_with("https://") || configuration.public_url.starts_with("http://")) &&
                        configuration.public_url.find_first_of("/?# ", slashes + 3) == std::string::npos;
      return fits ? "" : "must be such as \"https://sign.example\", without a path";
    });
    root.text("log_level", [&](const std::string& level) -> std::string {
      configuration.log_level = level;
      return level == "debug" || level == "info" || level == "warning" || level == "error"
                 ? ""
                 : "must be \"debug\", \"info\", \"warning\" or \"error\"";
    });
    root.number("stop_timeout_s", 1, 600, [&](std::int64_t value) { configuration.stop_timeout = std::chrono::seconds{value}; });
    {
      SettingsTable api = root.table("api");
      api.number("threads", 1, 64, [&](std::int64_t value) { configuration.api_threads = static_cast<std::size_t>(value); });
      read_listener(std::move(api), configuration.api);
    }
    read_listener(root.table("pages"), configuration.pages);
    read_listener(root.table("operations"), configuration.operations);
    if (configuration.api.tls) configuration.api.tls->client_certificate = net::TlsFiles::ClientCertificate::asked;
    read_proxies(root.table("proxies"), configuration.proxies);
    {
      SettingsTable store = root.table("store");
      store.text("database", [&](std::string database) -> std::string {
        configuration.store.database = std::move(database);
        return configuration.store.database.starts_with("sqlite:/") || configuration.store.database.starts_with("postgresql:")
                   ? ""
                   : "must be \"sqlite:/path/of/file\" or \"postgresql:dbname=… host=…\"";
      });
      store.number("readers", 1, 64, [&](std::int64_t value) { configuration.store.readers = static_cast<std::size_t>(value); });
      store.number("writers", 1, 64, [&](std::int64_t value) { configuration.store.writers = static_cast<std::size_t>(value); });
    }
    read_requests(root.table("requests"), configuration.requests);
    SettingsTable consumers = root.table("consumers");
    consumers.text("ca", [&](std::string path) {
      configuration.consumer_cas = std::move(path);
      return must_be_absolute(configuration.consumer_cas.string());
    });
    SettingsTable signers = root.table("signers");
    signers.text("trust", [&](std::string path) {
      configuration.signer_trust = std::move(path);
      return must_be_absolute(configuration.signer_trust.string());
    });
    read_instruments(root, configuration, problems);
    read_revocation(root.table("revocation"), configuration.revocation);
    read_mpower(root.table("mpower"), configuration.mpower);
    service::read_time_stamping(root.table("time_stamping"), configuration.time_stamping);
    SettingsTable agent = root.table("agent");
    agent.text("install_url", [&](std::string url) -> std::string {
      configuration.install_url = std::move(url);
      return configuration.install_url.starts_with("https://") ? "" : "must be an https address";
    });
    SettingsTable sandbox = root.table("sandbox");
    sandbox.text("folder", [&](std::string path) {
      configuration.sandbox = std::move(path);
      return must_be_absolute(configuration.sandbox.string());
    });
    if (problems.empty()) {
      if (auto missing = lacking(configuration); !missing.empty()) problems.push_back(std::move(missing));
    }
  });
  if (!read) return base::failure_of(read);
  return configuration;
}

base::Result<Configuration> read_configuration(const std::filesystem::path& file) {
  auto text = service::settings_text(file);
  if (!text) return base::failure_of(text);
  return parse_configuration(*text, file.string());
}

std::filesystem::path default_configuration() {
  const char* const named = std::getenv("SIGNET_PORTAL_CONFIG");
  return named != nullptr && *named != '\0' ? named : "/etc/signet/portal.toml";
}

}  // namespace signet::portal
