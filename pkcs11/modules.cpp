#include "pkcs11/modules.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace signet::pkcs11 {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

using Clock = std::chrono::steady_clock;

// A module that hung while it was loaded would hold up every listing by HostOptions::load_timeout: listings leave it out so long.
constexpr auto leave_out_after_timeout = std::chrono::minutes(1);

struct Entry {
  std::shared_ptr<TokenHost> host;
  std::optional<Error> last_error;
  unsigned starts = 0;
  Clock::time_point leave_out_until{};
};

// Shared with the coroutines, which may outlive Modules.
struct State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor executor_of_all, HostOptions host_options, std::vector<ModuleOptions> module_options)
      : options(std::move(module_options)),
        host(std::move(host_options)),
        entries(options.size()),
        turn(executor_of_all, Clock::time_point::max()) {}

  std::vector<ModuleOptions> options;
  HostOptions host;
  std::vector<Entry> entries;
  bool starting = false;    // a host is being started or ended
  asio::steady_timer turn;  // cancelled when the next may start
  std::function<void(std::size_t)> on_change;
  bool abandoned = false;

  asio::awaitable<void> wait_for_turn() {
    boost::system::error_code ignored;
    while (starting) co_await turn.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
};

// One holder at a time; the next is woken when it is let go, also by a dropped coroutine.
class Turn {
 public:
  explicit Turn(std::shared_ptr<State> state) : state_(std::move(state)) { state_->starting = true; }
  ~Turn() {
    state_->starting = false;
    state_->turn.cancel();
  }
  Turn(const Turn&) = delete;  // a lock
  Turn& operator=(const Turn&) = delete;

 private:
  std::shared_ptr<State> state_;
};

void watch(const std::shared_ptr<State>& state, std::size_t module) {
  const std::weak_ptr<State> weak = state;
  const auto change = [weak, module] {
    const auto alive = weak.lock();
    if (alive == nullptr) return;
    if (const auto callback = alive->on_change) callback(module);
  };
  TokenHost& host = *state->entries[module].host;
  host.on_event([change](SlotEvent) { change(); });
  const TokenHost* const which = &host;
  host.on_end([weak, module, which, change](Error error) {
    if (const auto alive = weak.lock(); alive != nullptr && alive->entries[module].host.get() == which)
      alive->entries[module].last_error = std::move(error);
    change();
  });
}

asio::awaitable<Result<std::shared_ptr<TokenHost>>> host_of(std::shared_ptr<State> state, std::size_t module) {
  const auto running = [&] { return state->entries[module].host != nullptr && state->entries[module].host->alive(); };
  if (running()) co_return state->entries[module].host;
  co_await state->wait_for_turn();
  if (running()) co_return state->entries[module].host;
  if (state->abandoned) co_return base::failure(ErrorCode::token_host_died, "the modules were let go");

  const Turn turn(state);
  // The one before may still be logging out of the same token.
  if (const auto before = std::exchange(state->entries[module].host, nullptr)) co_await before->end();
  HostOptions options = state->host;
  options.module = state->options[module].path;
  options.name = state->options[module].name;
  ++state->entries[module].starts;
  auto started = co_await TokenHost::start(std::move(options));
  Entry& entry = state->entries[module];
  if (!started) {
    entry.last_error = started.error();
    if (started.error().code == ErrorCode::token_host_timeout) entry.leave_out_until = Clock::now() + leave_out_after_timeout;
    co_return base::failure_of(started);
  }
  if (state->abandoned) co_return base::failure(ErrorCode::token_host_died, "the modules were let go");
  entry.last_error.reset();
  entry.leave_out_until = {};
  entry.host = *started;
  watch(state, module);
  co_return std::move(*started);
}

asio::awaitable<void> end_one(std::shared_ptr<State> state, std::size_t module) {
  co_await state->wait_for_turn();
  const Turn turn(state);
  if (const auto host = std::exchange(state->entries[module].host, nullptr)) co_await host->end();
}

asio::awaitable<Result<std::shared_ptr<TokenHost>>> start_one_apart(std::shared_ptr<State> state, std::size_t module,
                                                                    HostPurpose purpose) {
  co_await state->wait_for_turn();
  if (state->abandoned) co_return base::failure(ErrorCode::token_host_died, "the modules were let go");
  const Turn turn(state);
  HostOptions options = state->host;
  options.module = state->options[module].path;
  options.name = state->options[module].name;
  options.purpose = purpose;
  co_return co_await TokenHost::start(std::move(options));
}

asio::awaitable<void> end_every(std::shared_ptr<State> state) {
  for (std::size_t module = 0; module < state->entries.size(); ++module) co_await end_one(state, module);
}

asio::awaitable<std::vector<TokenPlace>> list(std::shared_ptr<State> state) {
  std::vector<TokenPlace> places;
  for (std::size_t module = 0; module < state->entries.size(); ++module) {
    if (Clock::now() < state->entries[module].leave_out_until) continue;
    Result<std::vector<Token>> tokens;
    for (int asked = 0; asked == 0 || (asked < most_hosts_asked && !tokens && ended_on_purpose(tokens.error())); ++asked) {
      const auto host = co_await host_of(state, module);
      tokens = host ? co_await (*host)->tokens() : Result<std::vector<Token>>(std::unexpected(host.error()));
    }
    if (!tokens) {
      state->entries[module].last_error = tokens.error();
      continue;
    }
    for (const Token& token : *tokens) {
      // Two modules that serve one token would show its certificates twice and spend its PIN tries twice as fast. A token
      // without a serial number cannot be told from another.
      const bool known = !token.serial.empty() && std::ranges::any_of(places, [&](const TokenPlace& place) {
        return place.token.serial == token.serial && place.token.manufacturer == token.manufacturer;
      });
      if (!known) places.push_back({module, token});
    }
  }
  co_return places;
}

}  // namespace

class Modules::Implementation {
 public:
  std::shared_ptr<State> state;
};

Modules::Modules(asio::any_io_executor executor, HostOptions host, std::vector<ModuleOptions> modules)
    : implementation_(new Implementation{std::make_shared<State>(executor, std::move(host), std::move(modules))}) {}

Modules::~Modules() {
  State& state = *implementation_->state;
  state.abandoned = true;
  state.on_change = {};
  for (Entry& entry : state.entries) entry.host.reset();
}

const std::vector<ModuleOptions>& Modules::options() const { return implementation_->state->options; }

std::vector<ModuleState> Modules::states() const {
  std::vector<ModuleState> states;
  for (std::size_t i = 0; i < options().size(); ++i) {
    const Entry& entry = implementation_->state->entries[i];
    const bool running = entry.host != nullptr && entry.host->alive();
    states.push_back({options()[i].name, running, running ? entry.host->process_id() : 0, entry.last_error, entry.starts});
  }
  return states;
}

asio::awaitable<Result<std::shared_ptr<TokenHost>>> Modules::host(std::size_t module) {
  return host_of(implementation_->state, module);
}
asio::awaitable<std::vector<TokenPlace>> Modules::tokens() { return list(implementation_->state); }
asio::awaitable<Result<std::shared_ptr<TokenHost>>> Modules::start_apart(std::size_t module, HostPurpose purpose) {
  return start_one_apart(implementation_->state, module, purpose);
}
asio::awaitable<void> Modules::end_host(std::size_t module) { return end_one(implementation_->state, module); }
asio::awaitable<void> Modules::end_all() { return end_every(implementation_->state); }
void Modules::on_change(std::function<void(std::size_t)> callback) { implementation_->state->on_change = std::move(callback); }

}  // namespace signet::pkcs11
