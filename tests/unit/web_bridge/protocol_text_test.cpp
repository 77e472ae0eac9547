#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "web_bridge/message.hpp"

using namespace signet;

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

std::vector<std::string> examples() {
  std::istringstream text(text_of(SIGNET_PROTOCOL_MD));
  std::vector<std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("```")) {
      inside = line == "```json";
    } else if (inside) {
      lines.push_back(line);
    }
  }
  return lines;
}

}  // namespace

TEST_CASE("every example of PROTOCOL.md is a message") {
  const auto lines = examples();
  CHECK(lines.size() >= 20);
  for (std::string line : lines) {
    INFO(line);
    for (std::size_t at; (at = line.find("…")) != std::string::npos;) line.replace(at, std::string_view("…").size(), "x");
    const auto message = boost::json::parse(line).as_object();
    const bool event = message.contains("event") && message.at("params").is_object();
    const bool answer = message.contains("id") && (message.contains("result") != message.contains("error"));
    if (message.contains("method")) {
      CHECK(web_bridge::read_message(line, {}));
    } else {
      CHECK(event != answer);
    }
  }
}

TEST_CASE("PROTOCOL.md's table of errors has every code, with who acts") {
  std::istringstream text(text_of(SIGNET_PROTOCOL_MD));
  std::set<std::string> documented;
  bool errors = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("## ")) errors = line == "## Errors";
    if (!errors || !line.starts_with("| `")) continue;
    const std::string codes = line.substr(0, line.find('|', 1));
    const std::string rest = line.substr(codes.size() + 2);
    const std::string who = rest.substr(0, rest.find(' '));
    for (std::size_t at = codes.find('`'); at != std::string::npos;) {
      const std::size_t end = codes.find('`', at + 1);
      documented.insert(codes.substr(at + 1, end - at - 1) + ' ' + who);
      at = codes.find('`', end + 1);
    }
  }
  constexpr std::string_view people[] = {"person", "caller", "machine", "us"};
  std::set<std::string> known;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(base::ErrorCode::internal); ++i) {
    const auto code = static_cast<base::ErrorCode>(i);
    known.insert(std::string(name(code)) + ' ' + std::string(people[static_cast<std::size_t>(who_acts(code))]));
  }
  CHECK(documented == known);
}
