#include "base/text.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "base/time.hpp"
#include "property.hpp"

// The small encodings that every larger parser uses.

using namespace signet;
using fuzz::hold;

namespace {

void check_encodings(std::string_view text) {
  if (const auto bytes = base::from_base64(text)) {
    std::string packed(text);
    std::erase_if(packed, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
    hold(base::base64(*bytes).size() == packed.size());
    hold(base::from_base64(base::base64(*bytes)) == bytes);
  }
  if (const auto bytes = base::from_hex(text)) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    hold(base::hex(*bytes) == lower);
  }
  hold(base::percent_decoded(base::percent_encoded(text)) == text);
  hold(base::percent_decoded(base::percent_encoded(text, ":/,@")) == text);
  hold(base::percent_decoded(text).size() <= text.size());
  if (const auto digest = base::parse_digest(text)) hold(digest->bytes().size() == base::size(digest->algorithm()));
}

void check_shown(std::string_view text) {
  for (const std::size_t most : {3UZ, 16UZ, 1000UZ}) {
    const std::string shown = base::shown(text, most);
    hold(base::is_utf8(shown) && shown.size() <= most);
    hold(std::ranges::none_of(shown, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }));
    hold(base::shown(shown, most) == shown);
  }
}

void check_xml(std::string_view text) {
  std::string content, value;
  base::append_xml_text(content, text);
  base::append_xml_attribute(value, text);
  hold(content.find_first_of("<>\r") == content.npos && value.find_first_of("<\"\t\n\r") == value.npos);
}

// RFC 3339 and xsd:dateTime: digits where digits belong, and nothing else.
void check_time(std::string_view text) {
  const auto time = base::from_rfc3339(text);
  if (!time) return;
  constexpr std::string_view form = "0000-00-00T00:00:00";
  hold(text.size() > form.size());
  for (std::size_t i = 0; i < form.size(); ++i) hold(form[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i]);
  const std::string_view rest = text.substr(form.size());
  hold(rest.find_first_not_of(".0123456789+-:Z") == rest.npos && (rest.ends_with('Z') || rest.find_first_of("+-") != rest.npos));
  if (rest == "Z" && text.substr(11, 2) < "24" && text.substr(17, 2) < "60") hold(base::rfc3339(*time) == text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = base::as_text({data, size});
  check_encodings(text);
  check_shown(text);
  check_xml(text);
  check_time(text);
  return 0;
}
