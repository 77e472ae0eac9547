#include "base/time.hpp"

#include <catch2/catch.hpp>

using namespace signet::base;
using namespace std::chrono;

TEST_CASE("times are written in UTC and read with any offset") {
  const Time time = sys_days{year{2026} / 2 / 28} + 23h + 30min + 5s;
  CHECK(rfc3339(time) == "2026-02-28T23:30:05Z");
  CHECK(from_rfc3339("2026-02-28T23:30:05Z") == time);
  CHECK(from_rfc3339("2026-03-01T01:30:05.25+02:00") == time);
}

TEST_CASE("what is no time is refused") {
  const auto text = GENERATE("", "2026-02-30T00:00:00Z", "2026-02-28T23:30:05", "2026-02-28", "2026-02-28T23:30:05+2",
                             "2026-02-28T23:30:05Zx", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z");
  CHECK_FALSE(from_rfc3339(text));
}

TEST_CASE("a time has digits where digits belong, and no sign or space") {
  const auto text = GENERATE("26-11-22T10:00:00Z", "2026-11-22T-1:00:00Z", "2026- 1- 1T 1: 1: 1Z", "+026-11-22T10:00:00Z",
                             "2026-1-22T10:00:00Z", "2026-11-22T10:00:00+-1:00", "2026-11-22T10:00:00.Z", "2026-11-22T24:00:01Z",
                             " 2026-11-22T10:00:00Z", "2026-11-22T10:00:00.1.2Z");
  CHECK_FALSE(from_rfc3339(text));
}

TEST_CASE("the end of a day is the beginning of the next") {
  CHECK(from_rfc3339("2026-11-22T24:00:00Z") == from_rfc3339("2026-11-23T00:00:00Z"));
}
