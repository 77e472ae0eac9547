#pragma once

#include <string>
#include <string_view>

namespace signet::base {

bool is_utf8(std::string_view text);
// A to Z as a to z, whatever the locale; other bytes as they are.
std::string lower(std::string_view text);

// Untrusted text made fit to be shown to a person: invalid UTF-8, control characters and bidirectional or other invisible
// formatting characters become U+FFFD, and what is longer than `max_bytes` is cut at a character and ends in "…".
std::string shown(std::string_view text, std::size_t max_bytes);

// Canonical XML 1.0 clause 2.3: what is escaped in a text node and in an attribute's value differs.
void append_xml_text(std::string& out, std::string_view text);
void append_xml_attribute(std::string& out, std::string_view value);

// RFC 3986: everything but unreserved characters and those in `keep` becomes %XX.
std::string percent_encoded(std::string_view text, std::string_view keep = {});
void append_percent_encoded(std::string& out, std::string_view text, std::string_view keep = {});
std::string percent_decoded(std::string_view text);

}  // namespace signet::base
