#include "service/time_stamps.hpp"

#include <pthread.h>
#include <sched.h>

#include "net/fetch.hpp"
#include "service/worker.hpp"

namespace signet::service {

using base::ErrorCode;

namespace {

// As many requests under way as keep a fast token busy beside a TSA that takes some tens of milliseconds: a software token of
// 1700 signatures a second and a TSA 20 ms away need 34 at any time, and signatures come by chunks of up to 64.
constexpr std::size_t requests_at_once = 64;
constexpr std::chrono::milliseconds first_pause{200};

// A time stamp that has come may wait its turn: it must not take the processor from the token that signs the next. Its share of
// the time is as before. Where this is forbidden nothing is lost but speed.
bool yield_to_tokens() {
  const sched_param priority{};
  return pthread_setschedparam(pthread_self(), SCHED_BATCH, &priority) == 0;
}

}  // namespace

void read_time_stamping(SettingsTable table, TimeStamping& time_stamping) {
  table.list("urls", [&](const SettingsValue& element) -> std::string {
    const auto value = element.text();
    if (!value || (!value->starts_with("http://") && !value->starts_with("https://"))) return "must hold http or https addresses";
    time_stamping.urls.push_back(*value);
    return {};
  });
  table.number("timeout_ms", 100, 60'000, [&](std::int64_t value) { time_stamping.timeout = std::chrono::milliseconds{value}; });
  table.number("tries", 1, 10, [&](std::int64_t value) { time_stamping.tries = static_cast<unsigned>(value); });
  table.number("rest_after_failure_ms", 0, 600'000,
               [&](std::int64_t value) { time_stamping.rest_after_failure = std::chrono::milliseconds{value}; });
}

TimeStamps::TimeStamps(TimeStamping options) : options_(std::move(options)) {}

TimeStamps::~TimeStamps() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (threads_) threads_->join();
}

boost::asio::awaitable<base::Result<pki::TimeStampToken>> TimeStamps::token(base::Digest imprint) {
  std::call_once(begun_, [this] { threads_.emplace(requests_at_once); });
  return on_worker(*threads_, [this, imprint] { return ask_all(imprint); });
}

void TimeStamps::ask_anew() {
  const std::lock_guard lock(mutex_);
  rest_until_ = {};
  ++times_asked_anew_;
}

base::Result<pki::TimeStampToken> TimeStamps::ask_all(const base::Digest& imprint) {
  static thread_local const bool yields = yield_to_tokens();
  (void)yields;
  if (options_.urls.empty()) return base::failure(ErrorCode::time_stamp_failed, "no TSA is configured");
  unsigned asked_anew = 0;
  {
    const std::lock_guard lock(mutex_);
    if (std::chrono::steady_clock::now() < rest_until_) return std::unexpected(last_error_);
    asked_anew = times_asked_anew_;
  }
  base::Error error;
  for (const std::string& url : options_.urls) {
    auto token = ask(url, imprint);
    if (token) return token;
    error = token.error();
  }
  error.code = ErrorCode::time_stamp_failed;
  const std::lock_guard lock(mutex_);
  if (asked_anew == times_asked_anew_) {  // else this failure is older than the wish to try again
    rest_until_ = std::chrono::steady_clock::now() + options_.rest_after_failure;
    last_error_ = error;
  }
  return std::unexpected(error);
}

base::Result<pki::TimeStampToken> TimeStamps::ask(const std::string& url, const base::Digest& imprint) {
  base::Error error{ErrorCode::time_stamp_failed, "not asked", 0, {}};
  std::chrono::milliseconds wait = first_pause;
  for (unsigned attempt = 0; attempt < options_.tries; ++attempt) {
    if (attempt > 0 && !pause(wait)) break;
    wait *= 2;
    // A new nonce each time: an answer to the try before is not taken for one to this.
    const pki::TimeStampRequest request = pki::make_time_stamp_request(imprint);
    const auto response = net::fetch({.url = url,
                                      .body = request.der,
                                      .content_type = "application/timestamp-query",
                                      .accept = "application/timestamp-reply",
                                      .timeout = options_.timeout,
                                      .max_response_bytes = 64u << 10},
                                     &stopping_);
    if (!response) {
      error = response.error();
      continue;
    }
    if (response->status == 429 || response->status == 503) {
      error = {ErrorCode::time_stamp_failed, "the TSA is busy: HTTP " + std::to_string(response->status), 0, {}};
      if (response->retry_after)
        wait = std::max(wait, std::min<std::chrono::milliseconds>(*response->retry_after, options_.timeout));
      continue;
    }
    if (response->status != 200) {
      error = {ErrorCode::time_stamp_failed, "the TSA answered HTTP " + std::to_string(response->status), 0, {}};
      continue;
    }
    auto token = pki::read_time_stamp_response(response->body, request);
    if (token) return token;
    error = token.error();
  }
  return std::unexpected(error);
}

// False when the agent stops meanwhile.
bool TimeStamps::pause(std::chrono::milliseconds length) {
  std::unique_lock lock(mutex_);
  return !stopped_.wait_for(lock, length, [this] { return stopping_.load(); });
}

}  // namespace signet::service
