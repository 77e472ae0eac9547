#include "pkcs11/modules.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "card_probe.hpp"

namespace signet::pkcs11 {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

using Clock = std::chrono::steady_clock;

// A module that hangs while it is loaded holds up every listing by HostOptions::load_timeout: after the second time listings
// leave it out so long.
constexpr auto leave_out_after_timeout = std::chrono::minutes(1);

struct Entry {
  std::shared_ptr<TokenHost> host;
  std::optional<Error> last_error;
  unsigned starts = 0;
  Clock::time_point leave_out_until{};
  bool wanted = true;
  std::vector<Clock::time_point> faults;
  std::vector<Clock::time_point> forgiven;
  Clock::time_point not_before{};
  bool stopped = false;
};

// Shared with the coroutines, which may outlive Modules.
struct State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor executor_of_all, HostOptions host_options, std::vector<ModuleOptions> module_options,
        FaultPolicy fault_policy)
      : options(std::move(module_options)),
        host(std::move(host_options)),
        policy(fault_policy),
        configured(options.size()),
        entries(options.size()),
        turn(executor_of_all, Clock::time_point::max()) {}

  std::vector<ModuleOptions> options;
  HostOptions host;
  FaultPolicy policy;
  std::size_t configured;
  std::vector<Entry> entries;
  bool starting = false;    // a host is being started or ended
  asio::steady_timer turn;  // cancelled when the next may start
  std::vector<std::function<void(std::size_t, Modules::Change)>> on_change;
  ModuleHooks hooks;
  bool abandoned = false;

  void fault(std::size_t module, const Error& error) {
    Entry& entry = entries[module];
    const Clock::time_point now = Clock::now();
    std::erase_if(entry.faults, [&](Clock::time_point time) { return now - time > policy.period; });
    entry.faults.push_back(now);
    entry.last_error = error;
    entry.stopped = entry.faults.size() >= policy.stopped_after;
    if (entry.faults.size() > 1)
      entry.not_before = now + policy.first_pause * (1 << std::min<std::size_t>(entry.faults.size() - 2, 10));
  }

  void forget_faults(std::size_t module) {
    Entry& entry = entries[module];
    entry.faults.clear();
    entry.forgiven.clear();
    entry.stopped = false;
    entry.not_before = entry.leave_out_until = {};
  }

  // A module may make its device come anew each time that it crashes: the pause stands, and not every time is forgiven.
  void forgive(std::size_t module) {
    Entry& entry = entries[module];
    entry.leave_out_until = {};
    const std::size_t kept = policy.stopped_after > 2 ? policy.stopped_after - 2 : 0;
    if (entry.faults.size() <= kept) return;
    const Clock::time_point now = Clock::now();
    std::erase_if(entry.forgiven, [&](Clock::time_point time) { return now - time > policy.period; });
    if (entry.forgiven.size() >= policy.stopped_after) return;
    entry.forgiven.push_back(now);
    entry.faults.erase(entry.faults.begin(), entry.faults.end() - static_cast<std::ptrdiff_t>(kept));
    entry.stopped = false;
  }

  Error stopped_error(std::size_t module) const {
    return {ErrorCode::module_failed,
            options[module].name + " is not started any more after " + std::to_string(entries[module].faults.size()) +
                " faults (signet restart \"" + options[module].name +
                "\"): " + (entries[module].last_error ? entries[module].last_error->detail : std::string()),
            0};
  }

  // Of a module that has its place here.
  Result<HostOptions> host_options(std::size_t module) {
    auto out = host_options(options[module]);
    if (!out) return out;
    out->know_better = [weak = weak_from_this(), module](Token& token) {
      const auto alive = weak.lock();
      if (alive == nullptr) return;
      if (alive->hooks.know_better) alive->hooks.know_better(module, token);
      if (const auto configured = alive->options[module].unblock) token.unblock = configured;
    };
    return out;
  }

  Result<HostOptions> host_options(const ModuleOptions& own) const {
    HostOptions out = host;
    out.module = own.path;
    if (hooks.vet) {
      auto path = hooks.vet(own.path);
      if (!path) return base::failure_of(path);
      out.module = std::move(*path);
    }
    out.name = own.name;
    out.network = own.network;
    out.load_timeout = own.load_timeout.value_or(out.load_timeout);
    out.list_timeout = own.list_timeout.value_or(out.list_timeout);
    out.login_timeout = own.login_timeout.value_or(out.login_timeout);
    out.pin_pad_timeout = own.pin_pad_timeout.value_or(out.pin_pad_timeout);
    out.sign_timeout = own.sign_timeout.value_or(out.sign_timeout);
    return out;
  }

  void tell(std::size_t module, Modules::Change change) const {
    const auto callbacks = on_change;
    for (const auto& callback : callbacks) callback(module, change);
  }

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
  const auto change = [weak, module](Modules::Change what) {
    const auto alive = weak.lock();
    if (alive != nullptr) alive->tell(module, what);
  };
  TokenHost& host = *state->entries[module].host;
  host.on_event([change](SlotEvent) { change(Modules::Change::token); });
  const TokenHost* const which = &host;
  host.on_end([weak, module, which, change](Error error) {
    if (const auto alive = weak.lock();
        alive != nullptr && alive->entries[module].host.get() == which && !ended_on_purpose(error))
      alive->entries[module].last_error = std::move(error);
    change(Modules::Change::host_ended);
  });
}

asio::awaitable<Result<std::shared_ptr<TokenHost>>> host_of(std::shared_ptr<State> state, std::size_t module) {
  const auto running = [&] { return state->entries[module].host != nullptr && state->entries[module].host->alive(); };
  if (running()) co_return state->entries[module].host;
  for (;;) {
    co_await state->wait_for_turn();
    if (running()) co_return state->entries[module].host;
    if (state->entries[module].stopped || state->abandoned || Clock::now() >= state->entries[module].not_before) break;
    asio::steady_timer pause(co_await asio::this_coro::executor, state->entries[module].not_before);
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (state->entries[module].stopped) co_return std::unexpected(state->stopped_error(module));
  if (state->abandoned) co_return base::failure(ErrorCode::token_host_died, "the modules were let go");

  const Turn turn(state);
  // The one before may still be logging out of the same token.
  if (const auto before = std::exchange(state->entries[module].host, nullptr)) co_await before->end();
  auto vetted = state->host_options(module);
  if (!vetted) {
    state->entries[module].last_error = vetted.error();
    co_return base::failure_of(vetted);
  }
  HostOptions options = std::move(*vetted);
  options.on_fault = [weak = std::weak_ptr(state), module](const Error& error) {
    if (const auto alive = weak.lock()) alive->fault(module, error);
  };
  ++state->entries[module].starts;
  auto started = co_await TokenHost::start(std::move(options));
  Entry& entry = state->entries[module];
  if (!started) {
    entry.last_error = started.error();
    if (started.error().code == ErrorCode::token_host_timeout && entry.faults.size() > 1)
      entry.leave_out_until = Clock::now() + leave_out_after_timeout;
    co_return base::failure_of(started);
  }
  if (state->abandoned) co_return base::failure(ErrorCode::token_host_died, "the modules were let go");
  entry.last_error.reset();
  entry.leave_out_until = {};
  entry.host = *started;
  watch(state, module);
  co_return std::move(*started);
}

// A module that is not wanted any more is not started for whoever still means its token: it may have been plugged in just now,
// or it is gone.
asio::awaitable<Result<std::shared_ptr<TokenHost>>> host_of_wanted(std::shared_ptr<State> state, std::size_t module) {
  const auto refused = [&] {
    const Entry& entry = state->entries[module];
    return !entry.wanted && (entry.host == nullptr || !entry.host->alive());
  };
  if (refused() && state->hooks.settled) co_await state->hooks.settled();
  if (refused()) co_return base::failure(ErrorCode::token_removed, "its token is not plugged in");
  co_return co_await host_of(state, module);
}

asio::awaitable<void> end_one(std::shared_ptr<State> state, std::size_t module) {
  co_await state->wait_for_turn();
  const Turn turn(state);
  if (const auto host = std::exchange(state->entries[module].host, nullptr)) co_await host->end();
}

asio::awaitable<void> restart_one(std::shared_ptr<State> state, std::size_t module) {
  co_await end_one(state, module);
  state->forget_faults(module);
}

asio::awaitable<Result<std::shared_ptr<TokenHost>>> start_one_apart(std::shared_ptr<State> state, std::size_t module,
                                                                    HostPurpose purpose) {
  co_await state->wait_for_turn();
  if (state->abandoned) co_return base::failure(ErrorCode::token_host_died, "the modules were let go");
  const Turn turn(state);
  auto options = state->host_options(module);
  if (!options) co_return base::failure_of(options);
  options->purpose = purpose;
  co_return co_await TokenHost::start(std::move(*options));
}

asio::awaitable<void> end_every(std::shared_ptr<State> state) {
  for (std::size_t module = 0; module < state->entries.size(); ++module) co_await end_one(state, module);
}

asio::awaitable<Result<std::vector<Token>>> probe_one(std::shared_ptr<State> state, ModuleOptions module) {
  co_await state->wait_for_turn();
  if (state->abandoned) co_return base::failure(ErrorCode::token_host_died, "the modules were let go");
  const Turn turn(state);
  auto options = state->host_options(module);
  if (!options) co_return base::failure_of(options);
  auto host = co_await TokenHost::start(std::move(*options));
  if (!host) co_return base::failure_of(host);
  auto tokens = co_await (*host)->tokens();
  co_await (*host)->end();
  co_return tokens;
}

// The modules that tokens are asked of, in the order in which they are believed.
std::vector<std::size_t> by_quirks(const State& state) {
  std::vector<std::size_t> modules;
  for (std::size_t module = 0; module < state.entries.size(); ++module) {
    const Entry& entry = state.entries[module];
    if (entry.wanted && Clock::now() >= entry.leave_out_until) modules.push_back(module);
  }
  std::ranges::sort(modules, {}, [&](std::size_t module) { return std::pair(state.options[module].quirks, module); });
  return modules;
}

asio::awaitable<std::vector<base::Bytes>> certificates_of(std::shared_ptr<State> state, TokenPlace place) {
  std::vector<base::Bytes> ders;
  const auto host = co_await host_of(state, place.module);
  if (!host) co_return ders;
  auto certificates = co_await (*host)->certificates(place.token.slot_id);
  if (!certificates) co_return ders;
  for (TokenCertificate& certificate : *certificates) ders.push_back(std::move(certificate.der));
  co_return ders;
}

// Two modules that serve one token would show its certificates twice and spend its PIN tries twice as fast. They may tell another
// manufacturer or label, and write the serial number in another way: then the certificates decide, which are read only where it
// comes to that. One module may show a card several times, by a slot with a label of its own for each of the card's PINs: these
// are apart, and another module's slot is the same as the one that has its certificates.
asio::awaitable<bool> same_token(std::shared_ptr<State> state, const TokenPlace& known, const TokenPlace& place) {
  const bool same_serial = known.token.serial == place.token.serial;
  const bool same_card = same_serial && !place.token.serial.empty() && known.token.manufacturer == place.token.manufacturer;
  if (same_card && known.token.label == place.token.label) co_return true;
  if (known.module == place.module) co_return false;
  const bool same_slot = !place.token.slot.empty() && known.token.slot == place.token.slot;
  if (!same_serial && !same_slot && !known.token.serial.empty() && !place.token.serial.empty()) co_return false;
  const auto one = co_await certificates_of(state, known);
  const auto other = co_await certificates_of(state, place);
  if (same_card && other.empty()) co_return true;  // it has nothing to sign with
  co_return std::ranges::any_of(one, [&](const base::Bytes& der) { return std::ranges::find(other, der) != other.end(); });
}

asio::awaitable<std::vector<TokenPlace>> list(std::shared_ptr<State> state) {
  std::vector<TokenPlace> places;
  if (state->hooks.settled) co_await state->hooks.settled();
  for (const std::size_t module : by_quirks(*state)) {
    Result<std::vector<Token>> tokens;
    bool was_running = false;
    // A module that hung over a token that was pulled out, or a host that had died unnoticed: another host tells what is there.
    const auto again = [&](const Error& error) {
      return ended_on_purpose(error) || error.code == ErrorCode::token_removed ||
             (was_running && error.code == ErrorCode::token_host_died);
    };
    for (int asked = 0; asked == 0 || (asked < most_hosts_asked && !tokens && again(tokens.error())); ++asked) {
      const unsigned starts = state->entries[module].starts;
      const auto host = co_await host_of(state, module);
      was_running = state->entries[module].starts == starts;
      tokens = host ? co_await (*host)->tokens() : Result<std::vector<Token>>(std::unexpected(host.error()));
    }
    if (!tokens) {
      // The error of one that is stopped tells of the last fault already.
      if (!state->entries[module].stopped) state->entries[module].last_error = tokens.error();
      continue;
    }
    for (const Token& token : *tokens) {
      const TokenPlace place{module, token};
      bool known = false;
      for (std::size_t i = 0; i < places.size() && !known; ++i) known = co_await same_token(state, places[i], place);
      if (!known) places.push_back(place);
    }
  }
  co_return places;
}

}  // namespace

class Modules::Implementation {
 public:
  std::shared_ptr<State> state;
};

Modules::Modules(asio::any_io_executor executor, HostOptions host, std::vector<ModuleOptions> modules, FaultPolicy faults)
    : implementation_(new Implementation{std::make_shared<State>(executor, std::move(host), std::move(modules), faults)}) {}

Modules::~Modules() {
  State& state = *implementation_->state;
  state.abandoned = true;
  state.on_change = {};
  for (Entry& entry : state.entries) entry.host.reset();
}

void Modules::hook(ModuleHooks hooks) { implementation_->state->hooks = std::move(hooks); }

std::optional<Error> Modules::why_none() const {
  const auto& why = implementation_->state->hooks.why_none;
  return why ? why() : std::nullopt;
}

std::size_t Modules::add(ModuleOptions options) {
  State& state = *implementation_->state;
  const auto known = std::ranges::find(state.options, options.path, &ModuleOptions::path);
  if (known != state.options.end()) return static_cast<std::size_t>(known - state.options.begin());
  state.options.push_back(std::move(options));
  state.entries.emplace_back();
  return state.entries.size() - 1;
}

void Modules::want(std::size_t module, bool wanted) { implementation_->state->entries[module].wanted = wanted; }

const std::vector<ModuleOptions>& Modules::options() const { return implementation_->state->options; }

std::vector<ModuleState> Modules::states() const {
  std::vector<ModuleState> states;
  for (std::size_t i = 0; i < options().size(); ++i) {
    const Entry& entry = implementation_->state->entries[i];
    const bool running = entry.host != nullptr && entry.host->alive();
    const auto recent = std::ranges::count_if(
        entry.faults, [&](Clock::time_point time) { return Clock::now() - time <= implementation_->state->policy.period; });
    states.push_back({options()[i].name, running, running ? entry.host->process_id() : 0, entry.last_error, entry.wanted,
                      i < implementation_->state->configured, entry.starts, static_cast<unsigned>(recent), entry.stopped,
                      running ? entry.host->in_call() : std::string()});
  }
  return states;
}

asio::awaitable<Result<std::shared_ptr<TokenHost>>> Modules::host(std::size_t module) {
  return host_of_wanted(implementation_->state, module);
}
asio::awaitable<std::vector<TokenPlace>> Modules::tokens() { return list(implementation_->state); }
asio::awaitable<Result<std::vector<Token>>> Modules::probe(ModuleOptions options) {
  return probe_one(implementation_->state, std::move(options));
}
asio::awaitable<bool> Modules::card_held() {
  return pkcs11::card_held(implementation_->state->turn.get_executor(), implementation_->state->host.program);
}
asio::awaitable<Result<std::shared_ptr<TokenHost>>> Modules::start_apart(std::size_t module, HostPurpose purpose) {
  return start_one_apart(implementation_->state, module, purpose);
}
asio::awaitable<void> Modules::end_host(std::size_t module) { return end_one(implementation_->state, module); }
asio::awaitable<void> Modules::restart(std::size_t module) { return restart_one(implementation_->state, module); }
void Modules::forgive(std::size_t module) {
  const auto& host = implementation_->state->entries[module].host;
  if (host == nullptr || !host->alive()) implementation_->state->forgive(module);
}
asio::awaitable<void> Modules::end_all() { return end_every(implementation_->state); }
void Modules::token_pulled(std::size_t module, bool others_remain) const {
  const auto& host = implementation_->state->entries[module].host;
  if (host != nullptr && host->alive()) host->token_pulled(others_remain);
  if (!others_remain) implementation_->state->tell(module, Change::pulled);
}
void Modules::look_again() const {
  const auto state = implementation_->state;
  for (std::size_t module = 0; module < state->entries.size(); ++module) {
    const auto& host = state->entries[module].host;
    if (host != nullptr && host->alive() && !host->waits_for_events()) state->tell(module, Change::device);
  }
}
void Modules::on_change(std::function<void(std::size_t, Change)> callback) {
  implementation_->state->on_change.push_back(std::move(callback));
}

}  // namespace signet::pkcs11
