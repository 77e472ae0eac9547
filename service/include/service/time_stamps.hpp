#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pki/time_stamp.hpp"
#include "service/settings.hpp"

namespace signet::service {

struct TimeStamping {
  std::vector<std::string> urls;  // tried in order
  std::chrono::milliseconds timeout{10'000};
  unsigned tries = 3;
  std::chrono::milliseconds rest_after_failure{5'000};  // no TSA is asked for so long after all of them failed
};

// The table [time_stamping] of a settings file.
void read_time_stamping(SettingsTable table, TimeStamping& time_stamping);

// Asks the configured TSAs, in order, on worker threads. Each gets its tries, with growing pauses; a 429 or 503 is waited for as
// it says, within the timeout. When all of them failed none is asked for a moment: a batch of thousands shall not wait for each
// of its items to time out.
class TimeStamps {
 public:
  explicit TimeStamps(TimeStamping options);
  ~TimeStamps();
  TimeStamps(const TimeStamps&) = delete;  // owns threads
  TimeStamps& operator=(const TimeStamps&) = delete;

  bool configured() const { return !options_.urls.empty(); }
  // time_stamp_failed with the last TSA's reason.
  boost::asio::awaitable<base::Result<pki::TimeStampToken>> token(base::Digest imprint);
  // Ends the rest after a failure: whoever asks for a time stamp again is served at once.
  void ask_anew();

 private:
  base::Result<pki::TimeStampToken> ask_all(const base::Digest& imprint);
  base::Result<pki::TimeStampToken> ask(const std::string& url, const base::Digest& imprint);
  bool pause(std::chrono::milliseconds length);

  TimeStamping options_;
  std::mutex mutex_;
  std::atomic<bool> stopping_{false};  // a fetch under way looks at it too
  std::condition_variable stopped_;
  std::chrono::steady_clock::time_point rest_until_{};
  unsigned times_asked_anew_ = 0;
  base::Error last_error_;
  std::once_flag begun_;
  std::optional<boost::asio::thread_pool> threads_;  // from the first token on: most agents make none
};

}  // namespace signet::service
