#include "agent/configuration.hpp"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "signing/origin.hpp"

namespace signet::agent {

using base::ErrorCode;

namespace {

std::filesystem::path from_environment(const char* variable, const std::filesystem::path& below_home) {
  if (const char* value = std::getenv(variable); value != nullptr && *value == '/') return value;
  const char* const home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr && *home == '/' ? home : "/") / below_home;
}

// Reads one table. A key is known because somebody asked for it; what nobody asked for is an error with its line.
class Table {
 public:
  using Problems = std::vector<std::string>;
  Table(const toml::table* table, std::string name, Problems& problems)
      : table_(table), name_(std::move(name)), problems_(problems) {}
  ~Table() {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      if (!known_.contains(std::string(key.str()))) complain(key.source().begin.line, "unknown key \"" + full(key.str()) + "\"");
    }
  }
  Table(const Table&) = delete;  // complains once, at its end
  Table& operator=(const Table&) = delete;

  void text(std::string_view key, const std::function<std::string(std::string)>& take) {
    const toml::node* const node = find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::string>();
    report(key, *node, value ? take(*value) : "must be a text");
  }
  void number(std::string_view key, std::int64_t least, std::int64_t most, const std::function<void(std::int64_t)>& take) {
    const toml::node* const node = find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      report(key, *node, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    } else {
      take(*value);
    }
  }
  void list(std::string_view key, const std::function<std::string(const toml::node&)>& take) {
    const toml::node* const node = find(key);
    if (node == nullptr) return;
    const toml::array* const array = node->as_array();
    if (array == nullptr) return report(key, *node, "must be a list");
    for (const toml::node& element : *array) report(key, element, take(element));
  }
  const toml::table* table(std::string_view key) {
    const toml::node* const node = find(key);
    if (node != nullptr && !node->is_table()) report(key, *node, "must be a table");
    return node == nullptr ? nullptr : node->as_table();
  }
  std::string full(std::string_view key) const { return name_.empty() ? std::string(key) : name_ + "." + std::string(key); }

 private:
  const toml::node* find(std::string_view key) {
    known_.insert(std::string(key));
    return table_ == nullptr ? nullptr : table_->get(key);
  }
  void report(std::string_view key, const toml::node& node, const std::string& problem) {
    if (!problem.empty()) complain(node.source().begin.line, full(key) + " " + problem);
  }
  void complain(toml::source_index line, const std::string& what) {
    problems_.push_back("line " + std::to_string(line) + ": " + what);
  }

  const toml::table* table_;
  std::string name_;
  Problems& problems_;
  std::set<std::string> known_;
};

std::string must_be_absolute(const std::string& path) { return path.starts_with('/') ? "" : "must be an absolute path"; }

void read_modules(Table& root, Configuration& configuration, Table::Problems& problems) {
  root.list("modules", [&](const toml::node& element) -> std::string {
    const toml::table* const table = element.as_table();
    if (table == nullptr) return "must be a table: [[modules]]";
    pkcs11::ModuleOptions module;
    {
      Table entry(table, "modules", problems);
      entry.text("path", [&](std::string path) {
        module.path = std::move(path);
        return must_be_absolute(module.path);
      });
      entry.text("name", [&](std::string name) {
        module.name = std::move(name);
        return std::string{};
      });
    }
    if (module.path.empty()) return "need a path";
    if (module.name.empty()) module.name = std::filesystem::path(module.path).stem().string();
    configuration.modules.push_back(std::move(module));
    return {};
  });
}

void read_pin_cache(const toml::table* found, signing::PinPolicy& policy, Table::Problems& problems) {
  Table table(found, "pin_cache", problems);
  table.text("scope", [&](const std::string& scope) -> std::string {
    static const std::map<std::string, signing::PinScope> scopes{
        {"off", signing::PinScope::off}, {"batch", signing::PinScope::batch}, {"session", signing::PinScope::session}};
    const auto known = scopes.find(scope);
    if (known == scopes.end()) return "must be \"off\", \"batch\" or \"session\"";
    policy.scope = known->second;
    return {};
  });
  table.number("idle_s", 1, 86'400, [&](std::int64_t value) { policy.idle = std::chrono::seconds{value}; });
  table.number("max_age_s", 1, 86'400, [&](std::int64_t value) { policy.max_age = std::chrono::seconds{value}; });
  table.number("max_signatures", 1, 10'000'000,
               [&](std::int64_t value) { policy.max_signatures = static_cast<std::size_t>(value); });
}

void read_web(const toml::table* found, Configuration::Web& web, Table::Problems& problems) {
  Table table(found, "web", problems);
  table.list("origins", [&](const toml::node& element) -> std::string {
    const auto value = element.value_exact<std::string>();
    if (!value || !signing::Origin::parse(*value))
      return "must hold origins such as \"https://sign.example\" (no path, no pattern)";
    web.origins.push_back(*value);
    return {};
  });
  std::vector<std::uint16_t> ports;
  table.list("ports", [&](const toml::node& element) -> std::string {
    const auto value = element.value_exact<std::int64_t>();
    if (!value || *value < 1 || *value > 65'535 || ports.size() == 5) return "must hold one to five port numbers";
    ports.push_back(static_cast<std::uint16_t>(*value));
    return {};
  });
  if (!ports.empty()) web.ports = std::move(ports);
}

void read_time_stamping(const toml::table* found, Configuration::TimeStamping& time_stamping, Table::Problems& problems) {
  Table table(found, "time_stamping", problems);
  table.list("urls", [&](const toml::node& element) -> std::string {
    const auto value = element.value_exact<std::string>();
    if (!value || (!value->starts_with("http://") && !value->starts_with("https://"))) return "must hold http or https addresses";
    time_stamping.urls.push_back(*value);
    return {};
  });
  table.number("timeout_ms", 100, 60'000, [&](std::int64_t value) { time_stamping.timeout = std::chrono::milliseconds{value}; });
  table.number("tries", 1, 10, [&](std::int64_t value) { time_stamping.tries = static_cast<unsigned>(value); });
  table.number("rest_after_failure_ms", 0, 600'000,
               [&](std::int64_t value) { time_stamping.rest_after_failure = std::chrono::milliseconds{value}; });
}

}  // namespace

std::filesystem::path state_folder() { return from_environment("XDG_STATE_HOME", ".local/state") / "signet"; }

std::filesystem::path runtime_folder() {
  if (const char* value = std::getenv("XDG_RUNTIME_DIR"); value != nullptr && *value == '/')
    return std::filesystem::path(value) / "signet";
  return state_folder() / "run";
}

std::vector<std::filesystem::path> configuration_places() {
  return {from_environment("XDG_CONFIG_HOME", ".config") / "signet" / "signet.toml", "/etc/signet/signet.toml"};
}

base::Result<Configuration> parse_configuration(std::string_view toml, const std::string& file_name) {
  const toml::parse_result parsed = toml::parse(toml, std::string_view(file_name));
  const auto invalid = [&](const std::string& problem) {
    return base::failure(ErrorCode::configuration_invalid, file_name + ", " + problem);
  };
  if (!parsed)
    return invalid("line " + std::to_string(parsed.error().source().begin.line) + ": " +
                   std::string(parsed.error().description()));
  Configuration configuration;
  Table::Problems problems;
  {
    Table root(&parsed.table(), "", problems);
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
    read_time_stamping(root.table("time_stamping"), configuration.time_stamping, problems);
    read_web(root.table("web"), configuration.web, problems);
    read_pin_cache(root.table("pin_cache"), configuration.pin_cache, problems);
    Table clients(root.table("clients"), "clients", problems);
    clients.list("users", [&](const toml::node& element) -> std::string {
      if (const auto name = element.value_exact<std::string>()) {
        configuration.client_users.push_back(*name);
      } else if (const auto number = element.value_exact<std::int64_t>()) {
        configuration.client_users.push_back(std::to_string(*number));
      } else {
        return "must hold names or numbers of users";
      }
      return {};
    });
    Table dialog(root.table("dialog"), "dialog", problems);
    dialog.text("pinentry", [&](const std::string& program) -> std::string {
      configuration.dialog.pinentry = program;
      return program.empty() ? "must name a program" : "";
    });
    dialog.number("timeout_s", 5, 3'600, [&](std::int64_t value) { configuration.dialog.timeout = std::chrono::seconds{value}; });
  }
  if (!problems.empty()) return invalid(problems.front());
  return configuration;
}

base::Result<Configuration> read_configuration(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return base::failure(ErrorCode::configuration_invalid, file.string() + ": cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return parse_configuration(text.str(), file.string());
}

}  // namespace signet::agent
