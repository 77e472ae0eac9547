#pragma once

#include <time.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "drivers/device_watch.hpp"

namespace signet::test {

// A device watch, and all that it has reported. Waits look again within bounds.
class Watched {
 public:
  explicit Watched(std::function<void(const drivers::DeviceChange&)> also = {})
      : also_(std::move(also)), watch([this](const drivers::DeviceChange& change) {
          {
            const std::lock_guard lock(guard_);
            seen_.insert(seen_.end(), change.events.begin(), change.events.end());
            now_ = change.now;
            ++reports_;
            changed_.notify_all();
          }
          if (also_) also_(change);
        }) {}

  // Within ten seconds. What is asked for is looked at in all that was reported since the last forget().
  bool until(const std::function<bool(const std::vector<drivers::DeviceEvent>& seen, const drivers::Devices& now)>& condition) {
    std::unique_lock lock(guard_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return condition(seen_, now_); });
  }
  // How often this has happened since the last forget().
  std::size_t count(drivers::DeviceEvent::What what) const {
    const std::lock_guard lock(guard_);
    return static_cast<std::size_t>(std::count_if(seen_.begin(), seen_.end(), [&](const auto& one) { return one.what == what; }));
  }
  bool until(drivers::DeviceEvent::What what, std::size_t times = 1) {
    return until([&](const auto& seen, const auto&) {
      return static_cast<std::size_t>(std::count_if(seen.begin(), seen.end(), [&](const auto& one) { return one.what == what; })) >= times;
    });
  }
  std::vector<drivers::DeviceEvent> forget() {
    const std::lock_guard lock(guard_);
    return std::exchange(seen_, {});
  }
  drivers::Devices now() const {
    const std::lock_guard lock(guard_);
    return now_;
  }
  std::size_t reports() const {
    const std::lock_guard lock(guard_);
    return reports_;
  }

 private:
  mutable std::mutex guard_;
  std::condition_variable changed_;
  std::vector<drivers::DeviceEvent> seen_;
  drivers::Devices now_;
  std::size_t reports_ = 0;
  std::function<void(const drivers::DeviceChange&)> also_;

 public:
  drivers::DeviceWatch watch;  // the last: it reports while it is made
};

// Processor time of all threads, in milliseconds.
inline double processor_ms() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

}  // namespace signet::test
