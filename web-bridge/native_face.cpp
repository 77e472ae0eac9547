#include "session.hpp"

namespace signet::web_bridge {

using boost::asio::awaitable;

NativeFace::NativeFace(boost::asio::any_io_executor executor, signing::Batches& batches, ControlPorts control,
                       NativeOptions options)
    : state_(std::make_shared<State>(std::move(executor), batches, std::move(control), std::move(options))) {}
NativeFace::~NativeFace() = default;

base::Result<NativeFace::Place> NativeFace::admit(const signing::Origin& origin) {
  std::map<signing::Origin, std::size_t>& all = state_->connections;
  const std::size_t of_origin = all.contains(origin) ? all.at(origin) : 0;
  if (origin.is_command_line()) {
    if (of_origin >= limits().control_connections) return base::failure(base::ErrorCode::too_many, "commands");
  } else {
    std::size_t pages = 0;
    for (const auto& [one, count] : all) pages += one.is_command_line() ? 0 : count;
    if (pages >= limits().connections || of_origin >= limits().connections_per_origin)
      return base::failure(base::ErrorCode::too_many, "connections");
  }
  struct Counted {
    std::shared_ptr<State> state;
    signing::Origin origin;
    Counted(std::shared_ptr<State> the_state, const signing::Origin& the_origin)
        : state(std::move(the_state)), origin(the_origin) {
      ++state->connections[origin];
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() {
      if (--state->connections.at(origin) == 0) state->connections.erase(origin);
    }
  };
  return std::make_shared<const Counted>(state_, origin);
}

awaitable<void> NativeFace::serve(std::shared_ptr<Channel> channel, Caller caller, Place place) {
  const auto state = state_;
  state->event("connected", {{"origin", caller.origin.text()}});
  co_await std::make_shared<Session>(state, std::move(channel), caller)->run();
  place.reset();
  state->event("disconnected", {{"origin", caller.origin.text()}});
}

const NativeLimits& NativeFace::limits() const { return state_->options.limits; }

std::size_t NativeFace::connections() const {
  std::size_t all = 0;
  for (const auto& [origin, count] : state_->connections) all += count;
  return all;
}

void NativeFace::tokens_changed(bool present, std::string tokens) const {
  const auto listing = std::make_shared<const std::string>(std::move(tokens));
  const auto sessions = state_->sessions;  // one that is told may end
  for (const auto& [number, weak] : sessions)
    if (const auto session = weak.lock()) session->tokens_changed(present, listing);
}

void NativeFace::event(std::string_view name, const EventFields& fields) const { state_->event(name, fields); }

}  // namespace signet::web_bridge
