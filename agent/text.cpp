#include "agent/text.hpp"

#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <filesystem>

namespace signet::agent {
namespace {

std::string of_environment() {
  for (const char* variable : {"LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* const value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return std::string(value).substr(0, 2);
  }
  return {};
}

// Beside the program in a build tree, below its prefix when installed.
std::filesystem::path catalogues() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const auto in_build_tree = program.parent_path().parent_path() / "locale";
  return std::filesystem::exists(in_build_tree, ignored) ? in_build_tree
                                                         : program.parent_path().parent_path() / "share" / "locale";
}

}  // namespace

void choose_language(const std::string& language) {
  const std::string chosen = language.empty() ? of_environment() : language;
  // C.UTF-8 is in every glibc; in the plain C locale gettext does not look at LANGUAGE.
  std::setlocale(LC_ALL, "C.UTF-8");
  ::setenv("LANGUAGE", chosen == "ro" || chosen == "ru" ? chosen.c_str() : "en", 1);
  ::bindtextdomain("signet", catalogues().c_str());
  ::bind_textdomain_codeset("signet", "UTF-8");
}

std::string filled(std::string_view pattern, const std::vector<std::string>& values) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const bool mark = pattern[i] == '%' && i + 1 < pattern.size() && pattern[i + 1] >= '1' && pattern[i + 1] <= '9';
    const std::size_t index = mark ? static_cast<std::size_t>(pattern[i + 1] - '1') : values.size();
    if (index < values.size()) {
      out += values[index];
      ++i;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

}  // namespace signet::agent
