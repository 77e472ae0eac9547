#include "agent/configuration.hpp"

#include <charconv>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>

#include "service/settings.hpp"
#include "signing/origin.hpp"

namespace signet::agent {

using service::must_be_absolute;
using service::SettingsTable;
using service::SettingsValue;

namespace {

std::filesystem::path from_environment(const char* variable, const std::filesystem::path& below_home) {
  if (const char* value = std::getenv(variable); value != nullptr && *value == '/') return value;
  const char* const home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr && *home == '/' ? home : "/") / below_home;
}

// A name, or a number that is one of a user: (uid_t)-1 is none. Which users there are is not looked up here.
bool may_be_user(std::string_view text) {
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return true;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && number != std::numeric_limits<std::uint32_t>::max();
}

void read_modules(SettingsTable& root, Configuration& configuration, SettingsTable::Problems& problems) {
  root.list("modules", [&](const SettingsValue& element) -> std::string {
    pkcs11::ModuleOptions module;
    std::vector<std::string> families;
    {
      auto entry = element.table("modules", problems);
      if (!entry) return "must be a table: [[modules]]";
      entry->text("path", [&](std::string path) {
        module.path = std::move(path);
        return must_be_absolute(module.path);
      });
      entry->text("unblock", [&](const std::string& way) -> std::string {
        static const std::map<std::string, pkcs11::UnblockWay> ways{{"so_pin", pkcs11::UnblockWay::so_pin},
                                                                    {"puk", pkcs11::UnblockWay::puk},
                                                                    {"vendor_tool", pkcs11::UnblockWay::vendor_tool}};
        const auto known = ways.find(way);
        if (known == ways.end()) return "must be \"so_pin\", \"puk\" or \"vendor_tool\"";
        module.unblock = known->second;
        return {};
      });
      entry->text("name", [&](std::string name) {
        module.name = std::move(name);
        return std::string{};
      });
      entry->list("families", [&](const SettingsValue& element) -> std::string {
        auto family = element.text();
        if (!family || family->empty()) return "must hold ids of families, such as \"rutoken\"";
        families.push_back(std::move(*family));
        return {};
      });
      entry->boolean("network", [&](bool value) { module.network = value; });
      using Limit = std::optional<std::chrono::milliseconds>;
      const auto into = [](Limit& limit) { return [&limit](std::int64_t value) { limit = std::chrono::seconds{value}; }; };
      entry->number("load_timeout_s", 1, 600, into(module.load_timeout));
      entry->number("list_timeout_s", 1, 600, into(module.list_timeout));
      entry->number("login_timeout_s", 1, 600, into(module.login_timeout));
      entry->number("pin_pad_timeout_s", 30, 3'600, into(module.pin_pad_timeout));
      entry->number("sign_timeout_s", 1, 600, into(module.sign_timeout));
    }
    if (module.path.empty()) return "need a path";
    if (module.name.empty()) module.name = std::filesystem::path(module.path).stem().string();
    configuration.modules.push_back(std::move(module));
    configuration.module_families.push_back(std::move(families));
    return {};
  });
}

std::vector<std::filesystem::path> folders(SettingsTable& table, std::string_view key) {
  std::vector<std::filesystem::path> out;
  table.list(key, [&](const SettingsValue& element) -> std::string {
    const auto path = element.text();
    if (!path || !path->starts_with('/')) return "must hold absolute paths of folders";
    out.emplace_back(*path);
    return {};
  });
  return out;
}

void read_devices(SettingsTable table, Configuration::Devices& devices, SettingsTable::Problems& problems) {
  table.boolean("automatic", [&](bool value) { devices.automatic = value; });
  devices.catalogue = folders(table, "catalogue");
  if (auto named = folders(table, "module_folders"); !named.empty()) devices.module_folders = std::move(named);
  table.list("family", [&](const SettingsValue& element) -> std::string {
    auto entry = element.table("devices.family", problems);
    if (!entry) return "must be a table: [[devices.family]]";
    drivers::Family family;
    drivers::read_family(*entry, problems, family);
    family.source = "the configuration";
    devices.families.push_back(std::move(family));
    return {};
  });
}

void read_pin_cache(SettingsTable table, signing::PinPolicy& policy, signing::OnLock& on_lock) {
  table.text("scope", [&](const std::string& scope) -> std::string {
    static const std::map<std::string, signing::PinScope> scopes{
        {"off", signing::PinScope::off}, {"batch", signing::PinScope::batch}, {"session", signing::PinScope::session}};
    const auto known = scopes.find(scope);
    if (known == scopes.end()) return "must be \"off\", \"batch\" or \"session\"";
    policy.scope = known->second;
    return {};
  });
  table.text("on_lock", [&](const std::string& what) -> std::string {
    on_lock = what == "finish" ? signing::OnLock::finish : signing::OnLock::pause;
    return what == "pause" || what == "finish" ? "" : "must be \"pause\" or \"finish\"";
  });
  table.number("idle_s", 1, 86'400, [&](std::int64_t value) { policy.idle = std::chrono::seconds{value}; });
  table.number("max_age_s", 1, 86'400, [&](std::int64_t value) { policy.max_age = std::chrono::seconds{value}; });
  table.number("max_signatures", 1, 10'000'000,
               [&](std::int64_t value) { policy.max_signatures = static_cast<std::size_t>(value); });
}

void read_verification(SettingsTable table, Configuration::Verification& verification, SettingsTable::Problems& problems) {
  table.text("trust", [&](const std::string& path) {
    verification.trust = path;
    return must_be_absolute(path);
  });
  table.list("trusted_lists", [&](const SettingsValue& element) -> std::string {
    auto entry = element.table("verification.trusted_lists", problems);
    if (!entry) return "must be a table: [[verification.trusted_lists]]";
    Configuration::Verification::TrustedList list;
    entry->text("place", [&](const std::string& place) -> std::string {
      list.place = place;
      const bool is_address = place.starts_with("https://") || place.starts_with("http://");
      return is_address || must_be_absolute(place).empty() ? "" : "must be an absolute path or an address";
    });
    entry->text("signers", [&](const std::string& path) {
      list.signers = path;
      return must_be_absolute(path);
    });
    if (list.place.empty() || list.signers.empty()) return "wants place and signers";
    verification.trusted_lists.push_back(std::move(list));
    return {};
  });
}

void read_web(SettingsTable table, Configuration::Web& web) {
  table.list("origins", [&](const SettingsValue& element) -> std::string {
    const auto value = element.text();
    if (!value || !signing::Origin::parse(*value))
      return "must hold origins such as \"https://sign.example\" (no path, no pattern)";
    web.origins.push_back(*value);
    return {};
  });
  std::vector<std::uint16_t> ports;
  table.list("ports", [&](const SettingsValue& element) -> std::string {
    const auto value = element.number();
    if (!value || *value < 1 || *value > 65'535 || ports.size() == 5) return "must hold one to five port numbers";
    ports.push_back(static_cast<std::uint16_t>(*value));
    return {};
  });
  if (!ports.empty()) web.ports = std::move(ports);
  table.number("wait_for_page_s", 0, 3'600, [&](std::int64_t value) { web.wait_for_page = std::chrono::seconds{value}; });
}

}  // namespace

std::filesystem::path state_folder() { return from_environment("XDG_STATE_HOME", ".local/state") / "signet"; }

std::filesystem::path cache_folder() { return from_environment("XDG_CACHE_HOME", ".cache") / "signet"; }

std::filesystem::path runtime_folder() {
  if (const char* value = std::getenv("XDG_RUNTIME_DIR"); value != nullptr && *value == '/')
    return std::filesystem::path(value) / "signet";
  return state_folder() / "run";
}

std::vector<std::filesystem::path> configuration_places() {
  return {from_environment("XDG_CONFIG_HOME", ".config") / "signet" / "signet.toml", "/etc/signet/signet.toml"};
}

base::Result<Configuration> parse_configuration(std::string_view toml, const std::string& file_name) {
  Configuration configuration;
  auto read = service::read_settings(toml, file_name, [&](SettingsTable& root, SettingsTable::Problems& problems) {
    root.text("language", [&](const std::string& language) -> std::string {
      configuration.language = language;
      return language == "ro" || language == "ru" || language == "en" ? "" : "must be \"ro\", \"ru\" or \"en\"";
    });
    root.text("journal", [&](const std::string& path) {
      configuration.journal = path;
      return must_be_absolute(path);
    });
    root.text("control_socket", [&](const std::string& path) {
      configuration.control_socket = path;
      return must_be_absolute(path);
    });
    root.text("log_level", [&](const std::string& level) -> std::string {
      configuration.log_level = level;
      return level == "debug" || level == "info" || level == "warning" || level == "error"
                 ? ""
                 : "must be \"debug\", \"info\", \"warning\" or \"error\"";
    });
    read_modules(root, configuration, problems);
    read_devices(root.table("devices"), configuration.devices, problems);
    service::read_time_stamping(root.table("time_stamping"), configuration.time_stamping);
    read_verification(root.table("verification"), configuration.verification, problems);
    read_web(root.table("web"), configuration.web);
    read_pin_cache(root.table("pin_cache"), configuration.pin_cache, configuration.on_lock);
    SettingsTable clients = root.table("clients");
    clients.list("users", [&](const SettingsValue& element) -> std::string {
      const auto name = element.text();
      const auto number = element.number();
      const std::string user = name ? *name : number && *number >= 0 ? std::to_string(*number) : std::string{};
      if (!may_be_user(user)) return "must hold names or numbers of users";
      configuration.client_users.push_back(user);
      return {};
    });
    SettingsTable dialog = root.table("dialog");
    dialog.text("pinentry", [&](const std::string& program) -> std::string {
      configuration.dialog.pinentry = program;
      return program.empty() ? "must name a program" : "";
    });
    dialog.number("timeout_s", 5, 3'600, [&](std::int64_t value) { configuration.dialog.timeout = std::chrono::seconds{value}; });
  });
  if (!read) return base::failure_of(read);
  return configuration;
}

base::Result<Configuration> read_configuration(const std::filesystem::path& file) {
  auto text = service::settings_text(file);
  if (!text) return base::failure_of(text);
  return parse_configuration(*text, file.string());
}

}  // namespace signet::agent
