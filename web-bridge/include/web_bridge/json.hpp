#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace signet::web_bridge {

// A JSON string (RFC 8259) with its quotes. The text must be UTF-8. Signatures are 3 kB each and come 14 000 a second: this
// copies what needs no escape in runs.
void append_json_string(std::string& out, std::string_view text);

// Writes one object at the end of a text, member by member; `end` or its own end closes it. Names are literals of ours.
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  JsonObject(const JsonObject&) = delete;  // one brace each
  JsonObject& operator=(const JsonObject&) = delete;
  ~JsonObject() { end(); }

  JsonObject& text(std::string_view name, std::string_view value);
  JsonObject& number(std::string_view name, std::int64_t value);
  JsonObject& number(std::string_view name, std::size_t value);
  JsonObject& flag(std::string_view name, bool value);
  JsonObject& json(std::string_view name, std::string_view value);  // JSON already
  // For a value that the caller appends itself.
  std::string& member(std::string_view name);
  void end();

 private:
  std::string& out_;
  bool first_ = true;
  bool open_ = true;
};

}  // namespace signet::web_bridge
