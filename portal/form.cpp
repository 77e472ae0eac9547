#include "portal/form.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace signet::portal {
namespace {

constexpr std::size_t most_fields = 100;

std::string decoded(std::string_view text) {
  std::string plain(text);
  std::ranges::replace(plain, '+', ' ');
  return base::percent_decoded(plain);
}

}  // namespace

void Form::add(std::string_view encoded) {
  while (!encoded.empty() && fields_.size() < most_fields) {
    const auto end = std::min(encoded.find('&'), encoded.size());
    const std::string_view field = encoded.substr(0, end);
    encoded.remove_prefix(std::min(end + 1, encoded.size()));
    if (field.empty()) continue;
    const auto equals = std::min(field.find('='), field.size());
    fields_.emplace_back(base::lower(decoded(field.substr(0, equals))),
                         decoded(field.substr(std::min(equals + 1, field.size()))));
  }
}

std::optional<std::string> Form::value(std::string_view name) const {
  const auto found = std::ranges::find(fields_, name, &std::pair<std::string, std::string>::first);
  if (found == fields_.end()) return {};
  return found->second;
}

}  // namespace signet::portal
