#include "service/event_log.hpp"

#include <catch2/catch.hpp>

using namespace signet;

using namespace signet::service;
using namespace std::chrono_literals;
using Severity = EventLog::Severity;

namespace {

struct Log {
  std::vector<std::pair<Severity, std::string>> lines;
  EventLog::Clock::time_point now{};
  EventLog log{[this](Severity severity, const std::string& line) { lines.emplace_back(severity, line); },
               {.lines = 3, .period = 60s}};

  void refuse(const std::string& code, const std::string& origin) {
    log.event("refused", {{"code", code}, {"origin", origin}}, now);
  }
};

}  // namespace

TEST_CASE("an event is a line with its fields, and a stranger's text stays within its quotes") {
  Log log;
  log.refuse("origin_refused", "https://evil.example\n\" code=\"none");
  log.log.event("connected", {{"origin", std::string(500, 'x')}}, log.now);
  REQUIRE(log.lines.size() == 2);
  CHECK(log.lines[0].first == Severity::warning);
  CHECK(log.lines[0].second == "refused code=\"origin_refused\" origin=\"https://evil.example\uFFFD' code='none\"");
  CHECK(log.lines[1].first == Severity::debug);
  CHECK(log.lines[1].second.size() < 230);
}

TEST_CASE("a page that is refused again and again is told in a few lines, whatever it calls itself") {
  Log log;
  for (int i = 0; i < 1'000; ++i) log.refuse("origin_refused", "https://" + std::to_string(i) + ".example");
  CHECK(log.lines.size() == 3);
  CHECK(log.log.tell_left_out(log.now + 59s) == log.now + 60s);
  CHECK(log.lines.size() == 3);
  CHECK_FALSE(log.log.tell_left_out(log.now + 60s));
  REQUIRE(log.lines.size() == 4);
  CHECK(log.lines[3].second == "refused code=\"origin_refused\" 997 more like this");
  CHECK(log.lines[3].first == Severity::warning);
}

TEST_CASE("another kind of warning is not hidden by a flood") {
  Log log;
  for (int i = 0; i < 10; ++i) log.refuse("origin_refused", "https://evil.example");
  log.refuse("other_user", "https://sign.example");
  log.log.event("request_failed", {{"method", "tokens"}, {"detail", "a defect"}}, log.now);
  REQUIRE(log.lines.size() == 5);
  CHECK(log.lines[3].second == "refused code=\"other_user\" origin=\"https://sign.example\"");
  CHECK(log.lines[4].second == "request_failed method=\"tokens\" detail=\"a defect\"");
}

TEST_CASE("after its period a kind is told anew, what was left out first") {
  Log log;
  for (int i = 0; i < 5; ++i) log.refuse("origin_refused", "https://evil.example");
  log.now += 61s;
  log.refuse("origin_refused", "https://evil.example");
  REQUIRE(log.lines.size() == 5);
  CHECK(log.lines[3].second == "refused code=\"origin_refused\" 2 more like this");
  CHECK(log.lines[4].second == "refused code=\"origin_refused\" origin=\"https://evil.example\"");
  CHECK_FALSE(log.log.tell_left_out(log.now));
  CHECK_FALSE(log.log.tell_left_out(log.now + 120s));
  CHECK(log.lines.size() == 5);
}

TEST_CASE("what is for developers is not counted") {
  Log log;
  for (int i = 0; i < 100; ++i) log.log.event("connected", {{"origin", "https://sign.example"}}, log.now);
  CHECK(log.lines.size() == 100);
  CHECK_FALSE(log.log.tell_left_out(log.now));
}
