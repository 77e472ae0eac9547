#include "drivers/catalogue.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.hpp"
#include "service/files.hpp"

namespace signet::drivers {
namespace {

using service::SettingsTable;
using service::SettingsValue;

constexpr std::size_t max_file_bytes = 64 * 1024;
constexpr std::size_t max_files = 512;
constexpr std::size_t max_text = 200;  // bytes
constexpr std::size_t max_ids = 64;    // USB ids, or ATRs, of a family
constexpr std::size_t max_modules = 16;
constexpr std::size_t max_names = 16;  // files, folders, mechanisms of a module
constexpr std::string_view file_name_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";

bool only_of(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

// These texts are shown to people.
std::string fit_to_show(const std::string& text) {
  if (text.empty() || text.size() > max_text) return "must have 1 to 200 bytes";
  return base::shown(text, max_text) == text ? "" : "must be a text without control characters";
}

std::function<std::string(std::string)> shown_text(std::string& out) {
  return [&out](std::string text) {
    out = std::move(text);
    return fit_to_show(out);
  };
}

// A list of texts, each made a T by `make`, which answers what is wrong with it.
template <class T, class Make>
void texts(SettingsTable& table, std::string_view key, std::size_t most, std::vector<T>& out, Make make) {
  table.list(key, [&](const SettingsValue& element) -> std::string {
    const auto text = element.text();
    if (!text) return "must hold texts";
    if (out.size() == most) return "has more than " + std::to_string(most);
    T value{};
    std::string problem = make(*text, value);
    if (problem.empty()) out.push_back(std::move(value));
    return problem;
  });
}

std::string file_name(const std::string& text, std::string& out) {
  out = text;
  const bool plain = only_of(text, file_name_characters) && text.size() <= max_text && text.front() != '.';
  return plain && text.contains(".so") ? "" : "must hold names of shared libraries without folders, such as \"opensc-pkcs11.so\"";
}

std::string folder(const std::string& text, std::filesystem::path& out) {
  out = text;
  const bool plain = text.size() <= max_text && base::shown(text, max_text) == text;
  return plain && out.is_absolute() && out == out.lexically_normal() ? "" : "must hold absolute paths without . and ..";
}

std::string mechanism(const std::string& text, std::string& out) {
  out = text;
  const bool known = text == "CKM_RSA_PKCS" || text == "CKM_RSA_PKCS_PSS" || text == "CKM_ECDSA";
  return known ? "" : "must hold CKM_RSA_PKCS, CKM_RSA_PKCS_PSS or CKM_ECDSA";
}

template <class T>
std::string one_of(const std::map<std::string, T>& known, const std::string& text, T& out) {
  if (const auto found = known.find(text); found != known.end()) {
    out = found->second;
    return {};
  }
  std::string all;
  for (const auto& [name, value] : known) all += (all.empty() ? "\"" : ", \"") + name + "\"";
  return "must be one of " + all;
}

void read_quirks(SettingsTable table, SettingsTable::Problems& problems, Quirks& quirks) {
  texts(table, "mechanisms", max_names, quirks.mechanisms, mechanism);
  table.boolean("always_authenticate", [&](bool value) { quirks.always_authenticate = value; });
  table.boolean("waits_for_events", [&](bool value) { quirks.waits_for_events = value; });
  table.boolean("some_layouts", [&](bool value) { quirks.some_layouts = value; });
  table.number("pin_min", 1, 255, [&](std::int64_t value) { quirks.pin_min = static_cast<unsigned>(value); });
  table.number("pin_max", 1, 255, [&](std::int64_t value) { quirks.pin_max = static_cast<unsigned>(value); });
  if (quirks.pin_min && quirks.pin_max && *quirks.pin_min > *quirks.pin_max)
    problems.push_back("modules.quirks.pin_min is over pin_max");
  table.text("unblock", [&](const std::string& text) {
    static const std::map<std::string, Unblock> ways{
        {"so_pin", Unblock::so_pin}, {"puk", Unblock::puk}, {"vendor_tool", Unblock::vendor_tool}};
    return one_of(ways, text, quirks.unblock);
  });
  table.text("vendor_tool", shown_text(quirks.vendor_tool));
  if (quirks.unblock == Unblock::vendor_tool && quirks.vendor_tool.empty())
    problems.push_back("modules.quirks: unblock = \"vendor_tool\" needs the tool's name in vendor_tool");
}

void read_install(SettingsTable table, Install& install) {
  const auto package = [](std::string& out) {
    return [&out](std::string text) -> std::string {
      out = std::move(text);
      return only_of(out, file_name_characters) && out.size() <= max_text ? "" : "must be the name of a package";
    };
  };
  table.text("debian", package(install.debian));
  table.text("fedora", package(install.fedora));
  table.text("arch", package(install.arch));
  table.text("page", [&](std::string text) -> std::string {
    install.page = std::move(text);
    return install.page.starts_with("https://") ? fit_to_show(install.page) : "must begin with https://";
  });
}

std::string read_module(const SettingsValue& element, SettingsTable::Problems& problems, Family& family) {
  if (family.modules.size() == max_modules) return "has more than " + std::to_string(max_modules);
  auto table = element.table("modules", problems);
  if (!table) return "must be tables: [[modules]]";
  Module module;
  table->text("name", shown_text(module.name));
  texts(*table, "files", max_names, module.files, file_name);
  texts(*table, "folders", max_names, module.folders, folder);
  read_quirks(table->table("quirks"), problems, module.quirks);
  read_install(table->table("install"), module.install);
  if (module.name.empty() || module.files.empty()) return "need name and files";
  family.modules.push_back(std::move(module));
  return {};
}

}  // namespace

std::optional<UsbId> UsbId::parse(std::string_view text) {
  UsbId id;
  const auto number = [](std::string_view digits, std::uint16_t& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, 16);
    return digits.size() == 4 && error == std::errc{} && end == digits.data() + 4;
  };
  if (text.size() != 9 || text[4] != ':' || !number(text.substr(0, 4), id.vendor) || !number(text.substr(5), id.product))
    return {};
  return id;
}

std::string UsbId::text() const {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const std::uint16_t number : {vendor, product}) {
    if (!out.empty()) out += ':';
    for (int shift = 12; shift >= 0; shift -= 4) out += digits[number >> shift & 0xF];
  }
  return out;
}

unsigned Quirks::count() const {
  return unsigned{!mechanisms.empty()} + unsigned{always_authenticate.has_value()} + unsigned{pin_min || pin_max} +
         unsigned{unblock == Unblock::vendor_tool} + unsigned{waits_for_events == false} + unsigned{some_layouts};
}

void Catalogue::put(Family family) {
  const auto before = std::ranges::find(families_, family.id, &Family::id);
  if (before == families_.end()) {
    families_.push_back(std::move(family));
  } else {
    *before = std::move(family);
  }
}

const Family* Catalogue::find(std::string_view id) const {
  const auto found = std::ranges::find(families_, id, &Family::id);
  return found == families_.end() ? nullptr : &*found;
}

std::vector<const Family*> Catalogue::by_usb(UsbId id) const {
  std::vector<const Family*> found;
  for (const Family& family : families_) {
    if (std::ranges::find(family.usb, id) != family.usb.end()) found.push_back(&family);
  }
  return found;
}

std::vector<const Family*> Catalogue::by_atr(base::BytesView atr) const {
  std::multimap<unsigned, const Family*, std::greater<>> found;
  for (const Family& family : families_) {
    unsigned most = 0;
    for (const AtrMask& mask : family.atr) {
      if (mask.matches(atr)) most = std::max(most, mask.fixed_bits());
    }
    if (most > 0) found.emplace(most, &family);
  }
  std::vector<const Family*> out;
  for (const auto& [bits, family] : found) out.push_back(family);
  return out;
}

bool Catalogue::is_software(const std::filesystem::path& module) const {
  const std::string name = module.filename().string();
  return std::ranges::any_of(families_, [&](const Family& family) {
    return family.kind == Kind::software && std::ranges::any_of(family.modules, [&](const Module& one) {
             return std::ranges::find(one.files, name) != one.files.end();
           });
  });
}

void read_family(SettingsTable& table, SettingsTable::Problems& problems, Family& family) {
  table.text("family", [&](std::string text) -> std::string {
    family.id = std::move(text);
    const bool plain = only_of(family.id, "abcdefghijklmnopqrstuvwxyz0123456789-") && family.id.size() <= 64;
    return plain ? "" : "must be of lower case letters, digits and hyphens, at most 64";
  });
  table.text("name", shown_text(family.name));
  table.text("kind", [&](const std::string& text) {
    static const std::map<std::string, Kind> kinds{
        {"token", Kind::token}, {"reader", Kind::reader}, {"software", Kind::software}};
    return one_of(kinds, text, family.kind);
  });
  texts(table, "usb", max_ids, family.usb, [](const std::string& text, UsbId& out) -> std::string {
    const auto id = UsbId::parse(text);
    out = id.value_or(UsbId{});
    return id ? "" : "must hold ids such as \"096E:0807\"";
  });
  table.list("atr", [&](const SettingsValue& element) -> std::string {
    const auto text = element.text();
    if (!text) return "must hold texts";
    if (family.atr.size() == max_ids) return "has more than " + std::to_string(max_ids);
    auto mask = AtrMask::parse(*text);
    if (!mask) return "is wrong: " + mask.error().detail;
    family.atr.push_back(std::move(*mask));
    return {};
  });
  table.list("modules", [&](const SettingsValue& element) { return read_module(element, problems, family); });
  if (!problems.empty()) return;
  const bool known_by = !family.usb.empty() || !family.atr.empty();
  if (family.id.empty() || family.name.empty()) problems.push_back("needs family and name");
  if (family.kind == Kind::reader && (family.usb.empty() || !family.atr.empty() || !family.modules.empty()))
    problems.push_back("a reader has usb, and neither atr nor modules: those are its cards'");
  if (family.kind == Kind::token && (!known_by || family.modules.empty()))
    problems.push_back("a token needs usb or atr, and modules");
  if (family.kind == Kind::software && (known_by || family.modules.empty()))
    problems.push_back("software has modules, and neither usb nor atr");
}

base::Result<Family> parse_family(std::string_view toml, const std::string& file_name) {
  Family family;
  family.source = file_name;
  const auto read = service::read_settings(
      toml, file_name, [&](SettingsTable& root, SettingsTable::Problems& problems) { read_family(root, problems, family); });
  if (!read) return std::unexpected(read.error());
  return family;
}

CatalogueRead read_catalogue(const std::vector<std::filesystem::path>& folders) {
  CatalogueRead out;
  for (const std::filesystem::path& folder : folders) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      std::error_code gone;
      // Another kind of file, such as a FIFO, could keep its reader for ever.
      if (entry->path().extension() == ".toml" && entry->is_regular_file(gone)) files.push_back(entry->path());
    }
    std::ranges::sort(files);
    if (files.size() > max_files) {
      out.problems.push_back({base::ErrorCode::configuration_invalid,
                              base::shown(folder.string(), max_text) + ": over " + std::to_string(max_files) + " files"});
      continue;
    }
    for (const std::filesystem::path& file : files) {
      const auto text = service::read_file(file, max_file_bytes);
      auto family = text ? parse_family(base::as_text(*text), base::shown(file.string(), max_text))
                         : base::Result<Family>(std::unexpected(text.error()));
      if (family) {
        out.catalogue.put(std::move(*family));
      } else {
        out.problems.push_back(std::move(family.error()));
      }
    }
  }
  return out;
}

const std::vector<std::filesystem::path>& library_folders() {
#if defined(__x86_64__)
#define SIGNET_TRIPLE "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define SIGNET_TRIPLE "aarch64-linux-gnu"
#elif defined(__i386__)
#define SIGNET_TRIPLE "i386-linux-gnu"
#elif defined(__arm__)
#define SIGNET_TRIPLE "arm-linux-gnueabihf"
#elif defined(__riscv)
#define SIGNET_TRIPLE "riscv64-linux-gnu"
#else
#define SIGNET_TRIPLE ""
#endif
  static const std::vector<std::filesystem::path> folders{"/usr/lib/" SIGNET_TRIPLE,
                                                          "/usr/lib/" SIGNET_TRIPLE "/pkcs11",  // Debian
                                                          "/usr/lib64",
                                                          "/usr/lib64/pkcs11",  // Fedora
                                                          "/usr/lib",
                                                          "/usr/lib/pkcs11",  // Arch; vendors' packages for Debian, too
                                                          "/usr/local/lib",
                                                          "/usr/local/lib64"};
  return folders;
}

}  // namespace signet::drivers
