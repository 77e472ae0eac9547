#include "signing/pin_management.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "wait.hpp"

namespace signet::signing {

using base::ErrorCode;
using base::failure;
using boost::asio::awaitable;
using pkcs11::TokenPlace;
using pkcs11::UnblockWay;
using LastTry = PinEntryRequest::LastTry;
using Task = PinEntryRequest::Task;

namespace {

constexpr std::size_t journal_bytes = 400;

base::Result<TokenPlace> chosen(const std::vector<TokenPlace>& places, const std::string& wanted) {
  std::vector<TokenPlace> fitting;
  std::ranges::copy_if(places, std::back_inserter(fitting), [&](const TokenPlace& place) {
    return wanted.empty() || place.token.serial == wanted || place.token.label == wanted;
  });
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty())
    return failure(ErrorCode::no_token, wanted.empty() ? "no token is there" : "no token of this name is there");
  std::string names;
  for (const TokenPlace& place : fitting)
    names += (names.empty() ? "" : ", ") + base::shown(place.token.serial, 40) + " (" + base::shown(place.token.label, 40) + ")";
  return failure(ErrorCode::parameter_invalid, "token: several fit: " + names);
}

bool same_token(const pkcs11::Token& one, const pkcs11::Token& other) {
  return one.serial == other.serial && one.manufacturer == other.manufacturer && one.label == other.label;
}

std::optional<base::Error> locked(const pkcs11::Token& token, Task task) {
  if (task == Task::change && token.pin_locked)
    return base::Error{ErrorCode::pin_locked, "the token says so: `signet pin unblock`", 0, 0};
  if (task != Task::change && token.puk_locked) return base::Error{ErrorCode::puk_locked, "the token says so", 0, 0};
  return std::nullopt;
}

// What is left to try, where the token tells.
base::Error told(base::Error error, const pkcs11::Token& token) {
  const auto sharpen = [&](ErrorCode incorrect, ErrorCode locked, bool is_locked, bool final_try) {
    if (error.code == incorrect && is_locked) error.code = locked;
    if (error.code == incorrect && final_try) error.tries_left = 1;
    if (error.code == locked) error.tries_left = 0;
  };
  sharpen(ErrorCode::pin_incorrect, ErrorCode::pin_locked, token.pin_locked, token.pin_final_try);
  sharpen(ErrorCode::puk_incorrect, ErrorCode::puk_locked, token.puk_locked, token.puk_final_try);
  return error;
}

// A wrong guess would cost a try that nobody gets back: where it is not known, neither is asked for.
base::Result<Task> unblocking(const pkcs11::Token& token) {
  if (token.unblock == UnblockWay::puk) return Task::unblock_by_puk;
  if (token.unblock == UnblockWay::so_pin) return Task::unblock_by_so_pin;
  const std::string tool = token.vendor_tool.empty() ? std::string() : ": " + base::shown(token.vendor_tool, 60);
  if (token.unblock) return failure(ErrorCode::mechanism_unsupported, "only the vendor's own program unblocks this token" + tool);
  return failure(ErrorCode::unblock_unknown, "neither the configuration (modules.unblock) nor the catalogue says how" + tool);
}

std::string_view event_of(Task task, const std::optional<base::Error>& error) {
  if (!error) return task == Task::change ? "pin-changed" : "pin-unblocked";
  switch (error->code) {
    case ErrorCode::pin_incorrect:
    case ErrorCode::pin_locked:
      return "pin-refused";
    case ErrorCode::puk_incorrect:
    case ErrorCode::puk_locked:
      return "puk-refused";
    case ErrorCode::pin_unknown:
      return "pin-unknown";
    default:
      return "pin-not-set";
  }
}

}  // namespace

class PinManagement::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(boost::asio::any_io_executor executor, PinPorts ports)
      : ports_(std::move(ports)), changed_(std::move(executor)) {}

  enum class Wanted : std::uint8_t { change, unblock };
  awaitable<base::Result<pkcs11::Token>> set(Wanted wanted, Asker asker, std::string token, std::optional<GivenPins> given,
                                             Dialog::WaitingCallback waiting);
  void lock(const base::Error& reason) {
    for (const Asker& asker : asked_) {
      closed_.insert_or_assign(asker, reason);
      ports_.dialog.close(asker);
    }
  }
  awaitable<void> idle();
  awaitable<void> stop();

 private:
  using Outcome = base::Result<pkcs11::TokenHost::Login>;
  enum class Brought : std::uint8_t { nothing, pins };  // by the command

  LastTry last_try(Task task, const pkcs11::Token& token) const;
  awaitable<base::Result<PinEntry>> entered(Task task, LastTry last, Asker asker, TokenPlace place,
                                            std::optional<GivenPins> given, Dialog::WaitingCallback waiting);
  awaitable<Outcome> present(Task task, LastTry confirmed, Brought brought, TokenPlace place, PinEntry entry);
  void record(Task task, const TokenPlace& place, const std::optional<base::Error>& error);

  PinPorts ports_;
  Signal changed_;
  // As for a batch: what a command brings needs no screen, and nothing is begun that sleep would cut.
  std::optional<base::Error> away(Brought brought) const {
    auto why = ports_.away ? ports_.away() : std::nullopt;
    if (why && why->code != ErrorCode::machine_asleep && brought == Brought::pins) why.reset();
    return why;
  }

  std::multiset<Asker> asked_;
  std::map<Asker, base::Error> closed_;           // of those, by lock()
  std::map<std::string, unsigned> refused_puks_;  // by serial number, since one was accepted: few tokens tell
  std::size_t presenting_ = 0;
  bool stopping_ = false;
};

LastTry PinManagement::Implementation::last_try(Task task, const pkcs11::Token& token) const {
  if (task == Task::change) return token.pin_final_try ? LastTry::yes : LastTry::no;
  if (token.puk_final_try) return LastTry::yes;
  return refused_puks_.contains(token.serial) ? LastTry::perhaps : LastTry::no;
}

awaitable<base::Result<PinEntry>> PinManagement::Implementation::entered(Task task, LastTry last, Asker asker, TokenPlace place,
                                                                         std::optional<GivenPins> given,
                                                                         Dialog::WaitingCallback waiting) {
  const bool on_reader = place.token.protected_authentication_path;
  if (given && on_reader) co_return failure(ErrorCode::parameter_invalid, "pin: this token's PINs are typed on its reader");
  if (given) {
    // A script that runs again and again must not be what locks a token.
    if (last != LastTry::no) co_return failure(ErrorCode::user_cancelled, "it may be the last try: a dialog must confirm it");
    co_return PinEntry{std::move(given->old_secret), std::move(given->new_pin)};
  }
  asked_.insert(asker);
  auto entry =
      co_await ports_.dialog.enter_pins({.asker = asker,
                                         .task = task,
                                         .token_label = place.token.label,
                                         .token_serial = place.token.serial,
                                         .pin_min = place.token.pin_min,
                                         .pin_max = place.token.pin_max,
                                         .where = on_reader ? PinEntryRequest::Where::reader : PinEntryRequest::Where::dialog,
                                         .last_try = last},
                                        std::move(waiting));
  asked_.extract(asker);
  const auto closed = closed_.extract(asker);
  if (!closed.empty()) co_return std::unexpected(closed.mapped());
  if (!entry) co_return entry;
  const bool both = entry->old_secret && entry->new_pin && !entry->old_secret->empty() && !entry->new_pin->empty();
  if (!both && !on_reader) co_return failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
  if (on_reader) co_return PinEntry{};
  co_return entry;
}

awaitable<PinManagement::Implementation::Outcome> PinManagement::Implementation::present(Task task, LastTry confirmed,
                                                                                         Brought brought, TokenPlace place,
                                                                                         PinEntry entry) {
  const auto purpose = task == Task::unblock_by_puk ? pkcs11::HostPurpose::unblocks_pins : pkcs11::HostPurpose::serves;
  const auto host = co_await ports_.modules.start_apart(place.module, purpose);
  if (!host) co_return std::unexpected(host.error());
  const auto set = [&](const pkcs11::Token& token) {
    const base::Secret* const old_secret = entry.old_secret ? &*entry.old_secret : nullptr;
    const base::Secret* const new_pin = entry.new_pin ? &*entry.new_pin : nullptr;
    if (task == Task::change) return (*host)->change_pin(token, old_secret, new_pin);
    return (*host)->unblock_pin(token, task == Task::unblock_by_puk ? UnblockWay::puk : UnblockWay::so_pin, old_secret, new_pin);
  };
  Outcome outcome = failure(ErrorCode::token_removed, "the token is not there any more");
  if (const auto tokens = co_await (*host)->tokens(); !tokens) {
    outcome = std::unexpected(tokens.error());
  } else if (const auto now = std::ranges::find_if(*tokens, [&](const auto& one) { return same_token(one, place.token); });
             now != tokens->end()) {
    // Minutes may have passed, and the dialog spoke of another number of tries.
    if (const auto error = locked(*now, task)) {
      outcome = std::unexpected(*error);
    } else if (last_try(task, *now) == LastTry::yes && confirmed != LastTry::yes) {
      outcome = failure(ErrorCode::card_busy, "another program has used up a try meanwhile; nothing was tried");
    } else if (auto why = away(brought)) {
      outcome = std::unexpected(std::move(*why));
    } else if (stopping_) {
      outcome = failure(ErrorCode::agent_not_running, "the agent is stopping");
    } else {
      ++presenting_;
      outcome = co_await set(*now);
      --presenting_;
    }
  }
  entry = {};
  co_await (*host)->end();
  // The ordinary one may go by what it read before: SoftHSM takes the old PIN until it is loaded anew.
  co_await ports_.modules.end_host(place.module);
  changed_.notify();
  co_return outcome;
}

void PinManagement::Implementation::record(Task task, const TokenPlace& place, const std::optional<base::Error>& error) {
  const auto digest = base::digest(base::DigestAlgorithm::sha256, base::as_bytes(place.token.serial));
  std::vector<Journal::Field> fields{{"origin", Origin::command_line().text()},
                                     {"token", base::hex(digest.bytes().first(8))},
                                     {"by", task == Task::change           ? "pin"
                                            : task == Task::unblock_by_puk ? "puk"
                                                                           : "so-pin"}};
  if (error) fields.emplace_back("reason", std::string(name(error->code)));
  (void)ports_.journal.append(ports_.now(), event_of(task, error), fields);
}

awaitable<base::Result<pkcs11::Token>> PinManagement::Implementation::set(Wanted wanted, Asker asker, std::string token,
                                                                          std::optional<GivenPins> given,
                                                                          Dialog::WaitingCallback waiting) {
  const auto self = shared_from_this();
  if (stopping_) co_return failure(ErrorCode::agent_not_running, "the agent is stopping");
  const Brought brought = given ? Brought::pins : Brought::nothing;
  if (auto why = away(brought)) co_return std::unexpected(std::move(*why));
  if (auto room = ports_.journal.reserve(journal_bytes); !room) co_return base::failure_of(room);
  const auto place = chosen(co_await ports_.modules.tokens(), token);
  if (!place) co_return std::unexpected(place.error());
  const auto task = wanted == Wanted::change ? base::Result<Task>(Task::change) : unblocking(place->token);
  if (!task) co_return std::unexpected(task.error());
  const auto turn = ports_.batches.try_take(place->module);
  if (!turn) co_return failure(ErrorCode::card_busy, "a batch is using the token");
  if (const auto error = locked(place->token, *task)) co_return std::unexpected(*error);

  const LastTry last = last_try(*task, place->token);
  auto entry = co_await entered(*task, last, std::move(asker), *place, std::move(given), std::move(waiting));
  if (!entry) co_return base::failure_of(entry);
  // One that is kept is about to be wrong, and whoever knows it shall not be logged in any more.
  co_await ports_.batches.wipe_token(place->token.serial);
  auto done = co_await present(*task, last, brought, *place, std::move(*entry));
  std::optional<base::Error> error;
  if (!done) {
    error = done.error();
  } else if (done->error) {
    error = told(*done->error, done->token);
  }
  // Where the outcome is not known a try may be spent as well.
  if (error && *task != Task::change && (error->code == ErrorCode::puk_incorrect || error->code == ErrorCode::pin_unknown))
    ++refused_puks_[place->token.serial];
  if (!error && *task != Task::change) refused_puks_.erase(place->token.serial);
  record(*task, *place, error);
  if (error) co_return std::unexpected(*error);
  co_return place->token;
}

awaitable<void> PinManagement::Implementation::stop() {
  const auto self = shared_from_this();
  stopping_ = true;
  lock({ErrorCode::agent_not_running, "the agent is stopping", 0, {}});
  co_await idle();
}

awaitable<void> PinManagement::Implementation::idle() {
  const auto self = shared_from_this();
  while (presenting_ > 0) co_await changed_.wait(std::chrono::hours{1});
}

PinManagement::PinManagement(boost::asio::any_io_executor executor, PinPorts ports)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(ports))) {}
PinManagement::~PinManagement() = default;

awaitable<base::Result<pkcs11::Token>> PinManagement::change(Asker asker, std::string token, std::optional<GivenPins> given,
                                                             Dialog::WaitingCallback waiting) {
  return implementation_->set(Implementation::Wanted::change, std::move(asker), std::move(token), std::move(given),
                              std::move(waiting));
}

awaitable<base::Result<pkcs11::Token>> PinManagement::unblock(Asker asker, std::string token, std::optional<GivenPins> given,
                                                              Dialog::WaitingCallback waiting) {
  return implementation_->set(Implementation::Wanted::unblock, std::move(asker), std::move(token), std::move(given),
                              std::move(waiting));
}

void PinManagement::lock(base::Error reason) { implementation_->lock(reason); }

awaitable<void> PinManagement::idle() { return implementation_->idle(); }

awaitable<void> PinManagement::stop() { return implementation_->stop(); }

}  // namespace signet::signing
