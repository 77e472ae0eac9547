#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>

#include "portal/acceptance.hpp"
#include "service/time_stamps.hpp"

namespace signet::portal {

// Judges what pages bring, on workers, and has time stamps made for signatures that lack nothing else: those are waited for on
// threads of their own. One thread; destroyed after its io_context has stopped.
class Judge {
 public:
  using Question = std::pair<std::string, Wanted>;  // a signature, and what it must be
  using Verdict = std::expected<Accepted, Refusal>;
  using Trust = std::shared_ptr<const pki::TrustMaterial>;
  struct Ports {
    std::function<Trust()> trust;
    std::function<base::Time()> now;
    std::function<void(std::size_t stamped, std::size_t failed, const std::string& last_error)> on_stamped;
  };

  Judge(boost::asio::thread_pool& workers, service::TimeStamping time_stamping, Ports ports)
      : workers_(workers), time_stamps_(std::move(time_stamping)), ports_(std::move(ports)) {}

  bool stamps() const { return time_stamps_.configured(); }
  void stamp_anew() { time_stamps_.ask_anew(); }
  // In the order of the questions.
  boost::asio::awaitable<std::vector<Verdict>> judge(std::vector<Question> questions);

 private:
  // A question whose signature lacks its time stamp.
  struct Unstamped {
    std::size_t question = 0;
    xades::StampPlan plan;
    base::Result<pki::TimeStampToken> token = base::failure(base::ErrorCode::time_stamp_failed, "not asked in time");
  };
  struct Stamping;

  boost::asio::awaitable<std::vector<Unstamped>> stamp(std::vector<Unstamped> unstamped);
  boost::asio::awaitable<void> ask(std::shared_ptr<Stamping> stamping);

  boost::asio::thread_pool& workers_;
  service::TimeStamps time_stamps_;
  Ports ports_;
};

}  // namespace signet::portal
