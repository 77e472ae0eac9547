#include "session.hpp"

namespace signet::web_bridge {

using boost::asio::awaitable;

NativeFace::NativeFace(boost::asio::any_io_executor executor, signing::Batches& batches, ControlPorts control,
                       NativeOptions options)
    : state_(std::make_shared<State>(std::move(executor), batches, std::move(control), std::move(options))) {}
NativeFace::~NativeFace() = default;

awaitable<void> NativeFace::serve(std::shared_ptr<Channel> channel, Caller caller) {
  const auto state = state_;
  struct Counted {
    std::shared_ptr<State> state;
    signing::Origin origin;
    Counted(std::shared_ptr<State> the_state, signing::Origin the_origin)
        : state(std::move(the_state)), origin(std::move(the_origin)) {
      ++state->connections[origin];
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() {
      if (--state->connections.at(origin) == 0) state->connections.erase(origin);
    }
  } const counted(state, caller.origin);
  state->event("connected", {{"origin", caller.origin.text()}});
  co_await std::make_shared<Session>(state, std::move(channel), caller)->run();
  state->event("disconnected", {{"origin", caller.origin.text()}});
}

const NativeLimits& NativeFace::limits() const { return state_->options.limits; }

std::size_t NativeFace::connections() const {
  std::size_t all = 0;
  for (const auto& [origin, count] : state_->connections) all += count;
  return all;
}

std::size_t NativeFace::connections_of(const signing::Origin& origin) const {
  const auto row = state_->connections.find(origin);
  return row == state_->connections.end() ? 0 : row->second;
}

void NativeFace::event(std::string_view name, const EventFields& fields) const { state_->event(name, fields); }

}  // namespace signet::web_bridge
