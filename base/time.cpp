#include "base/time.hpp"

#include <cstdio>

namespace signet::base {

std::string rfc3339(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  return text;
}

namespace {

// Reads from the front of a text; after the first thing that does not fit nothing more does.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  // As many digits, neither more nor fewer, and no sign: sscanf takes " 1" and "-1" for numbers of two digits.
  int number(std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      good_ = good_ && i < rest_.size() && rest_[i] >= '0' && rest_[i] <= '9';
      if (good_) value = value * 10 + (rest_[i] - '0');
    }
    if (good_) rest_.remove_prefix(digits);
    return value;
  }
  void expect(char c) {
    good_ = good_ && next_is(c);
    if (good_) rest_.remove_prefix(1);
  }
  void fraction() {
    if (!next_is('.')) return;
    expect('.');
    number(1);
    while (good_ && !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') rest_.remove_prefix(1);
  }
  bool next_is(char c) const { return rest_.starts_with(c); }
  bool complete() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::optional<Time> from_rfc3339(std::string_view text) {
  Reader reader(text);
  const int year = reader.number(4);
  reader.expect('-');
  const auto month = static_cast<unsigned>(reader.number(2));
  reader.expect('-');
  const auto day = static_cast<unsigned>(reader.number(2));
  reader.expect('T');
  const int hour = reader.number(2);
  reader.expect(':');
  const int minute = reader.number(2);
  reader.expect(':');
  const int second = reader.number(2);
  reader.fraction();

  int offset_minutes = 0;
  if (reader.next_is('+') || reader.next_is('-')) {
    const char sign = reader.next_is('-') ? '-' : '+';
    reader.expect(sign);
    const int offset_hour = reader.number(2);
    reader.expect(':');
    const int offset_minute = reader.number(2);
    if (offset_hour > 14 || offset_minute > 59) return std::nullopt;
    offset_minutes = (sign == '-' ? -1 : 1) * (offset_hour * 60 + offset_minute);
  } else {
    reader.expect('Z');
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}};
  const bool midnight = hour == 24 && minute == 0 && second == 0;  // xsd:dateTime has the end of a day
  if (!reader.complete() || !date.ok() || (hour > 23 && !midnight) || minute > 59 || second > 60) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute - offset_minutes} +
         std::chrono::seconds{second};
}

}  // namespace signet::base
