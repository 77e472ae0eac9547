#pragma once

#include <libintl.h>

#include <string>
#include <string_view>
#include <vector>

namespace signet::service {

// Translations by gettext. Called once at the start, before threads: "ro", "ru" or "en"; empty for what LC_ALL,
// LC_MESSAGES or LANG say, and English for any other language. `program` begins the names of its catalogues.
void choose_language(const std::string& language, const std::string& program = "signet");

// While it lives, the texts of its thread are in another language; empty: in the chosen one.
class InLanguage {
 public:
  explicit InLanguage(std::string_view language);
  ~InLanguage();
  InLanguage(const InLanguage&) = delete;  // belongs to its scope
  InLanguage& operator=(const InLanguage&) = delete;

 private:
  const char* before_;
};

// The gettext domain of the thread's language.
const char* catalogue();

// The translation of a text, and of one that depends on a number. The marks %1 and %2 are filled in by `filled`.
inline const char* tr(const char* text) { return dgettext(catalogue(), text); }
inline const char* tr(const char* one, const char* many, unsigned long count) { return dngettext(catalogue(), one, many, count); }

// %1, %2 … replaced by the values: their order may differ between languages, and a value is never read as a format.
std::string filled(std::string_view pattern, const std::vector<std::string>& values);

}  // namespace signet::service
