#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace signet::service {

class SettingsTable;

// An element of a list. Lives as long as read_settings() runs.
class SettingsValue {
 public:
  std::optional<std::string> text() const;
  std::optional<std::int64_t> number() const;
  // Nothing if it is no table.
  std::optional<SettingsTable> table(std::string name, std::vector<std::string>& problems) const;

 private:
  friend class SettingsTable;
  explicit SettingsValue(const void* node) : node_(node) {}
  const void* node_;
};

// One table of a TOML file. A key is known because somebody asked for it; what nobody asked for is a problem with its line, told
// when the table's object ends. What `take` answers is what is wrong with the value, such as "must be an absolute path"; empty:
// nothing. Keys that are not there are not taken.
class SettingsTable {
 public:
  using Problems = std::vector<std::string>;
  SettingsTable(const void* table, std::string name, Problems& problems);
  SettingsTable(SettingsTable&& other) noexcept;
  SettingsTable& operator=(SettingsTable&&) = delete;
  ~SettingsTable();

  bool present() const { return table_ != nullptr; }
  bool has(std::string_view key) const;
  void text(std::string_view key, const std::function<std::string(std::string)>& take);
  void number(std::string_view key, std::int64_t least, std::int64_t most, const std::function<void(std::int64_t)>& take);
  void boolean(std::string_view key, const std::function<void(bool)>& take);
  void list(std::string_view key, const std::function<std::string(const SettingsValue&)>& take);
  // Tables of any names, below a key: `take` gets each name and its table.
  void each_table(std::string_view key, const std::function<std::string(const std::string& name, SettingsTable& table)>& take);
  void each_text(std::string_view key, const std::function<std::string(const std::string& name, std::string value)>& take);
  SettingsTable table(std::string_view key);

 private:
  const void* find(std::string_view key);
  std::string full(std::string_view key) const;
  void report(std::string_view key, const void* node, const std::string& problem);
  void complain(std::int64_t line, const std::string& what);

  const void* table_;
  std::string name_;
  Problems& problems_;
  std::set<std::string, std::less<>> known_;
};

// Hands the file's root table to `take`. configuration_invalid names the file, the line and what is wrong; unknown keys are
// wrong.
base::Result<void> read_settings(std::string_view toml, const std::string& file_name,
                                 const std::function<void(SettingsTable& root, SettingsTable::Problems& problems)>& take);
// The text of a file that is read by the above; configuration_invalid if it cannot be.
base::Result<std::string> settings_text(const std::filesystem::path& file);

// What is wrong with a path that is not absolute.
std::string must_be_absolute(const std::string& path);

}  // namespace signet::service
