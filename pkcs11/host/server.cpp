#include "host/server.hpp"

#include <chrono>
#include <set>
#include <thread>
#include <utility>

#include "host/calls.hpp"
#include "host/events.hpp"
#include "host/readers.hpp"
#include "host/signing_loop.hpp"

namespace signet::pkcs11::host {
namespace {

using Clock = std::chrono::steady_clock;
using wire::Kind;
using wire::Reader;
using wire::Writer;

// A slow token's signatures are sent one by one, so that none is lost and the agent sees it working; a fast one's together.
constexpr auto send_so_far_after = std::chrono::milliseconds(250);
constexpr auto look_for_hang_up_after = std::chrono::milliseconds(20);
// Who waits for a card looks each 100 ms whether it is free (pcscd: PCSCLITE_LOCK_POLL_RATE), and between two signatures it is so
// for less than one: without a pause others would have to wait for the end of a batch. This one costs 1.2 in 100.
constexpr auto others_wait = std::chrono::seconds(10);
constexpr auto others_turn = std::chrono::milliseconds(120);

class Server {
 public:
  Server(Module& module, Channel& channel, WearLimits wear, HostPurpose purpose)
      : module_(module), channel_(channel), wear_(wear), purpose_(purpose), sessions_(module) {}

  // The answer: the readers of tokens that somebody was logged in to.
  std::set<std::string> run() {
    bool going_on = true;
    while (going_on) {
      const auto request = channel_.next();
      if (!request) break;
      going_on = answer(*request);
      channel_.wipe_pin();
      // Not before: in its first wait a module looks at each card, and who asked first would stand behind that.
      if (going_on && !std::exchange(watching_, true)) watch_slots(module_.functions(), channel_);
    }
    sessions_.logout_all();
    return logged_in_.all();
  }

 private:
  // False: the host is to end.
  bool answer(const Request& request) {
    reply_.clear();
    ends_ = false;
    Reader reader(request.payload);
    if (!dispatch(request, reader)) return false;
    // Between logins a fresh process costs nobody anything.
    if (!ends_ && sessions_.state() == Module::Sessions::none && is_worn_out()) ends_ = true;
    return channel_.send({.request = request.header.request, .kind = request.header.kind, .host_ends = ends_}, reply_) && !ends_;
  }

  bool dispatch(const Request& request, Reader& reader) {
    switch (request.header.kind) {
      case Kind::tokens:
        return tokens(reader);
      case Kind::certificates:
        return certificates(reader);
      case Kind::login:
        return login(reader);
      case Kind::logout:
        return logout(reader);
      case Kind::key:
        return key(reader);
      case Kind::sign:
        return sign(request, reader);
      case Kind::change_pin:
      case Kind::unblock_pin:
        return set_pin(request, reader);
      default:
        return false;
    }
  }

  bool is_worn_out() {
    const SelfEnd why = worn_out(wear_);
    if (why != SelfEnd::none) note_self_end(why);
    return why != SelfEnd::none;
  }

  void put(const std::optional<Failure>& failure) {
    Writer writer(reply_);
    write(writer, failure ? std::optional(failure->error) : std::nullopt);
    ends_ = failure && failure->ends_host;
  }
  template <class T>
  void put(const Outcome<T>& outcome) {
    put(outcome ? std::nullopt : std::optional(outcome.error()));
  }

  bool tokens(Reader& reader) {
    if (!reader.complete()) return false;
    const auto tokens = module_.tokens();
    put(tokens);
    if (!tokens) return true;
    Writer writer(reply_);
    writer.integer(static_cast<std::uint16_t>(tokens->size()));
    for (const Token& token : *tokens) write(writer, token);
    return true;
  }

  bool certificates(Reader& reader) {
    const auto slot = reader.integer<std::uint64_t>();
    if (!reader.complete()) return false;
    const auto certificates = module_.certificates(slot, sessions_.state());
    put(certificates);
    if (!certificates) return true;
    Writer writer(reply_);
    writer.integer(static_cast<std::uint16_t>(certificates->size()));
    for (const TokenCertificate& certificate : *certificates) {
      writer.bytes(certificate.cka_id);
      writer.text(certificate.label);
      writer.bytes(certificate.der);
    }
    return true;
  }

  bool login(Reader& reader) {
    const wire::PinTarget target = wire::read_pin_target(reader);
    if (!reader.complete()) return false;
    const auto done = sessions_.login(target, channel_.pin());
    channel_.wipe_pin();
    put(done);
    const Token token = put_token(target.slot_id);
    if (done) note_login(token);
    return true;
  }

  void note_login(const Token& token) {
    if (!token.slot.empty()) logged_in_.add(token.slot);
    let_others_ = Clock::now();
  }

  // Read again after a try: PIN_COUNT_LOW, FINAL_TRY and LOCKED tell the person what the next one costs.
  Token put_token(CK_SLOT_ID slot) {
    Token token;
    token.slot_id = slot;
    if (auto now = module_.token(slot)) token = std::move(*now);
    Writer writer(reply_);
    write(writer, token);
    return token;
  }

  bool set_pin(const Request& request, Reader& reader) {
    const base::BytesView pins = channel_.pin();
    const wire::PinRequest order = wire::read_pin_request(reader, pins.size());
    if (!reader.complete()) return false;
    const base::BytesView first = pins.first(order.first_size), new_pin = pins.subspan(order.first_size);
    const auto set = [&]() -> Outcome<void> {
      if (request.header.kind == Kind::change_pin) return sessions_.change_pin(order.target, first, new_pin);
      if (order.way == UnblockWay::puk && purpose_ != HostPurpose::unblocks_pins)
        return refused(base::ErrorCode::token_failed, "this host was not started to unblock a PIN");
      return sessions_.unblock_pin(order.target, order.way, first, new_pin);
    };
    const auto done = set();
    channel_.wipe_pin();
    put(done);
    note_login(put_token(order.target.slot_id));  // to change a PIN is to log in, and a card may take an unblocking for a login
    return true;
  }

  bool logout(Reader& reader) {
    const auto slot = reader.integer<std::uint64_t>();
    if (!reader.complete()) return false;
    put(sessions_.logout(slot));
    return true;
  }

  bool key(Reader& reader) {
    const auto slot = reader.integer<std::uint64_t>();
    const TokenQuirks quirks = wire::read_quirks(reader);
    const base::BytesView cka_id = reader.bytes(wire::max_cka_id);
    if (!reader.complete()) return false;
    const auto found = sessions_.find_key(slot, cka_id, quirks);
    put(found);
    if (!found) return true;
    Writer writer(reply_);
    writer.integer(found->number);
    for (const auto value :
         {static_cast<std::uint8_t>(found->kind), static_cast<std::uint8_t>(found->always_authenticate ? 1 : 0),
          static_cast<std::uint8_t>(found->pss_offered ? 1 : 0)})
      writer.integer(value);
    return true;
  }

  bool sign(const Request& request, Reader& reader) {
    const wire::SignRequest order = wire::read_sign_request(reader);
    if (!reader.complete()) return false;
    const OpenKey* const key = sessions_.key(order.key);
    Signed result;
    bool hung_up = false;
    bool is_worn = false;
    std::size_t made = 0;
    if (key == nullptr) {
      result.failure = Failure{
          {base::ErrorCode::token_failed, "no such key, or logged out since it was looked up", CKR_USER_NOT_LOGGED_IN}, false};
    } else {
      Clock::time_point sent = Clock::now();
      Clock::time_point looked = sent;
      const auto between = [&](std::vector<base::Bytes>& so_far) {
        const Clock::time_point now = Clock::now();
        ++made;
        if (now - looked >= look_for_hang_up_after) {
          looked = now;
          hung_up = channel_.agent_hung_up();
          is_worn = !hung_up && made < order.digests.size() && is_worn_out();
        }
        if (!hung_up && now - sent >= send_so_far_after) {
          sent = now;
          base::Bytes payload;
          Writer writer(payload);
          write(writer, so_far);
          so_far.clear();
          hung_up = !channel_.send({.request = request.header.request, .kind = Kind::signatures_so_far}, payload);
        }
        if (!hung_up && now - let_others_ >= others_wait) {
          if (logged_in_.any()) std::this_thread::sleep_for(others_turn);
          let_others_ = Clock::now();
        }
        return !hung_up && !is_worn;
      };
      result = sign_each(module_.functions(), *key, order, channel_.pin(), between);
    }
    if (hung_up) return false;
    // What was signed so far goes with it, and whoever signs goes on with a fresh host.
    if (is_worn && !result.failure)
      result.failure = Failure{{base::ErrorCode::token_host_died, "the module has gathered too much, and is loaded anew"}, true};
    put(result.failure);
    Writer writer(reply_);
    write(writer, result.signatures);
    return true;
  }

  Module& module_;
  Channel& channel_;
  WearLimits wear_;
  HostPurpose purpose_;
  Sessions sessions_;
  base::Bytes reply_;
  bool ends_ = false;
  bool watching_ = false;
  ReadersInUse logged_in_;  // where there is one, other programs may wait for the card
  Clock::time_point let_others_;
};

}  // namespace

std::set<std::string> serve(Module& module, Channel& channel, WearLimits wear, HostPurpose purpose) {
  return Server(module, channel, wear, purpose).run();
}

}  // namespace signet::pkcs11::host
