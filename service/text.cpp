#include "service/text.hpp"

#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <filesystem>

namespace signet::service {
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

// A domain for each language, so that two threads can speak two of them: LANGUAGE is the whole process's. gettext looks for all
// of them below the folder of LANGUAGE.
struct Domains {
  std::string romanian, russian;
  std::string english;  // has no catalogue: the texts themselves
};
Domains domains{"signet-ro", "signet-ru", "signet-en"};
const char* chosen_for_all = "signet-en";
thread_local const char* chosen_for_thread = nullptr;

const char* domain_of(std::string_view language) {
  return (language == "ro" ? domains.romanian : language == "ru" ? domains.russian : domains.english).c_str();
}

}  // namespace

void choose_language(const std::string& language, const std::string& program) {
  const std::string chosen = language.empty() ? of_environment() : language;
  // C.UTF-8 is in every glibc; in the plain C locale gettext does not look at LANGUAGE.
  std::setlocale(LC_ALL, "C.UTF-8");
  ::setenv("LANGUAGE", chosen == "ro" || chosen == "ru" ? chosen.c_str() : "en", 1);
  domains = {program + "-ro", program + "-ru", program + "-en"};
  for (const std::string& domain : {domains.romanian, domains.russian}) {
    ::bindtextdomain(domain.c_str(), catalogues().c_str());
    ::bind_textdomain_codeset(domain.c_str(), "UTF-8");
  }
  chosen_for_all = domain_of(chosen);
}

InLanguage::InLanguage(std::string_view language) : before_(chosen_for_thread) {
  if (!language.empty()) chosen_for_thread = domain_of(language);
}
InLanguage::~InLanguage() { chosen_for_thread = before_; }

const char* catalogue() { return chosen_for_thread != nullptr ? chosen_for_thread : chosen_for_all; }

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

}  // namespace signet::service
