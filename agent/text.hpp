#pragma once

#include <libintl.h>

#include <string>
#include <string_view>
#include <vector>

namespace signet::agent {

// Translations by gettext. Called once at the start, before threads: "ro", "ru" or "en"; empty for what LC_ALL,
// LC_MESSAGES or LANG say, and English for any other language.
void choose_language(const std::string& language);

// The translation of a text, and of one that depends on a number. The marks %1 and %2 are filled in by `filled`.
inline const char* tr(const char* text) { return dgettext("signet", text); }
inline const char* tr(const char* one, const char* many, unsigned long count) { return dngettext("signet", one, many, count); }

// %1, %2 … replaced by the values: their order may differ between languages, and a value is never read as a format.
std::string filled(std::string_view pattern, const std::vector<std::string>& values);

}  // namespace signet::agent
