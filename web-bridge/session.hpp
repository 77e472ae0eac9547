#pragma once

#include <set>

#include "batch_feed.hpp"
#include "web_bridge/message.hpp"

namespace signet::web_bridge {

// One connection: reads requests one after another, answers at once what can be answered at once, and lets the others wait
// beside each other. Held by shared_ptr: requests that wait outlive the connection.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<NativeFace::State> face, std::shared_ptr<Channel> channel, Caller caller);
  boost::asio::awaitable<void> run();
  void tokens_changed(bool present, std::shared_ptr<const std::string> listing);

 private:
  using Answer = base::Result<std::string>;  // the JSON of `result`
  using AtOnce = Answer (Session::*)(const RequestMessage&);
  using Later = boost::asio::awaitable<Answer> (Session::*)(RequestMessage);
  struct Method {
    std::string_view name;
    enum class For : std::uint8_t { everyone, command_line } whom;
    std::variant<AtOnce, Later> handler;
  };
  static const Method methods[];

  boost::asio::awaitable<void> read_requests();
  boost::asio::awaitable<void> refuse(base::Error error);
  boost::asio::awaitable<void> tell_tokens();
  void leave_batches();
  signing::Asker asker() const { return "connection " + std::to_string(number_); }
  void dispatch(RequestMessage message);
  boost::asio::awaitable<void> answer_later(Later handler, RequestMessage message);
  Answer guarded(std::string_view method, auto work);
  std::shared_ptr<BatchFeed> attached_feed(const std::string& handle);
  base::Result<std::shared_ptr<BatchFeed>> feed(const std::string& handle);

  Answer hello(const RequestMessage& message);
  Answer batch_begin(const RequestMessage& message);
  Answer batch_items(const RequestMessage& message);
  Answer batch_acknowledge(const RequestMessage& message);
  Answer batch_cancel(const RequestMessage& message);
  Answer batch_close(const RequestMessage& message);
  Answer environment(const RequestMessage& message);
  Answer origins(const RequestMessage& message);
  Answer journal(const RequestMessage& message);
  boost::asio::awaitable<Answer> certificate_choose(RequestMessage message);
  boost::asio::awaitable<Answer> batch_commit(RequestMessage message);
  boost::asio::awaitable<Answer> batch_resume(RequestMessage message);
  boost::asio::awaitable<Answer> batch_time_stamp(RequestMessage message);
  boost::asio::awaitable<Answer> status(RequestMessage message);
  boost::asio::awaitable<Answer> tokens(RequestMessage message);
  boost::asio::awaitable<Answer> tokens_watch(RequestMessage message);
  boost::asio::awaitable<Answer> tokens_explain(RequestMessage message);
  boost::asio::awaitable<Answer> certificates(RequestMessage message);
  boost::asio::awaitable<Answer> lock(RequestMessage message);
  boost::asio::awaitable<Answer> restart(RequestMessage message);
  boost::asio::awaitable<Answer> pin_change(RequestMessage message);
  boost::asio::awaitable<Answer> pin_unblock(RequestMessage message);
  boost::asio::awaitable<Answer> set_pin(RequestMessage message, ControlPorts::SetPin port);

  const NativeLimits& limits() const { return face_->options.limits; }

  std::shared_ptr<NativeFace::State> face_;
  std::shared_ptr<Channel> channel_;
  std::shared_ptr<Outbox> outbox_;
  Caller caller_;
  std::uint64_t number_;
  boost::asio::steady_timer hello_timer_;
  bool greeted_ = false;
  bool environment_told_ = false;
  bool watches_tokens_ = false;
  struct Tokens {
    bool present = false;
    std::shared_ptr<const std::string> listing;
  };
  std::optional<Tokens> untold_tokens_;
  bool telling_tokens_ = false;
  std::size_t pending_ = 0;
  std::map<std::string, std::weak_ptr<BatchFeed>> feeds_;
  std::set<std::string> reached_;  // batches that this command began or resumed
};

}  // namespace signet::web_bridge
