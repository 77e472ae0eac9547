#pragma once

#include <string>

#include "base/result.hpp"

namespace signet::signing {

// Who asks: a web origin (RFC 6454: scheme, host and port, as a browser writes it) or this user's command line.
class Origin {
 public:
  // origin_refused for anything but "http(s)://host[:port]" in lower case without a default port: also for "null".
  static base::Result<Origin> parse(std::string_view text);
  static Origin command_line();

  const std::string& text() const { return text_; }
  bool is_command_line() const { return text_ == "command-line"; }
  bool operator==(const Origin&) const = default;
  auto operator<=>(const Origin&) const = default;

 private:
  explicit Origin(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace signet::signing
