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

std::optional<Time> from_rfc3339(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, used = 0;
  const std::string whole(text.substr(0, 64));
  if (std::sscanf(whole.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &used) != 6)
    return std::nullopt;
  std::string_view rest = std::string_view(whole).substr(static_cast<std::size_t>(used));
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') rest.remove_prefix(1);
  }
  int offset_minutes = 0;
  if (rest != "Z") {
    char sign = 0;
    int offset_hour = 0, offset_minute = 0;
    used = 0;
    if (std::sscanf(std::string(rest).c_str(), "%c%2d:%2d%n", &sign, &offset_hour, &offset_minute, &used) != 3 ||
        static_cast<std::size_t>(used) != rest.size() || (sign != '+' && sign != '-') || offset_hour > 14 || offset_minute > 59)
      return std::nullopt;
    offset_minutes = (sign == '-' ? -1 : 1) * (offset_hour * 60 + offset_minute);
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || hour > 24 || minute > 59 || second > 60) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute - offset_minutes} +
         std::chrono::seconds{second};
}

}  // namespace signet::base
