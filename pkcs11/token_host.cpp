#include "pkcs11/token_host.hpp"

#include <boost/asio/this_coro.hpp>
#include <cerrno>

#include "base/text.hpp"
#include "connection.hpp"

namespace signet::pkcs11 {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;
using base::Result;
using wire::Kind;
using wire::Reader;
using wire::Writer;

class TokenHost::Implementation {
 public:
  std::shared_ptr<Connection> connection;
};

namespace {

constexpr std::size_t shown_text = wire::max_shown_text;
constexpr std::uint64_t ckr_user_not_logged_in = 0x101;  // PKCS#11's; its header is the host's

// The PIN is copied when the call is made, not when its coroutine first runs: by then the caller's may be wiped.
using PinCopy = Result<std::optional<base::Secret>>;

PinCopy copy_of(const base::Secret* pin) {
  if (pin == nullptr) return std::optional<base::Secret>();
  if (pin->empty()) return base::failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
  auto copy = base::Secret::copy_of(pin->bytes());
  if (!copy) return base::failure_of(copy);
  return std::optional(std::move(*copy));
}

// What the host answered, if it is well-formed to the last byte; the host is killed if not.
template <class Read>
auto parsed(Connection& connection, Result<base::Bytes>& payload, Read read) -> Result<decltype(read(std::declval<Reader&>()))> {
  if (!payload) return base::failure_of(payload);
  Reader reader(*payload);
  if (auto error = wire::read_error(reader)) {
    error->detail = base::shown(error->detail, 2 * shown_text);
    if (reader.complete()) return std::unexpected(std::move(*error));
    reader.refuse();
  }
  auto value = read(reader);
  if (reader.complete()) return value;
  connection.bad_frame("a reply");
  return base::failure(ErrorCode::token_host_died, "the host wrote what is no reply");
}

Token read_shown_token(const Connection& connection, Reader& reader) {
  Token token = wire::read_token(reader);
  for (std::string* text : {&token.label, &token.manufacturer, &token.model, &token.serial, &token.slot})
    *text = base::shown(*text, shown_text);
  if (const auto& know_better = connection.options().know_better; know_better && reader.good()) know_better(token);
  if (token.quirks.pin_min != 0) token.pin_min = token.quirks.pin_min;
  if (token.quirks.pin_max != 0) token.pin_max = token.quirks.pin_max;
  return token;
}

base::Bytes slot_payload(std::uint64_t slot_id) {
  base::Bytes payload;
  Writer(payload).integer(slot_id);
  return payload;
}

base::Bytes slot_payload(std::uint64_t slot_id, const TokenQuirks& quirks) {
  base::Bytes payload = slot_payload(slot_id);
  Writer writer(payload);
  write(writer, quirks);
  return payload;
}

asio::awaitable<Result<std::vector<Token>>> list_tokens(std::shared_ptr<Connection> connection) {
  auto reply = co_await Connection::call(connection, Kind::tokens, {}, {}, connection->options().list_timeout);
  auto listed = parsed(*connection, reply.payload, [&](Reader& reader) {
    const auto count = reader.integer<std::uint16_t>();
    if (count > wire::max_slots) reader.refuse();
    std::vector<Token> tokens;
    for (std::size_t i = 0; i < count && reader.good(); ++i) tokens.push_back(read_shown_token(*connection, reader));
    return tokens;
  });
  if (!listed) co_return listed;
  std::vector<std::string> slots;
  for (const Token& token : *listed) {
    if (!token.slot.empty()) slots.push_back(token.slot);
  }
  connection->listed(std::move(slots));
  co_return listed;
}

asio::awaitable<Result<std::vector<TokenCertificate>>> list_certificates(std::shared_ptr<Connection> connection,
                                                                         std::uint64_t slot_id) {
  auto reply =
      co_await Connection::call(connection, Kind::certificates, slot_payload(slot_id), {}, connection->options().list_timeout);
  co_return parsed(*connection, reply.payload, [](Reader& reader) {
    const auto count = reader.integer<std::uint16_t>();
    if (count > wire::max_certificates) reader.refuse();
    std::vector<TokenCertificate> certificates;
    for (std::size_t i = 0; i < count && reader.good(); ++i) {
      TokenCertificate certificate;
      const base::BytesView cka_id = reader.bytes(wire::max_cka_id);
      certificate.cka_id.assign(cka_id.begin(), cka_id.end());
      certificate.label = base::shown(reader.text(), shown_text);
      const base::BytesView der = reader.bytes(wire::max_certificate_size);
      certificate.der.assign(der.begin(), der.end());
      certificates.push_back(std::move(certificate));
    }
    return certificates;
  });
}

asio::awaitable<Result<TokenHost::Login>> log_in(std::shared_ptr<Connection> connection, wire::PinTarget target, PinCopy pin) {
  if (!pin) co_return base::failure_of(pin);
  const auto timeout = *pin ? connection->options().login_timeout : connection->options().pin_pad_timeout;
  base::Bytes payload;
  Writer writer(payload);
  write(writer, target);
  auto reply = co_await Connection::call(connection, Kind::login, std::move(payload), std::move(*pin), timeout);
  if (!reply.payload) co_return base::failure_of(reply.payload);
  Reader reader(*reply.payload);
  TokenHost::Login login;
  login.error = wire::read_error(reader);
  if (login.error) login.error->detail = base::shown(login.error->detail, 2 * shown_text);
  login.token = read_shown_token(*connection, reader);
  if (reader.complete()) co_return login;
  connection->bad_frame("a reply");
  co_return base::failure(ErrorCode::token_host_died, "the host wrote what is no reply");
}

asio::awaitable<Result<void>> log_out(std::shared_ptr<Connection> connection, std::uint64_t slot_id) {
  auto reply = co_await Connection::call(connection, Kind::logout, slot_payload(slot_id), {}, connection->options().call_timeout);
  auto done = parsed(*connection, reply.payload, [](Reader&) { return true; });
  if (!done) co_return base::failure_of(done);
  co_return Result<void>();
}

// Both in one locked page, copied when the call is made.
struct PinPair {
  std::optional<base::Secret> secrets;
  std::uint16_t first_size = 0;
};

Result<PinPair> pair_of(const base::Secret* first, const base::Secret* second) {
  if (first == nullptr && second == nullptr) return PinPair{};
  if (first == nullptr || second == nullptr || first->empty() || second->empty())
    return base::failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
  const std::size_t size = first->bytes().size() + second->bytes().size();
  if (size > base::Secret::capacity) return base::failure(ErrorCode::pin_length, "longer than any PIN");
  auto both = base::Secret::make();
  if (!both) return base::failure_of(both);
  const auto rest = std::ranges::copy(first->bytes(), both->buffer().begin()).out;
  std::ranges::copy(second->bytes(), rest);
  both->resize(size);
  return PinPair{std::move(*both), static_cast<std::uint16_t>(first->bytes().size())};
}

asio::awaitable<Result<TokenHost::Login>> set_pin(std::shared_ptr<Connection> connection, Kind kind, wire::PinRequest request,
                                                  Result<PinPair> pins) {
  if (!pins) co_return base::failure_of(pins);
  if (!connection->alive()) co_return base::failure(ErrorCode::token_host_died, "the host is gone; no PIN was presented");
  request.first_size = pins->first_size;
  base::Bytes payload;
  Writer writer(payload);
  write(writer, request);
  const auto timeout = pins->secrets ? connection->options().login_timeout : connection->options().pin_pad_timeout;
  auto reply = co_await Connection::call(connection, kind, std::move(payload), std::move(pins->secrets), timeout);
  const auto unknown = [](std::string detail) { return base::failure(ErrorCode::pin_unknown, std::move(detail)); };
  if (!reply.payload && !reply.pin_presented) co_return base::failure_of(reply.payload);
  if (!reply.payload) co_return unknown(reply.payload.error().detail);
  Reader reader(*reply.payload);
  TokenHost::Login done;
  done.error = wire::read_error(reader);
  if (done.error) done.error->detail = base::shown(done.error->detail, 2 * shown_text);
  done.token = read_shown_token(*connection, reader);
  if (reader.complete()) co_return done;
  connection->bad_frame("a reply");
  co_return unknown("the host wrote what is no reply");
}

asio::awaitable<Result<Key>> find_key(std::shared_ptr<Connection> connection, base::Bytes payload, base::Bytes cka_id) {
  if (cka_id.size() > wire::max_cka_id)
    co_return base::failure(ErrorCode::certificate_not_found, "no token has so long a CKA_ID");
  Writer(payload).bytes(cka_id);
  auto reply = co_await Connection::call(connection, Kind::key, std::move(payload), {}, connection->options().call_timeout);
  co_return parsed(*connection, reply.payload, [](Reader& reader) {
    Key key;
    key.number = reader.integer<std::uint32_t>();
    const auto kind = reader.integer<std::uint8_t>();
    if (kind > static_cast<std::uint8_t>(KeyKind::ec)) reader.refuse();
    key.kind = static_cast<KeyKind>(kind);
    key.always_authenticate = reader.boolean();
    key.pss_offered = reader.boolean();
    return key;
  });
}

asio::awaitable<Result<SignedChunk>> sign_chunk(std::shared_ptr<Connection> connection, Key key, Mechanism mechanism,
                                                std::vector<base::Digest> digests, PinCopy pin) {
  if (!pin) co_return base::failure_of(pin);
  if (digests.size() > TokenHost::max_chunk)
    co_return base::failure(ErrorCode::batch_too_large, "more digests than a chunk holds");
  base::Bytes payload;
  payload.reserve(16 + digests.size() * 65);
  Writer writer(payload);
  write(writer, wire::SignRequest{key.number, mechanism, digests});
  // Without a PIN an always-authenticate key waits for a person at the reader's PIN pad, each time.
  const auto timeout =
      key.always_authenticate && !*pin ? connection->options().pin_pad_timeout : connection->options().sign_timeout;
  auto reply = co_await Connection::call(connection, Kind::sign, std::move(payload), std::move(*pin), timeout, digests.size());

  SignedChunk chunk{std::move(reply.signatures_so_far), std::nullopt};
  if (!reply.payload) {
    if (chunk.signatures.empty()) co_return base::failure_of(reply.payload);
    chunk.error = std::move(reply.payload.error());
    co_return chunk;
  }
  const std::size_t good = chunk.signatures.size();
  Reader reader(*reply.payload);
  chunk.error = wire::read_error(reader);
  if (chunk.error) chunk.error->detail = base::shown(chunk.error->detail, 2 * shown_text);
  std::ranges::move(wire::read_signatures(reader), std::back_inserter(chunk.signatures));
  const bool fits = chunk.error ? chunk.signatures.size() < digests.size() : chunk.signatures.size() == digests.size();
  if (reader.complete() && (fits || digests.empty())) co_return chunk;
  connection->bad_frame("signatures");
  const Error error{ErrorCode::token_host_died, "the host wrote what is no reply", 0};
  if (good == 0) co_return std::unexpected(error);
  chunk.signatures.resize(good);
  chunk.error = error;
  co_return chunk;
}

}  // namespace

TokenHost::TokenHost(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}

TokenHost::~TokenHost() {
  implementation_->connection->forget_callbacks();
  implementation_->connection->ask_to_end({ErrorCode::token_host_died, "the host was let go", 0});
}

asio::awaitable<Result<std::shared_ptr<TokenHost>>> TokenHost::start(HostOptions options) {
  auto connection = Connection::spawn(co_await asio::this_coro::executor, options);
  if (!connection) co_return base::failure_of(connection);
  // Owned from here on, so that a start that is dropped half-way ends the process.
  auto implementation = std::make_unique<Implementation>();
  implementation->connection = *connection;
  std::shared_ptr<TokenHost> host(new TokenHost(std::move(implementation)));

  auto reply = co_await Connection::call(*connection, Kind::load, {}, {}, options.load_timeout);
  auto loaded = parsed(**connection, reply.payload, [](Reader&) { return true; });
  if (loaded) co_return host;
  Error error = std::move(loaded.error());
  // The loader's reason begins with the path.
  const std::string& file = (*connection)->file();
  const std::string& name = (*connection)->options().name;
  for (std::size_t at = 0; (at = error.detail.find(file, at)) != std::string::npos; at += name.size())
    error.detail.replace(at, file.size(), name);
  if (error.code == ErrorCode::token_host_died) error.code = ErrorCode::module_failed;  // its module made it die
  co_await Connection::wait_for_end(*connection);
  co_return std::unexpected(std::move(error));
}

void TokenHost::token_pulled(bool others_remain) { implementation_->connection->token_pulled(others_remain); }
bool TokenHost::alive() const { return implementation_->connection->alive(); }
int TokenHost::process_id() const { return implementation_->connection->process_id(); }
std::string TokenHost::in_call() const { return std::string(implementation_->connection->in_call()); }
bool TokenHost::waits_for_events() const { return implementation_->connection->waits_for_events(); }
void TokenHost::on_event(std::function<void(SlotEvent)> callback) { implementation_->connection->on_event(std::move(callback)); }
void TokenHost::on_end(std::function<void(Error)> callback) { implementation_->connection->on_end(std::move(callback)); }

// None of these is itself a coroutine: one that has not begun to run would still need this object, and the caller's PIN.

asio::awaitable<Result<std::vector<Token>>> TokenHost::tokens() { return list_tokens(implementation_->connection); }

asio::awaitable<Result<std::vector<TokenCertificate>>> TokenHost::certificates(std::uint64_t slot_id) {
  return list_certificates(implementation_->connection, slot_id);
}

asio::awaitable<Result<TokenHost::Login>> TokenHost::login(const Token& token, const base::Secret* pin) {
  return log_in(implementation_->connection, wire::target_of(token), copy_of(pin));
}

asio::awaitable<Result<void>> TokenHost::logout(std::uint64_t slot_id) { return log_out(implementation_->connection, slot_id); }

asio::awaitable<Result<TokenHost::Login>> TokenHost::change_pin(const Token& token, const base::Secret* old_pin,
                                                                const base::Secret* new_pin) {
  return set_pin(implementation_->connection, Kind::change_pin, {.target = wire::target_of(token)}, pair_of(old_pin, new_pin));
}

asio::awaitable<Result<TokenHost::Login>> TokenHost::unblock_pin(const Token& token, UnblockWay way,
                                                                 const base::Secret* puk_or_so_pin, const base::Secret* new_pin) {
  return set_pin(implementation_->connection, Kind::unblock_pin, {.target = wire::target_of(token), .way = way},
                 pair_of(puk_or_so_pin, new_pin));
}

asio::awaitable<Result<Key>> TokenHost::key(std::uint64_t slot_id, base::Bytes cka_id, const TokenQuirks& quirks) {
  return find_key(implementation_->connection, slot_payload(slot_id, quirks), std::move(cka_id));
}

asio::awaitable<Result<SignedChunk>> TokenHost::sign(Key key, Mechanism mechanism, std::vector<base::Digest> digests,
                                                     const base::Secret* context_pin) {
  return sign_chunk(implementation_->connection, key, mechanism, std::move(digests), copy_of(context_pin));
}

bool ended_on_purpose(const Error& error) { return error.code == ErrorCode::token_host_died && error.origin == ECANCELED; }

bool logged_out(const Error& error) { return error.code == ErrorCode::token_failed && error.origin == ckr_user_not_logged_in; }

asio::awaitable<void> TokenHost::end() {
  implementation_->connection->ask_to_end({ErrorCode::token_host_died, "the host was ended", ECANCELED});
  return Connection::wait_for_end(implementation_->connection);
}

}  // namespace signet::pkcs11
