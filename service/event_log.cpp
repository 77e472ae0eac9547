#include "service/event_log.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace signet::service {
namespace {

constexpr std::size_t shown_bytes = 200;

// A value cannot end its own quotation.
std::string field(std::string_view key, std::string_view value) {
  std::string quoted = base::shown(value, shown_bytes);
  std::ranges::replace(quoted, '"', '\'');
  return " " + std::string(key) + "=\"" + quoted + "\"";
}

}  // namespace

void EventLog::event(std::string_view event, const EventFields& fields, Clock::time_point now) {
  std::string kind(event);
  std::string line(event);
  for (const auto& [key, value] : fields) {
    line += field(key, value);
    if (key == "code") kind += field(key, value);
  }
  if (event != "refused" && !event.ends_with("failed")) return write_(Severity::debug, line);

  tell_left_out(now);
  const auto [found, is_new] = periods_.try_emplace(kind, Period{now + limits_.period});
  Period& period = found->second;
  if (period.lines < limits_.lines) {
    ++period.lines;
    write_(Severity::warning, line);
  } else {
    ++period.left_out;
  }
}

std::optional<EventLog::Clock::time_point> EventLog::tell_left_out(Clock::time_point now) {
  std::optional<Clock::time_point> next;
  for (auto entry = periods_.begin(); entry != periods_.end();) {
    const auto& [kind, period] = *entry;
    if (period.end <= now) {
      if (period.left_out > 0) write_(Severity::warning, kind + " " + std::to_string(period.left_out) + " more like this");
      entry = periods_.erase(entry);
      continue;
    }
    if (period.left_out > 0) next = std::min(next.value_or(period.end), period.end);
    ++entry;
  }
  return next;
}

}  // namespace signet::service
