#include "session.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "answers.hpp"
#include "base/text.hpp"
#include "pin_descriptor.hpp"
#include "web_bridge/json.hpp"

namespace signet::web_bridge {

using base::ErrorCode;
using base::failure;
using boost::asio::awaitable;

namespace {

constexpr std::uint16_t close_other_user = 4409;
constexpr std::size_t handle_bytes = 128;  // longer than any handle: what it is not is batch_unknown
constexpr std::size_t fingerprint_digits = 64;
constexpr std::size_t client_bytes = 128;
constexpr std::size_t token_bytes = 128;  // a serial number or label: PKCS#11 has 32
constexpr std::size_t variable_bytes = 4'096;
constexpr std::size_t module_name_bytes = 256;
constexpr std::string_view variables[] = {
    "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "GPG_TTY", "TERM", "LANG"};
constexpr std::string_view nothing = "{}";

base::Result<std::string> handle_in(const RequestMessage& message) { return message.parameters.text("batch", handle_bytes); }

std::string items_json(std::size_t count) {
  std::string out;
  JsonObject(out).number("items", count);
  return out;
}

// What is signed beside the documents, and what the person sees of it, are the same.
base::Result<std::string> statement(const Parameters& parameters, std::string_view name, std::size_t most) {
  auto text = parameters.text_or_empty(name, most);
  if (text && base::shown(*text, most) != *text)
    return failure(ErrorCode::parameter_invalid, std::string(name) + ": characters that cannot be shown");
  return text;
}

base::Result<std::vector<std::string>> statements_of(const Parameters& parameters, std::string_view name, std::size_t most,
                                                     std::size_t max_bytes) {
  auto texts = parameters.texts(name, most, max_bytes);
  if (texts && std::ranges::any_of(*texts, [&](const std::string& text) { return base::shown(text, max_bytes) != text; }))
    return failure(ErrorCode::parameter_invalid, std::string(name) + ": characters that cannot be shown");
  return texts;
}

base::Result<std::vector<std::string>> commitment_types(const Parameters& parameters, const NativeLimits& limits) {
  auto types = statements_of(parameters, "commitments", limits.commitments, limits.identifier_bytes);
  if (!types) return types;
  for (std::string& type : *types) {
    if (const auto uri = xades::commitment_type_uri(type); !uri.empty()) {
      type = uri;
    } else if (type.find(':') == std::string::npos) {
      return failure(ErrorCode::parameter_invalid, "commitments: neither a known name nor a URI");
    }
  }
  return types;
}

base::Result<xades::ProductionPlace> production_place(const Parameters& parameters, const NativeLimits& limits) {
  xades::ProductionPlace place;
  const auto there = parameters.object("place");
  if (!there) return std::unexpected(there.error());
  if (!*there) return place;
  for (const auto& [name, part] : {std::pair{"place.city", &place.city},
                                   {"place.street", &place.street},
                                   {"place.state", &place.state},
                                   {"place.postal_code", &place.postal_code},
                                   {"place.country", &place.country}}) {
    auto text = statement(parameters, name, limits.statement_bytes);
    if (!text) return std::unexpected(text.error());
    *part = std::move(*text);
  }
  return place;
}

base::Result<std::optional<xades::SignaturePolicy>> signature_policy(const Parameters& parameters, const NativeLimits& limits) {
  const auto there = parameters.object("policy");
  if (!there) return std::unexpected(there.error());
  if (!*there) return std::nullopt;
  auto identifier = statement(parameters, "policy.id", limits.identifier_bytes);
  if (!identifier) return std::unexpected(identifier.error());
  if (identifier->find(':') == std::string::npos) return failure(ErrorCode::parameter_invalid, "policy.id: not a URI");
  auto location = statement(parameters, "policy.url", limits.identifier_bytes);
  if (!location) return std::unexpected(location.error());
  const auto encoded = parameters.text("policy.digest", limits.identifier_bytes);
  if (!encoded) return std::unexpected(encoded.error());
  const auto algorithm_name = parameters.text_or_empty("policy.alg", 8);
  if (!algorithm_name) return std::unexpected(algorithm_name.error());
  const auto algorithm = base::digest_algorithm(algorithm_name->empty() ? "sha256" : *algorithm_name);
  if (!algorithm || *algorithm < base::DigestAlgorithm::sha256) return failure(ErrorCode::algorithm_unknown, "policy.alg");
  const auto bytes = base::from_base64(*encoded);
  if (!bytes) return failure(ErrorCode::parameter_invalid, "policy.digest: not base64");
  const auto digest = base::Digest::of_value(*algorithm, *bytes);
  if (!digest) return failure(digest.error().code, "policy.digest");
  return xades::SignaturePolicy{std::move(*identifier), *digest, std::move(*location)};
}

base::Result<xades::Statements> statements_in(const Parameters& parameters, const NativeLimits& limits) {
  auto types = commitment_types(parameters, limits);
  if (!types) return std::unexpected(types.error());
  auto roles = statements_of(parameters, "roles", limits.roles, limits.statement_bytes);
  if (!roles) return std::unexpected(roles.error());
  auto place = production_place(parameters, limits);
  if (!place) return std::unexpected(place.error());
  auto policy = signature_policy(parameters, limits);
  if (!policy) return std::unexpected(policy.error());
  return xades::Statements{.commitment_types = std::move(*types),
                           .claimed_roles = std::move(*roles),
                           .place = std::move(*place),
                           .policy = std::move(*policy),
                           .content_time_stamp = {}};
}

base::Result<signing::BatchRequest> batch_request(const Parameters& parameters, const NativeOptions& options) {
  auto purpose = parameters.text("purpose", options.limits.purpose_bytes);
  if (!purpose) return base::failure_of(purpose);
  const auto level_name = parameters.text_or_empty("level", 8);
  if (!level_name) return std::unexpected(level_name.error());
  const auto packaging_name = parameters.text_or_empty("packaging", 16);
  if (!packaging_name) return std::unexpected(packaging_name.error());
  auto certificate = parameters.text_or_empty("certificate", fingerprint_digits);
  if (!certificate) return base::failure_of(certificate);
  const auto together = parameters.flag("together");
  if (!together) return std::unexpected(together.error());
  const auto pss = parameters.flag("pss");
  if (!pss) return std::unexpected(pss.error());

  const auto level = xades::level(level_name->empty() ? "b" : *level_name);
  // What B-LT wants beside a time stamp is gathered when a signature is verified (`signet extend`), not while a token waits.
  if (!level || *level > xades::Level::b_t) return failure(ErrorCode::parameter_invalid, "level: unknown");
  if (*level != xades::Level::b_b && options.time_stamps == NativeOptions::TimeStamps::none)
    return failure(ErrorCode::parameter_invalid, "level: no time stamp service is configured");
  const auto packaging = xades::packaging(packaging_name->empty() ? "detached" : *packaging_name);
  if (!packaging) return failure(ErrorCode::parameter_invalid, "packaging: unknown");
  auto statements = statements_in(parameters, options.limits);
  if (!statements) return std::unexpected(statements.error());
  const bool digits = std::ranges::all_of(*certificate, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!certificate->empty() && (certificate->size() != fingerprint_digits || !digits))
    return failure(ErrorCode::parameter_invalid, "certificate: not 64 hexadecimal digits");
  return signing::BatchRequest{.purpose = std::move(*purpose),
                               .certificate_id = std::move(*certificate),
                               .level = *level,
                               .packaging = *packaging,
                               .together = *together,
                               .prefer_pss = *pss,
                               .statements = std::move(*statements)};
}

}  // namespace

const Session::Method Session::methods[] = {
    {"hello", Method::For::everyone, &Session::hello},
    {"certificate.choose", Method::For::everyone, &Session::certificate_choose},
    {"batch.begin", Method::For::everyone, &Session::batch_begin},
    {"batch.items", Method::For::everyone, &Session::batch_items},
    {"batch.commit", Method::For::everyone, &Session::batch_commit},
    {"batch.acknowledge", Method::For::everyone, &Session::batch_acknowledge},
    {"batch.resume", Method::For::everyone, &Session::batch_resume},
    {"batch.cancel", Method::For::everyone, &Session::batch_cancel},
    {"batch.time_stamp", Method::For::everyone, &Session::batch_time_stamp},
    {"batch.close", Method::For::everyone, &Session::batch_close},
    {"status", Method::For::command_line, &Session::status},
    {"tokens", Method::For::command_line, &Session::tokens},
    {"tokens.watch", Method::For::command_line, &Session::tokens_watch},
    {"tokens.explain", Method::For::command_line, &Session::tokens_explain},
    {"certificates", Method::For::command_line, &Session::certificates},
    {"environment", Method::For::command_line, &Session::environment},
    {"lock", Method::For::command_line, &Session::lock},
    {"restart", Method::For::command_line, &Session::restart},
    {"pin.change", Method::For::command_line, &Session::pin_change},
    {"pin.unblock", Method::For::command_line, &Session::pin_unblock},
    {"origins", Method::For::command_line, &Session::origins},
    {"journal", Method::For::command_line, &Session::journal},
};

Session::Session(std::shared_ptr<NativeFace::State> face, std::shared_ptr<Channel> channel, Caller caller)
    : face_(std::move(face)),
      channel_(std::move(channel)),
      outbox_(std::make_shared<Outbox>(face_->executor, channel_)),
      caller_(std::move(caller)),
      number_(++face_->last_connection),
      hello_timer_(face_->executor) {}

awaitable<void> Session::run() {
  const auto self = shared_from_this();
  face_->sessions.emplace(number_, self);
  boost::asio::co_spawn(face_->executor, [outbox = outbox_] { return outbox->run(); }, boost::asio::detached);
  hello_timer_.expires_after(limits().hello_timeout);
  hello_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    if (const auto alive = weak.lock(); alive && !error && !alive->greeted_) alive->channel_->cut();
  });
  co_await read_requests();
  face_->sessions.erase(number_);
  hello_timer_.cancel();
  outbox_->end();
  leave_batches();
  if (environment_told_) face_->control.environment(number_, {});
  channel_->cut();
}

// A page comes back for its batches after a reload. A command does not: without it nobody has their handles, and nobody looks
// at their dialogs.
void Session::leave_batches() {
  for (const auto& [handle, weak] : feeds_) {
    if (const auto alive = weak.lock()) alive->detach();
  }
  if (!caller_.origin.is_command_line()) return;
  face_->batches.withdraw_choice(asker());
  for (const std::string& handle : reached_) {
    const bool taken_over = face_->feeds.contains(handle);
    if (!taken_over) (void)face_->batches.cancel(caller_.origin, handle);  // batch_unknown: closed
  }
}

awaitable<void> Session::read_requests() {
  for (;;) {
    auto text = co_await channel_->read();
    if (!text) {
      if (text.error().code == ErrorCode::message_too_large) co_await outbox_->send(answer_to_nothing(text.error()));
      co_return;
    }
    if (auto served = channel_->still_served(); !served) {
      co_await refuse(served.error());
      co_return;
    }
    auto message = read_message(*text, limits());
    text->clear();
    text->shrink_to_fit();
    if (message) {
      dispatch(std::move(*message));
    } else {
      outbox_->put(answer_to_nothing(message.error()));
    }
    if (!co_await outbox_->below(limits().unsent_bytes)) co_return;
  }
}

void Session::tokens_changed(bool present, std::shared_ptr<const std::string> listing) {
  if (!greeted_ || (caller_.origin.is_command_line() && !watches_tokens_)) return;
  untold_tokens_ = Tokens{present, std::move(listing)};
  if (telling_tokens_) return;
  telling_tokens_ = true;
  boost::asio::co_spawn(face_->executor, [self = shared_from_this()] { return self->tell_tokens(); }, boost::asio::detached);
}

awaitable<void> Session::tell_tokens() {
  const auto self = shared_from_this();
  while (untold_tokens_) {
    const Tokens now = *std::exchange(untold_tokens_, std::nullopt);
    // A page learns no more than it needs to say "plug your token in": which ones there are is not its business.
    const std::string_view listing = watches_tokens_ ? std::string_view(*now.listing) : std::string_view{};
    if (!co_await outbox_->send(tokens_changed_event(now.present, listing))) break;
  }
  telling_tokens_ = false;
}

// What is still unsent is not for this peer.
awaitable<void> Session::refuse(base::Error error) {
  face_->event("refused", {{"code", std::string(name(error.code))}, {"origin", caller_.origin.text()}, {"detail", error.detail}});
  if (!co_await outbox_->below(0)) co_return;
  if (co_await outbox_->send(refused_event(error))) co_await channel_->close(close_other_user, std::string(name(error.code)));
}

void Session::dispatch(RequestMessage message) {
  const std::uint64_t id = message.id;
  const auto answer = [&](const Answer& result) { outbox_->put(answer_text(id, result)); };
  const auto method = std::ranges::find(methods, message.method, &Method::name);
  if (!greeted_ && message.method != "hello") return answer(failure(ErrorCode::hello_required, "say hello first"));
  if (method == std::end(methods) || (method->whom == Method::For::command_line && !caller_.origin.is_command_line()))
    return answer(failure(ErrorCode::method_unknown, message.method));
  if (const auto* at_once = std::get_if<AtOnce>(&method->handler))
    return answer(guarded(method->name, [&] { return (this->**at_once)(message); }));
  if (pending_ >= limits().pending_requests) return answer(failure(ErrorCode::too_many, "requests that wait"));
  ++pending_;
  boost::asio::co_spawn(
      face_->executor,
      [self = shared_from_this(), handler = std::get<Later>(method->handler), message = std::move(message)]() mutable {
        return self->answer_later(handler, std::move(message));
      },
      boost::asio::detached);
}

// A defect behind one request is that request's answer, not the agent's end.
Session::Answer Session::guarded(std::string_view method, auto work) {
  try {
    return work();
  } catch (const std::exception& exception) {
    face_->event("request_failed", {{"method", std::string(method)}, {"detail", exception.what()}});
    return failure(ErrorCode::internal, "a defect; the agent's log says more");
  }
}

awaitable<void> Session::answer_later(Later handler, RequestMessage message) {
  const auto self = shared_from_this();
  const std::uint64_t id = message.id;
  const std::string method = message.method;
  std::shared_ptr<BatchFeed> held;
  if (method == "batch.commit") {
    if (const auto handle = handle_in(message)) {
      if (const auto attached = feed(*handle)) held = *attached;
    }
  }
  if (held) held->hold();
  std::exception_ptr thrown;
  Answer result;
  try {
    result = co_await (this->*handler)(std::move(message));
  } catch (const std::exception&) {
    thrown = std::current_exception();
  }
  if (thrown) result = guarded(method, [&]() -> Answer { std::rethrow_exception(thrown); });
  --pending_;
  outbox_->put(answer_text(id, result));
  if (held) held->release();
}

std::shared_ptr<BatchFeed> Session::attached_feed(const std::string& handle) {
  std::erase_if(feeds_, [](const auto& row) { return row.second.expired() || row.second.lock()->ended(); });
  const auto known = feeds_.find(handle);
  return known == feeds_.end() ? nullptr : known->second.lock();
}

base::Result<std::shared_ptr<BatchFeed>> Session::feed(const std::string& handle) {
  if (auto known = attached_feed(handle)) return known;
  auto attached = BatchFeed::attach(face_, outbox_, caller_.origin, handle);
  if (attached) {
    feeds_.insert_or_assign(handle, *attached);
    if (caller_.origin.is_command_line()) reached_.insert(handle);
  }
  return attached;
}

Session::Answer Session::hello(const RequestMessage& message) {
  const auto protocol = message.parameters.number("protocol");
  if (!protocol) return std::unexpected(protocol.error());
  if (*protocol != 1) return failure(ErrorCode::version_unsupported, "this agent speaks protocol 1");
  if (const auto client = message.parameters.text_or_empty("client", client_bytes); !client)
    return std::unexpected(client.error());
  const auto language = message.parameters.text_or_empty("language", 35);
  if (!language) return std::unexpected(language.error());
  greeted_ = true;
  hello_timer_.cancel();
  const bool known = *language == "ro" || *language == "ru" || *language == "en";
  if (known && face_->options.on_language) face_->options.on_language(caller_.origin, *language);
  return hello_json(face_->options);
}

awaitable<Session::Answer> Session::certificate_choose(RequestMessage message) {
  const auto again = message.parameters.flag("again");
  if (!again) co_return std::unexpected(again.error());
  const auto waiting = [outbox = outbox_](const signing::Waiting& what) { outbox->put(waiting_event({}, what)); };
  const auto certificate = co_await face_->batches.choose_certificate(asker(), caller_.origin, *again, waiting);
  if (!certificate) co_return std::unexpected(certificate.error());
  co_return certificate_json(*certificate);
}

Session::Answer Session::batch_begin(const RequestMessage& message) {
  auto request = batch_request(message.parameters, face_->options);
  if (!request) return base::failure_of(request);
  const auto handle = face_->batches.begin(caller_.origin, caller_.user, std::move(*request));
  if (!handle) return std::unexpected(handle.error());
  // From the first moment on the batch belongs to a connection: one that is lost is not kept for ever.
  if (const auto attached = feed(*handle); !attached) return std::unexpected(attached.error());
  std::string out;
  JsonObject(out).text("batch", *handle).text("id", signing::id_of_batch(*handle));
  return out;
}

Session::Answer Session::batch_items(const RequestMessage& message) {
  const auto handle = handle_in(message);
  if (!handle) return std::unexpected(handle.error());
  const auto part = message.parameters.number("part");
  if (!part) return std::unexpected(part.error());
  const auto items = message.items.items();
  if (!items) return std::unexpected(items.error());
  const auto count = face_->batches.add(caller_.origin, *handle, *part, *items);
  if (!count) return std::unexpected(count.error());
  return items_json(*count);
}

awaitable<Session::Answer> Session::batch_commit(RequestMessage message) {
  const auto handle = handle_in(message);
  if (!handle) co_return std::unexpected(handle.error());
  const auto items = message.parameters.number("items");
  if (!items) co_return std::unexpected(items.error());
  const auto attached = feed(*handle);
  if (!attached) co_return std::unexpected(attached.error());
  std::optional<base::Secret> given;
  if (caller_.origin.is_command_line()) {  // a page's PIN is never read: the member is unknown there
    const auto source = message.parameters.text_or_empty("pin", 16);
    if (!source) co_return std::unexpected(source.error());
    if (!source->empty()) {
      if (*source != "descriptor") co_return failure(ErrorCode::parameter_invalid, "pin: only a descriptor is taken");
      auto descriptor = channel_->take_descriptor();
      if (!descriptor) co_return failure(ErrorCode::parameter_invalid, "pin: no descriptor came with the message");
      auto pin = co_await read_pin(face_->executor, std::move(descriptor), limits().pin_descriptor_timeout);
      if (!pin) co_return base::failure_of(pin);
      given = std::move(*pin);
    }
  }
  const auto certificate = co_await face_->batches.commit(caller_.origin, *handle, *items, std::move(given));
  if (!certificate) co_return std::unexpected(certificate.error());
  const auto progress = face_->batches.progress(caller_.origin, *handle);
  if (!progress) co_return std::unexpected(progress.error());
  co_return started_json(*progress, *certificate);
}

Session::Answer Session::batch_acknowledge(const RequestMessage& message) {
  const auto handle = handle_in(message);
  if (!handle) return std::unexpected(handle.error());
  const auto through = message.parameters.number("through");
  if (!through) return std::unexpected(through.error());
  if (auto done = face_->batches.acknowledge(caller_.origin, *handle, *through); !done) return base::failure_of(done);
  if (const auto known = attached_feed(*handle)) known->wake();
  return std::string(nothing);
}

awaitable<Session::Answer> Session::batch_resume(RequestMessage message) {
  const auto handle = handle_in(message);
  if (!handle) co_return std::unexpected(handle.error());
  // Results come at once, also while the person is asked for the PIN.
  if (const auto known = attached_feed(*handle)) {
    known->rewind();
  } else if (const auto attached = feed(*handle); !attached) {
    co_return std::unexpected(attached.error());
  }
  const auto progress = co_await face_->batches.resume(caller_.origin, *handle);
  if (!progress) co_return std::unexpected(progress.error());
  co_return progress_json(*progress);
}

Session::Answer Session::batch_cancel(const RequestMessage& message) {
  const auto handle = handle_in(message);
  if (!handle) return std::unexpected(handle.error());
  if (auto done = face_->batches.cancel(caller_.origin, *handle); !done) return base::failure_of(done);
  return std::string(nothing);
}

awaitable<Session::Answer> Session::batch_time_stamp(RequestMessage message) {
  const auto handle = handle_in(message);
  if (!handle) co_return std::unexpected(handle.error());
  if (const auto attached = feed(*handle); !attached) co_return std::unexpected(attached.error());
  const auto missing = co_await face_->batches.retry_time_stamps(caller_.origin, *handle);
  if (!missing) co_return std::unexpected(missing.error());
  std::string out;
  JsonObject(out).number("time_stamps_missing", *missing);
  co_return out;
}

Session::Answer Session::batch_close(const RequestMessage& message) {
  const auto handle = handle_in(message);
  if (!handle) return std::unexpected(handle.error());
  if (auto done = face_->batches.close(caller_.origin, *handle); !done) return base::failure_of(done);
  if (const auto known = attached_feed(*handle)) known->detach();
  reached_.erase(*handle);
  return std::string(nothing);
}

awaitable<Session::Answer> Session::status(RequestMessage) {
  if (!face_->control.status) co_return failure(ErrorCode::method_unknown, "status");
  co_return co_await face_->control.status();
}

awaitable<Session::Answer> Session::tokens(RequestMessage) {
  if (!face_->control.tokens) co_return failure(ErrorCode::method_unknown, "tokens");
  co_return co_await face_->control.tokens();
}

// From here on this command is told of changes; one that comes while the list is made is told after the answer or with it.
awaitable<Session::Answer> Session::tokens_watch(RequestMessage message) {
  watches_tokens_ = true;
  return tokens(std::move(message));
}

awaitable<Session::Answer> Session::tokens_explain(RequestMessage) {
  if (!face_->control.tokens_explain) co_return failure(ErrorCode::method_unknown, "tokens.explain");
  co_return co_await face_->control.tokens_explain();
}

awaitable<Session::Answer> Session::certificates(RequestMessage) {
  if (!face_->control.certificates) co_return failure(ErrorCode::method_unknown, "certificates");
  const auto list = co_await face_->control.certificates();
  if (!list) co_return std::unexpected(list.error());
  co_return certificates_json(*list);
}

awaitable<Session::Answer> Session::lock(RequestMessage) {
  if (!face_->control.lock) co_return failure(ErrorCode::method_unknown, "lock");
  if (auto done = co_await face_->control.lock(); !done) co_return base::failure_of(done);
  co_return std::string(nothing);
}

awaitable<Session::Answer> Session::restart(RequestMessage message) {
  if (!face_->control.restart) co_return failure(ErrorCode::method_unknown, "restart");
  auto module = message.parameters.text_or_empty("module", module_name_bytes);
  if (!module) co_return base::failure_of(module);
  if (auto done = co_await face_->control.restart(std::move(*module)); !done) co_return base::failure_of(done);
  co_return std::string(nothing);
}

awaitable<Session::Answer> Session::pin_change(RequestMessage message) {
  return set_pin(std::move(message), face_->control.pin_change);
}

awaitable<Session::Answer> Session::pin_unblock(RequestMessage message) {
  return set_pin(std::move(message), face_->control.pin_unblock);
}

awaitable<Session::Answer> Session::set_pin(RequestMessage message, ControlPorts::SetPin port) {
  const auto self = shared_from_this();
  if (!port) co_return failure(ErrorCode::method_unknown, message.method);
  auto token = message.parameters.text_or_empty("token", token_bytes);
  if (!token) co_return std::unexpected(token.error());
  const auto source = message.parameters.text_or_empty("pin", 16);
  if (!source) co_return std::unexpected(source.error());
  std::optional<signing::GivenPins> given;
  if (!source->empty()) {
    if (*source != "descriptor") co_return failure(ErrorCode::parameter_invalid, "pin: only a descriptor is taken");
    auto descriptor = channel_->take_descriptor();
    if (!descriptor) co_return failure(ErrorCode::parameter_invalid, "pin: no descriptor came with the message");
    auto pins = co_await read_two_pins(face_->executor, std::move(descriptor), limits().pin_descriptor_timeout);
    if (!pins) co_return base::failure_of(pins);
    given.emplace(std::move(pins->first), std::move(pins->second));
  }
  const auto waiting = [outbox = outbox_](const signing::Waiting& what) { outbox->put(waiting_event({}, what)); };
  co_return co_await port(asker(), std::move(*token), std::move(given), waiting);
}

Session::Answer Session::environment(const RequestMessage& message) {
  if (!face_->control.environment) return failure(ErrorCode::method_unknown, "environment");
  ControlPorts::Variables told;
  for (const std::string_view name : variables) {
    auto value = message.parameters.text_or_empty(name, variable_bytes);
    if (!value) return base::failure_of(value);
    if (std::ranges::any_of(*value, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
      return failure(ErrorCode::parameter_invalid, std::string(name) + ": a control character");
    if (!value->empty()) told.emplace_back(name, std::move(*value));
  }
  environment_told_ = true;
  face_->control.environment(number_, std::move(told));
  return std::string(nothing);
}

Session::Answer Session::origins(const RequestMessage&) {
  if (!face_->control.origins) return failure(ErrorCode::method_unknown, "origins");
  return face_->control.origins();
}

Session::Answer Session::journal(const RequestMessage&) {
  if (!face_->control.journal) return failure(ErrorCode::method_unknown, "journal");
  return face_->control.journal();
}

}  // namespace signet::web_bridge
