#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet::service {

// What an event of a server says of itself beside its name: key and value.
using EventFields = std::vector<std::pair<std::string_view, std::string>>;

// Turns events of the faces into lines of the log. Warnings of one kind (the event and its code: a fixed set, unlike origins,
// which a stranger chooses) get `lines` lines a period; the rest are counted and told as one line, so that no local program
// can fill the disk or bury what matters by being refused. One thread.
class EventLog {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Severity : std::uint8_t { debug, warning };
  using Write = std::function<void(Severity, const std::string& line)>;
  struct Limits {
    std::size_t lines = 10;
    std::chrono::seconds period{60};
  };

  EventLog(Write write, Limits limits) : write_(std::move(write)), limits_(limits) {}

  void event(std::string_view event, const EventFields& fields, Clock::time_point now);
  // Tells what was left out in periods that are over; gives when the next one with something left out will be.
  std::optional<Clock::time_point> tell_left_out(Clock::time_point now);

 private:
  struct Period {
    Clock::time_point end;
    std::size_t lines = 0;
    std::size_t left_out = 0;
  };

  Write write_;
  Limits limits_;
  std::map<std::string, Period> periods_;
};

}  // namespace signet::service
