#include "drivers/module_registry.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <tuple>

#include "base/text.hpp"
#include "drivers/catalogue.hpp"
#include "service/files.hpp"

namespace signet::drivers {
namespace {

using base::ErrorCode;

constexpr std::size_t max_file_bytes = 64 * 1024;
constexpr std::size_t max_files = 256;
constexpr std::size_t max_lines = 256;
constexpr std::size_t max_value = 4096;
constexpr std::string_view white = " \t\r\v\f";
constexpr std::string_view letters_and_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

using Fields = std::map<std::string, std::string>;

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(white);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(white) - begin + 1);
}

std::string_view value_of(const Fields& fields, const std::string& key) {
  const auto found = fields.find(key);
  return found == fields.end() ? std::string_view{} : std::string_view(found->second);
}

// Lines of `name: value`, comments of whole lines. Other keys than those known here are other programs'.
base::Result<Fields> read_fields(const std::filesystem::path& file) {
  const std::string shown = base::shown(file.string(), 200);
  const auto content = service::read_file(file, max_file_bytes);
  if (!content) return std::unexpected(content.error());
  std::string_view text = base::as_text(*content);
  Fields fields;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto wrong = [&](const std::string& what) {
      return base::failure(ErrorCode::configuration_invalid, shown + ", line " + std::to_string(number) + ": " + what);
    };
    if (number > max_lines) return wrong("has more lines than " + std::to_string(max_lines));
    if (line.empty() || line.front() == '#') continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return wrong("must be a name, a colon and a value");
    if (line.size() > max_value || line.find('\0') != std::string_view::npos) return wrong("is no text of at most 4096 bytes");
    fields.insert_or_assign(std::string(trimmed(line.substr(0, colon))), std::string(trimmed(line.substr(colon + 1))));
  }
  return fields;
}

bool is_file(const std::filesystem::path& file) {
  std::error_code gone;
  return !file.empty() && std::filesystem::is_regular_file(file, gone);
}

enum class UserConfiguration : std::uint8_t { none, merge, only };

std::optional<UserConfiguration> user_mode(const std::filesystem::path& file, std::vector<base::Error>& problems) {
  if (!is_file(file)) return {};
  const auto fields = read_fields(file);
  if (!fields) {
    problems.push_back(fields.error());
    return {};
  }
  const std::string_view mode = value_of(*fields, "user-config");
  if (mode == "none") return UserConfiguration::none;
  if (mode == "merge") return UserConfiguration::merge;
  if (mode == "only" || mode == "override") return UserConfiguration::only;
  if (!mode.empty())
    problems.push_back(
        {ErrorCode::configuration_invalid, base::shown(file.string(), 200) + ": user-config must be none, merge or only"});
  return {};
}

// As p11-kit does it: what the system says holds unless it lets the user say otherwise.
UserConfiguration user_mode(const RegistryPlaces& places, std::vector<base::Error>& problems) {
  const auto system = user_mode(places.system_configuration, problems).value_or(UserConfiguration::merge);
  if (system == UserConfiguration::none) return system;
  return user_mode(places.user_configuration, problems).value_or(system);
}

// The module's name, from its file's: letters, digits, `_`, `-` and `.`, and .module at the end.
std::optional<std::string> module_name(const std::filesystem::path& file) {
  if (file.extension() != ".module") return {};
  std::string name = file.stem().string();
  if (name.empty() || letters_and_digits.find(name.front()) == std::string_view::npos) return {};
  if (name.find_first_not_of(std::string(letters_and_digits) + "_-.") != std::string::npos) return {};
  return name;
}

void read_folder(const std::filesystem::path& folder, std::map<std::string, Fields>& modules,
                 std::vector<base::Error>& problems) {
  if (folder.empty()) return;
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder, error); !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    if (module_name(entry->path()) && is_file(entry->path())) files.push_back(entry->path());
  }
  std::ranges::sort(files);
  if (files.size() > max_files) {
    problems.push_back(
        {ErrorCode::configuration_invalid, base::shown(folder.string(), 200) + ": over " + std::to_string(max_files) + " files"});
    return;
  }
  for (const std::filesystem::path& file : files) {
    auto fields = read_fields(file);
    // What was read before holds.
    if (fields) {
      modules[*module_name(file)].merge(*fields);
    } else {
      problems.push_back(std::move(fields.error()));
    }
  }
}

bool names(std::string_view list, std::string_view program) {
  while (!list.empty()) {
    const std::size_t end = list.find_first_of(", \t");
    if (list.substr(0, end) == program) return true;
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  }
  return false;
}

std::filesystem::path found_in(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& file) {
  std::error_code gone;
  for (const std::filesystem::path& folder : folders) {
    if (std::filesystem::exists(folder / file, gone)) return folder / file;
  }
  return {};
}

std::optional<RegisteredModule> registered(const std::string& name, const Fields& fields, const RegistryPlaces& places,
                                           std::string_view program) {
  RegisteredModule module{.name = name, .path = std::filesystem::path(value_of(fields, "module"))};
  if (module.path.empty()) return {};  // one that somewhere else is the system's, or a `remote`
  if (module.path.is_relative()) module.path = found_in(places.module_folders, module.path);
  if (module.path.empty()) return {};
  const std::string_view priority = value_of(fields, "priority");
  std::from_chars(priority.data(), priority.data() + priority.size(), module.priority);
  if (fields.contains("enable-in")) module.enabled = names(value_of(fields, "enable-in"), program);
  if (fields.contains("disable-in")) module.enabled = !names(value_of(fields, "disable-in"), program);
  module.trust = value_of(fields, "trust-policy") == "yes";
  return module;
}

}  // namespace

RegistryPlaces RegistryPlaces::of(const std::filesystem::path& home) {
  RegistryPlaces places;
  if (home.is_absolute()) {
    places.user_modules = home / ".config" / "pkcs11" / "modules";
    places.user_configuration = home / ".config" / "pkcs11" / "pkcs11.conf";
  }
  // p11-kit's own folder, which is compiled into it, before those where vendors leave their files.
  for (const std::filesystem::path& folder : library_folders()) {
    if (folder.filename() == "pkcs11") places.module_folders.push_back(folder);
  }
  for (const std::filesystem::path& folder : library_folders()) {
    if (folder.filename() != "pkcs11") places.module_folders.push_back(folder);
  }
  return places;
}

Registry read_registry(const RegistryPlaces& places, std::string_view program) {
  Registry registry;
  std::map<std::string, Fields> modules;
  const UserConfiguration mode = user_mode(places, registry.problems);
  if (mode != UserConfiguration::none) read_folder(places.user_modules, modules, registry.problems);
  if (mode != UserConfiguration::only) {
    read_folder(places.system_modules, modules, registry.problems);
    read_folder(places.package_modules, modules, registry.problems);
  }
  for (const auto& [name, fields] : modules) {
    if (auto module = registered(name, fields, places, program)) registry.modules.push_back(std::move(*module));
  }
  std::ranges::sort(registry.modules, {}, [](const RegisteredModule& one) { return std::tuple(-long{one.priority}, one.name); });
  return registry;
}

}  // namespace signet::drivers
