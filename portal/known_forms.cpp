#include "known_forms.hpp"

#include <algorithm>

#include "portal/identifiers.hpp"

namespace signet::portal {
namespace {

constexpr std::size_t id_size = 32;
constexpr std::size_t most_bytes = 4 * 1024;

// Of the same form, and different at each digit.
std::string another_id(std::string_view id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string other(id);
  for (char& c : other) c = digits[15 - digits.find(c)];
  return other;
}

}  // namespace

std::optional<GetSignResponse> KnownForms::read(std::string_view message, std::string_view soap_action) {
  for (const Form& form : forms_) {
    if (message.size() != form.before.size() + id_size + form.after.size() || soap_action != form.soap_action) continue;
    if (!message.starts_with(form.before) || !message.ends_with(form.after)) continue;
    const std::string_view id = message.substr(form.before.size(), id_size);
    if (!is_request_id(id)) return std::nullopt;  // digits are no markup whatever stands around them
    tries_left_ = std::min(tries_left_ + 1, most_tries);
    return GetSignResponse{std::string(id), form.language};
  }
  return std::nullopt;
}

void KnownForms::learn(std::string_view message, std::string_view soap_action, const GetSignResponse& asked, const Parse& parse) {
  if (tries_left_ == 0 || message.size() > most_bytes || !is_request_id(asked.request_id)) return;
  const auto at = message.find(asked.request_id);
  if (at == message.npos || message.find(asked.request_id, at + 1) != message.npos) return;
  --tries_left_;
  Form form{std::string(message.substr(0, at)), std::string(message.substr(at + id_size)), std::string(soap_action),
            asked.language};
  const std::string id = another_id(asked.request_id);
  const auto read = parse(form.before + id + form.after);
  if (!read || read->request_id != id || read->language != asked.language) return;
  if (forms_.size() < most_forms) {
    forms_.push_back(std::move(form));
  } else {
    forms_[next_++ % most_forms] = std::move(form);
  }
}

}  // namespace signet::portal
