#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>

#include "portal/judges.hpp"
#include "service/time_stamps.hpp"

namespace signet::portal {

// Has time stamps made for signatures that lack nothing else, and has the outcome judged anew. TSAs are waited for on threads of
// their own. One thread; destroyed after its io_context has stopped.
class Stamper {
 public:
  using Question = std::pair<std::string, Wanted>;  // a signature, and what it must be
  using Verdict = std::expected<Accepted, Refusal>;
  using Told = std::function<void(std::size_t stamped, std::size_t failed, const std::string& last_error)>;

  Stamper(Judges& judges, service::TimeStamping time_stamping, Told on_stamped)
      : judges_(judges), time_stamps_(std::move(time_stamping)), on_stamped_(std::move(on_stamped)) {}

  void stamp_anew() { time_stamps_.ask_anew(); }
  // Judges::accept(), with time stamps where they are missing. In the order of the questions.
  boost::asio::awaitable<std::vector<Verdict>> accept(std::vector<Question> questions);

 private:
  // A question whose signature lacks its time stamp.
  struct Unstamped {
    std::size_t question = 0;
    xades::StampPlan plan;
    base::Result<pki::TimeStampToken> token = base::failure(base::ErrorCode::time_stamp_failed, "not asked in time");
  };
  using Clock = std::chrono::steady_clock;

  // Of signatures with the numbers of their questions, those that can get one.
  boost::asio::awaitable<std::vector<Unstamped>> planned(std::vector<std::pair<std::size_t, std::string>> signatures);
  boost::asio::awaitable<std::vector<Unstamped>> stamp(std::vector<Unstamped> unstamped);
  boost::asio::awaitable<void> ask(std::shared_ptr<std::vector<Unstamped>> unstamped, std::size_t which, Clock::time_point until);

  boost::asio::thread_pool planners_{1};
  Judges& judges_;
  service::TimeStamps time_stamps_;
  Told on_stamped_;
};

}  // namespace signet::portal
