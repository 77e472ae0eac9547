#include "signing/batch.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <deque>
#include <set>

#include "signing/turns.hpp"
#include "token_login.hpp"
#include "wait.hpp"

namespace signet::signing {

using base::ErrorCode;
using base::failure;
using boost::asio::awaitable;
using std::chrono::steady_clock;

namespace {

// A chunk is as long as keeps the token busy while the one before is dealt with, and short enough that progress moves and a
// cancel is felt: between these times, for fast and slow tokens alike.
constexpr auto chunk_too_short = std::chrono::milliseconds{15};
constexpr auto chunk_too_long = std::chrono::milliseconds{60};
constexpr std::size_t most_in_chunk = 64;
// A host that dies again and again without a signature in between is not started for ever.
constexpr unsigned most_restarts_without_progress = 3;
constexpr std::size_t journal_bytes_per_item = 400;
constexpr std::size_t shown_names = 5;
// Signing goes on at one time while documents of an earlier one are read.
constexpr std::size_t kept_writers = 4;
// pcscd looks every 400 ms whether a card is still in its reader.
constexpr auto card_settles = std::chrono::milliseconds{700};

bool may_be_a_removal(ErrorCode code) {
  return code == ErrorCode::token_failed || code == ErrorCode::token_host_timeout || code == ErrorCode::token_host_died;
}

std::string random_base64url(std::size_t bytes) {
  base::Bytes random(bytes);
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) throw std::runtime_error("no random numbers");
  std::string text = base::base64(random);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

pkcs11::Mechanism mechanism(xades::KeyScheme scheme) {
  switch (scheme) {
    case xades::KeyScheme::rsa_pss:
      return pkcs11::Mechanism::rsa_pkcs_pss;
    case xades::KeyScheme::ecdsa:
      return pkcs11::Mechanism::ecdsa;
    case xades::KeyScheme::rsa_pkcs1:
      break;
  }
  return pkcs11::Mechanism::rsa_pkcs;
}

// One signature (or an item that has none): all that is needed to write its document again.
struct Signature {
  std::uint32_t unit = 0;
  base::Time signing_time;
  base::Bytes value;
  base::Bytes time_stamp_token;
  std::optional<base::Error> error;
  std::optional<base::Error> time_stamp_error;
};

struct Batch {
  Batch(boost::asio::any_io_executor executor, std::string the_handle, Origin the_origin, std::uint32_t the_user,
        BatchRequest the_request, ManifestLimits limits)
      : handle(std::move(the_handle)),
        origin(std::move(the_origin)),
        user(the_user),
        request(std::move(the_request)),
        manifest(limits),
        changed(std::move(executor)) {}

  std::string handle;
  Origin origin;
  std::uint32_t user;
  BatchRequest request;
  Manifest manifest;
  std::string manifest_hash;
  std::size_t parts = 0;

  BatchState state = BatchState::collecting;
  bool busy = false;  // a commit, resume or run is under way
  bool consented = false;
  std::optional<base::Error> error;  // why it is paused or cancelled
  std::optional<base::Error> halt;   // asks the running work to stop
  bool cancelling = false;           // it stops for good
  bool with_token = false;           // has a login, or is about to get one
  bool wipe_at_end = false;          // the screen was locked while it ran
  std::optional<base::ErrorCode> last_refusal;

  std::optional<SigningCertificate> certificate;
  std::optional<xades::SignatureParameters> parameters;  // but for the time
  std::deque<xades::SignatureWriter> writers;            // of the latest signing times asked for
  std::string id;                                        // "signet-" and 24 hexadecimal digits; says nothing of the handle

  std::uint32_t next_unit = 0;
  std::set<std::uint32_t> put_back;  // taken, but not signed
  std::map<std::uint32_t, unsigned> failures;
  std::size_t in_flight = 0;
  std::size_t stamping = 0;
  std::size_t signed_count = 0;
  std::size_t finished_count = 0;  // signed or given up
  std::size_t chunk = 1;
  steady_clock::time_point run_began, last_chunk;
  std::size_t signed_before_run = 0;

  std::map<std::uint64_t, Signature> ready;
  std::uint64_t last_sequence = 0;
  std::uint64_t acknowledged = 0;
  std::map<std::uint32_t, Signature> unstamped;
  std::vector<std::pair<std::vector<Journal::Field>, std::vector<Signature>>>
      unjournaled;  // no room on the disk: not given out either

  BatchListener listener;
  bool attached = false;
  base::Time detached_at{};
  bool heard = false;  // somebody has listened; a command that does not is not gone
  Signal changed;

  std::size_t units() const { return request.together ? std::min<std::size_t>(manifest.size(), 1) : manifest.size(); }
  std::size_t left() const { return units() - next_unit + put_back.size(); }
  bool all_signed() const { return finished_count == units(); }
  PinOwner owner() const { return {certificate->place.token.serial, certificate->cka_id, origin, user}; }

  void tell_progress() {
    if (listener.progress_changed) listener.progress_changed();
  }

  // Good until the next call.
  const xades::SignatureWriter& writer(base::Time signing_time) {
    const auto known = std::ranges::find(writers, signing_time, &xades::SignatureWriter::signing_time);
    if (known != writers.end()) return *known;
    if (writers.size() == kept_writers) writers.pop_front();
    parameters->signing_time = signing_time;
    return writers.emplace_back(*parameters);
  }

  // Calls `use` with the content of one signature; what it views lives until `use` returns.
  template <class Use>
  auto with_content(std::uint32_t unit, Use use) const {
    const std::string signature_id = id + '-' + std::to_string(unit);
    if (!request.together) {
      const Manifest::Item item = manifest[unit];
      const xades::DataObject object{item.name, item.digest};
      return use(xades::SignatureContent{signature_id, {&object, 1}});
    }
    std::vector<xades::DataObject> objects;
    objects.reserve(manifest.size());
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      const Manifest::Item item = manifest[i];
      objects.push_back({item.name, item.digest});
    }
    return use(xades::SignatureContent{signature_id, objects});
  }
};

}  // namespace

std::string_view name(BatchState state) {
  switch (state) {
    case BatchState::collecting:
      return "collecting";
    case BatchState::waiting:
      return "waiting";
    case BatchState::running:
      return "running";
    case BatchState::paused:
      return "paused";
    case BatchState::complete:
      return "complete";
    case BatchState::cancelled:
      break;
  }
  return "cancelled";
}

std::string id_of_batch(std::string_view handle) {
  return "signet-" + base::hex(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(handle)).bytes().first(12));
}

class Batches::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(boost::asio::any_io_executor executor, SigningPorts ports, PinPolicy policy, SigningLimits limits)
      : executor_(std::move(executor)),
        ports_(std::move(ports)),
        limits_(limits),
        logins_(ports_.modules, policy),
        housekeeping_(executor_) {}

  using BatchPointer = std::shared_ptr<Batch>;

  void watch() {
    ports_.modules.on_change([weak = weak_from_this()](std::size_t module, pkcs11::Modules::Change what) {
      if (const auto self = weak.lock()) self->module_may_have_changed(module, what);
    });
  }
  void module_may_have_changed(std::size_t module, pkcs11::Modules::Change what) {
    boost::asio::co_spawn(
        executor_, [self = shared_from_this(), module, what] { return self->module_changed(module, what); },
        boost::asio::detached);
  }

  base::Result<BatchPointer> find(const Origin& origin, const std::string& handle) const {
    const auto row = batches_.find(handle);
    if (row == batches_.end() || row->second->origin != origin)
      return failure(ErrorCode::batch_unknown, "no such batch of this origin");
    return row->second;
  }

  base::Result<std::string> begin(const Origin& origin, std::uint32_t user, BatchRequest request);
  base::Result<std::size_t> add(Batch& batch, std::size_t part, const std::vector<Manifest::Item>& items);
  // `told`: the answer goes to who asks, not into a batch whose consent names the certificate.
  awaitable<base::Result<SigningCertificate>> choose(Asker asker, Origin origin, bool again, bool told,
                                                     Dialog::WaitingCallback waiting);
  void withdraw_choice(const Asker& asker) { ports_.dialog.close(asker); }
  awaitable<base::Result<SigningCertificate>> commit(BatchPointer batch, std::size_t count, std::optional<base::Secret> given);
  awaitable<base::Result<BatchProgress>> resume(BatchPointer batch);
  awaitable<base::Result<std::size_t>> retry_time_stamps(BatchPointer batch);
  void cancel(Batch& batch);
  void acknowledge(Batch& batch, std::uint64_t through);
  void listen(Batch& batch, BatchListener listener);
  BatchProgress progress(const Batch& batch) const;
  std::vector<ItemResult> results(Batch& batch, std::uint64_t after, std::size_t most) const;
  void forget(const std::string& handle);
  awaitable<void> lock(base::Error reason, OnLock running);
  awaitable<void> stop();
  std::optional<Turns::Turn> try_take(std::size_t module) { return turns_of(module)->try_take(); }
  awaitable<void> wipe_token(std::string serial) { return logins_.wipe_token(std::move(serial)); }
  Overview overview() const;

 private:
  awaitable<base::Result<void>> prepare(BatchPointer batch);
  awaitable<base::Result<ReadyKey>> unlock(BatchPointer batch, std::optional<base::Secret> given);
  awaitable<base::Result<void>> start(BatchPointer batch, std::optional<base::Secret> given);
  awaitable<void> run(BatchPointer batch, ReadyKey key, Turns::Turn turn);
  awaitable<void> sign_with(BatchPointer batch, ReadyKey key);
  awaitable<void> work(BatchPointer batch, ReadyKey key);
  awaitable<std::vector<std::uint32_t>> take(BatchPointer batch);
  bool room_for(const Origin& origin);
  std::shared_ptr<Turns> turns_of(std::size_t module) {
    auto& turns = turns_[module];
    if (turns == nullptr) turns = std::make_shared<Turns>(executor_);
    return turns;
  }
  std::optional<base::Error> away() const { return ports_.away ? ports_.away() : std::nullopt; }
  bool page_gone(const Batch& batch) const {
    return batch.heard && !batch.attached && ports_.now() - batch.detached_at >= limits_.wait_for_page;
  }
  void take_in(const BatchPointer& batch, const std::vector<std::uint32_t>& units, base::Time signing_time,
               pkcs11::SignedChunk chunk);
  void give_out(const BatchPointer& batch, Signature signature);
  awaitable<void> stamp(BatchPointer batch, Signature signature);
  void publish(Batch& batch, Signature signature);
  base::Result<void> journal_held(const BatchPointer& batch);
  base::Result<void> record(std::string_view event, const Batch& batch, std::vector<Journal::Field> fields);
  void settle(Batch& batch);
  awaitable<void> keep_house();
  awaitable<void> wipe_expired(const Batch* over);
  awaitable<void> give_up(BatchPointer batch, bool locked);
  awaitable<void> module_changed(std::size_t module, pkcs11::Modules::Change what);
  void give_token_back(Batch& batch);

  boost::asio::any_io_executor executor_;
  SigningPorts ports_;
  SigningLimits limits_;
  TokenLogins logins_;
  std::map<std::size_t, std::shared_ptr<Turns>> turns_;  // by module: a login belongs to the whole process
  std::map<std::string, BatchPointer> batches_;
  std::map<std::size_t, pkcs11::Modules::Change> missed_;  // by module: what happened while a batch had its token
  std::vector<std::weak_ptr<Batch>> closed_;               // and forgotten, while a login of theirs may be under way
  std::uint64_t locks_ = 0;
  std::size_t running_ = 0;
  Signal housekeeping_;
  bool keeping_house_ = false;
  bool stopping_ = false;
};

// Whether there may be one more of this origin. People who close their browser in the middle leave paused ones behind: the oldest
// of these makes room.
bool Batches::Implementation::room_for(const Origin& origin) {
  std::vector<BatchPointer> unfinished;
  for (const auto& [handle, batch] : batches_) {
    if (batch->origin == origin && batch->state != BatchState::complete && batch->state != BatchState::cancelled)
      unfinished.push_back(batch);
  }
  if (unfinished.size() < limits_.max_batches_per_origin) return true;
  std::erase_if(unfinished, [](const BatchPointer& batch) {
    return batch->busy || batch->attached || !batch->heard || batch->state != BatchState::paused;
  });
  if (unfinished.empty()) return false;
  forget((*std::ranges::min_element(unfinished, {}, [](const BatchPointer& batch) { return batch->detached_at; }))->handle);
  return true;
}

base::Result<std::string> Batches::Implementation::begin(const Origin& origin, std::uint32_t user, BatchRequest request) {
  if (stopping_) return failure(ErrorCode::agent_not_running, "the agent is stopping");
  if (request.purpose.size() > limits_.manifest.max_name_bytes) return failure(ErrorCode::parameter_invalid, "purpose");
  if (request.together && request.packaging == xades::Packaging::enveloped)
    return failure(ErrorCode::parameter_invalid, "together: a document that holds its signature has one of its own");
  if (!room_for(origin)) return failure(ErrorCode::too_many, "unfinished batches");
  std::string handle = random_base64url(32);
  auto batch = std::make_shared<Batch>(executor_, handle, origin, user, std::move(request), limits_.manifest);
  batch->id = id_of_batch(handle);
  batch->detached_at = ports_.now();
  batches_.emplace(handle, std::move(batch));
  if (!keeping_house_) {
    keeping_house_ = true;
    boost::asio::co_spawn(executor_, [self = shared_from_this()] { return self->keep_house(); }, boost::asio::detached);
  }
  return handle;
}

base::Result<std::size_t> Batches::Implementation::add(Batch& batch, std::size_t part, const std::vector<Manifest::Item>& items) {
  if (batch.state != BatchState::collecting) return failure(ErrorCode::batch_state, "the list is closed");
  if (part != batch.parts) return failure(ErrorCode::part_out_of_order, "expected part " + std::to_string(batch.parts));
  if (auto added = batch.manifest.add_all(items); !added) return base::failure_of(added);
  ++batch.parts;
  return batch.manifest.size();
}

awaitable<base::Result<SigningCertificate>> Batches::Implementation::choose(Asker asker, Origin origin, bool again, bool told,
                                                                            Dialog::WaitingCallback waiting) {
  const auto self = shared_from_this();
  auto certificates = co_await list_certificates(ports_.modules, ports_.now());
  if (!certificates) co_return base::failure_of(certificates);
  const std::string remembered = ports_.remembered_certificate ? ports_.remembered_certificate(origin) : std::string{};
  const auto known = std::ranges::find_if(*certificates, [&](const SigningCertificate& one) { return one.id() == remembered; });
  if (!again && known != certificates->end()) co_return *known;
  std::size_t chosen = 0;
  // Also the only one is a page's business when the person says so, and not before.
  const bool asks = certificates->size() > 1 || (told && !origin.is_command_line());
  if (asks) {
    if (auto why = away()) co_return std::unexpected(std::move(*why));
    const auto answer = co_await ports_.dialog.choose(std::move(asker), origin, *certificates, std::move(waiting));
    if (!answer) co_return std::unexpected(answer.error());
    chosen = *answer;
  }
  SigningCertificate certificate = std::move(certificates->at(chosen));
  if (asks && ports_.remember_certificate) ports_.remember_certificate(origin, certificate.id());
  co_return certificate;
}

// The certificate and what follows from it: fitness, algorithm, what its signatures share.
awaitable<base::Result<void>> Batches::Implementation::prepare(BatchPointer batch) {
  if (batch->request.certificate_id.empty()) {
    auto chosen = co_await choose(batch->handle, batch->origin, false, false, batch->listener.waiting);
    if (!chosen) co_return base::failure_of(chosen);
    batch->certificate = std::move(*chosen);
  } else {
    auto certificates = co_await list_certificates(ports_.modules, ports_.now());
    if (!certificates) co_return base::failure_of(certificates);
    const auto wanted = std::ranges::find_if(
        *certificates, [&](const SigningCertificate& one) { return one.id() == batch->request.certificate_id; });
    if (wanted == certificates->end()) co_return failure(ErrorCode::certificate_not_found, "not on the tokens that are there");
    batch->certificate = std::move(*wanted);
  }
  using enum SigningCertificate::Validity;
  if (batch->certificate->validity == expired || batch->certificate->validity == not_yet_valid)
    co_return failure(ErrorCode::certificate_expired, "outside its validity");
  auto algorithm = xades::preferred_algorithm(batch->certificate->certificate.key_type());
  if (!algorithm) co_return failure(ErrorCode::mechanism_unsupported, "a key of this kind cannot be used");
  const pkcs11::TokenQuirks& quirks = batch->certificate->place.token.quirks;
  if (batch->request.prefer_pss) {
    if (algorithm->scheme == xades::KeyScheme::ecdsa) co_return failure(ErrorCode::mechanism_unsupported, "PSS is for RSA keys");
    algorithm->scheme = xades::KeyScheme::rsa_pss;
  } else if (algorithm->scheme == xades::KeyScheme::rsa_pkcs1 && !quirks.allows(pkcs11::Mechanism::rsa_pkcs)) {
    algorithm->scheme = xades::KeyScheme::rsa_pss;
  }
  // Nobody is asked for a PIN with which nothing could be signed.
  if (!quirks.allows(mechanism(algorithm->scheme)))
    co_return failure(ErrorCode::mechanism_unsupported, "the mechanism is known not to work with this token's module");
  batch->parameters.emplace(xades::SignatureParameters{.signing_certificate = batch->certificate->certificate,
                                                       .chain = batch->certificate->chain,
                                                       .algorithm = *algorithm,
                                                       .packaging = batch->request.packaging,
                                                       .shared_id = batch->id,
                                                       .signing_time = {},
                                                       .objects = batch->request.together ? batch->manifest.size() : 1,
                                                       .statements = batch->request.statements});
  co_return base::Result<void>{};
}

// Consent and PIN as far as they are missing, then the login. On return the token may be used for this batch.
awaitable<base::Result<ReadyKey>> Batches::Implementation::unlock(BatchPointer batch, std::optional<base::Secret> given) {
  co_await wipe_expired(nullptr);
  auto place = co_await logins_.find(batch->certificate->place);
  if (!place) co_return base::failure_of(place);
  const bool missing = logins_.pin_missing(*place, batch->owner());
  if (missing && place->token.pin_locked)
    co_return std::unexpected(base::Error{ErrorCode::pin_locked, "the token says so", 0, 0});
  const PinPolicy& policy = logins_.pins().policy();
  const std::optional<base::Time> kept_until = logins_.pins().until(batch->owner());
  const bool on_reader = missing && place->token.protected_authentication_path;
  const bool final_try = missing && place->token.pin_final_try;
  std::optional<base::Secret> typed;
  if (given) {
    if (place->token.login_required && place->token.protected_authentication_path)
      co_return failure(ErrorCode::parameter_invalid, "pin: this token's PIN is typed on its reader");
    // A script that runs again and again must not be what locks a token.
    if (final_try) co_return failure(ErrorCode::user_cancelled, "it is the last try: a dialog must confirm it");
    batch->consented = true;  // who runs the command has said so by running it
    if (missing) typed = std::move(*given);
  } else if (!batch->consented || missing) {
    ConsentRequest request{.asker = batch->handle,
                           .origin = batch->origin,
                           .purpose = batch->request.purpose,
                           .count = batch->manifest.size(),
                           .first_names = {},
                           .certificate = *batch->certificate,
                           .level = batch->request.level,
                           .statements = batch->request.statements,
                           .consent_given = batch->consented,
                           .pin = on_reader ? ConsentRequest::Pin::reader
                                  : missing ? ConsentRequest::Pin::ask
                                            : ConsentRequest::Pin::none,
                           .last_refusal = batch->last_refusal,
                           .final_try = final_try,
                           .pin_scope = policy.scope,
                           .pin_until = missing ? ports_.now() + policy.max_age : kept_until};
    for (std::size_t i = 0; i < std::min(shown_names, batch->manifest.size()); ++i)
      request.first_names.emplace_back(batch->manifest[i].name);
    if (batch->halt) co_return std::unexpected(*batch->halt);  // cancelled or locked meanwhile: nobody is asked any more
    if (auto why = away()) co_return std::unexpected(std::move(*why));
    auto answer = co_await ports_.dialog.consent(std::move(request), batch->listener.waiting);
    if (!answer) co_return base::failure_of(answer);
    if (batch->halt) co_return std::unexpected(*batch->halt);
    if (missing && !on_reader) {
      if (!answer->pin || answer->pin->empty()) co_return failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
      typed = std::move(answer->pin);
    }
    batch->consented = true;
    // The dialog may have stood open for minutes: the PIN is for the token that it named and for no other.
    place = co_await logins_.find(*place);
    if (!place) co_return base::failure_of(place);
    // And for as many tries as it spoke of.
    if (missing && place->token.pin_locked)
      co_return std::unexpected(base::Error{ErrorCode::pin_locked, "the token says so", 0, 0});
    if (missing && place->token.pin_final_try && !final_try)
      co_return failure(ErrorCode::card_busy, "another program has used up a try meanwhile; nothing was tried");
  }
  if (batch->halt) co_return std::unexpected(*batch->halt);
  if (typed) {
    const std::size_t length = typed->bytes().size();
    if (length < place->token.pin_min || (place->token.pin_max != 0 && length > place->token.pin_max)) {
      batch->last_refusal = ErrorCode::pin_length;
      co_return failure(ErrorCode::pin_length, "the token wants " + std::to_string(place->token.pin_min) + " to " +
                                                   std::to_string(place->token.pin_max) + " characters");
    }
  }
  batch->with_token = true;
  auto key = co_await logins_.ready(*place, batch->owner(), std::move(typed), ports_.now());
  if (!key) {
    if (key.error().code == ErrorCode::pin_incorrect || key.error().code == ErrorCode::pin_locked) {
      batch->last_refusal = key.error().code;
      (void)record("pin-refused", *batch, {});
    }
    co_return key;
  }
  batch->last_refusal.reset();
  if (batch->parameters->algorithm.scheme == xades::KeyScheme::rsa_pss && !key->key.pss_offered)
    co_return failure(ErrorCode::mechanism_unsupported, "the token does not offer CKM_RSA_PKCS_PSS");
  co_return key;
}

awaitable<base::Result<SigningCertificate>> Batches::Implementation::commit(BatchPointer batch, std::size_t count,
                                                                            std::optional<base::Secret> given) {
  const auto self = shared_from_this();
  if (batch->busy || (batch->state != BatchState::collecting && batch->state != BatchState::waiting))
    co_return failure(ErrorCode::batch_state, std::string(name(batch->state)));
  if (batch->manifest.size() == 0) co_return failure(ErrorCode::batch_empty, "nothing to sign");
  if (count != batch->manifest.size())
    co_return failure(ErrorCode::parameter_invalid, "items: " + std::to_string(batch->manifest.size()) + " were sent");
  if (batch->state == BatchState::collecting) {
    batch->manifest_hash = base::hex(batch->manifest.seal().bytes());
    batch->state = BatchState::waiting;
  }
  const auto started = co_await start(batch, std::move(given));
  if (!started) {
    batch->tell_progress();
    co_return std::unexpected(started.error());
  }
  co_return *batch->certificate;
}

// From a batch that waits or is paused to one that runs; on an error it is as before.
awaitable<base::Result<void>> Batches::Implementation::start(BatchPointer batch, std::optional<base::Secret> given) {
  batch->busy = true;
  batch->wipe_at_end = false;
  const std::uint64_t locks_before = locks_;
  if (!batch->cancelling) batch->halt.reset();
  const auto stopped = [&](base::Error error) {
    batch->busy = false;
    give_token_back(*batch);
    housekeeping_.notify();
    if (batch->cancelling) batch->state = BatchState::cancelled;
    return std::unexpected(std::move(error));
  };
  // No token is touched and nobody is asked while the journal has no room.
  if (auto room = ports_.journal.reserve((batch->units() - batch->finished_count) * journal_bytes_per_item); !room)
    co_return stopped(room.error());
  if (auto held = journal_held(batch); !held) co_return stopped(held.error());
  // Nothing is begun that the machine's sleep would cut.
  if (auto why = away(); why && (why->code == ErrorCode::machine_asleep || (!given && !batch->consented)))
    co_return stopped(std::move(*why));
  if (!batch->parameters) {
    if (auto prepared = co_await prepare(batch); !prepared) {
      batch->parameters.reset();
      co_return stopped(prepared.error());
    }
  }
  Turns::Turn turn = co_await turns_of(batch->certificate->place.module)->take();
  if (batch->halt) co_return stopped(*batch->halt);
  auto key = co_await unlock(batch, std::move(given));
  // Whoever locked has also ended the host.
  if (batch->halt && (key || key.error().code == ErrorCode::token_host_died)) key = std::unexpected(*batch->halt);
  if (key && batch->state == BatchState::waiting) {
    if (auto recorded = record("consent", *batch, {{"items", std::to_string(batch->manifest.size())}}); !recorded)
      key = base::failure_of(recorded);
  }
  if (!key) {
    co_await give_up(batch, locks_ != locks_before);
    if (key.error().code == ErrorCode::token_removed) co_await logins_.wipe_token(batch->certificate->place.token.serial);
    // Nobody has consented to this certificate yet: the next commit looks anew at what is there.
    if (!batch->consented && key.error().code == ErrorCode::token_removed) batch->parameters.reset();
    co_return stopped(key.error());
  }
  batch->state = BatchState::running;
  batch->error.reset();
  batch->run_began = batch->last_chunk = steady_clock::now();
  batch->signed_before_run = batch->signed_count;
  if (++running_ == 1 && ports_.running_changed) ports_.running_changed(true);
  boost::asio::co_spawn(
      executor_,
      [self = shared_from_this(), batch, key = std::move(*key), turn = std::move(turn)]() mutable {
        return self->run(batch, std::move(key), std::move(turn));
      },
      boost::asio::detached);
  batch->tell_progress();
  co_return base::Result<void>{};
}

awaitable<void> Batches::Implementation::run(BatchPointer batch, ReadyKey key, Turns::Turn turn) {
  const auto self = shared_from_this();
  const bool pin_for_each = logins_.pins().policy().scope == PinScope::off;
  unsigned restarts = 0;
  for (;;) {
    const std::size_t signed_before = batch->signed_count;
    co_await sign_with(batch, key);
    if (batch->halt || batch->left() == 0) break;
    if (batch->signed_count > signed_before) restarts = 0;
    // A card that is pulled out may first show as a mere failure, or as a host that hangs in its driver: look whether it is
    // still there.
    const bool logged_out = batch->error && pkcs11::logged_out(*batch->error);
    if (batch->error && !logged_out && may_be_a_removal(batch->error->code)) {
      boost::asio::steady_timer settling(executor_, card_settles);
      co_await settling.async_wait(boost::asio::use_awaitable);
      if (const auto place = co_await logins_.find(batch->certificate->place);
          !place && place.error().code == ErrorCode::token_removed)
        batch->error = place.error();
    }
    const bool host_ended =
        batch->error && (batch->error->code == ErrorCode::token_host_died || batch->error->code == ErrorCode::token_host_timeout);
    // A host that ended, or a card that another program logged out, is not the person's business while the PIN is kept: it was
    // accepted, so it may be presented again.
    if (batch->error && !((host_ended || logged_out) && restarts++ < most_restarts_without_progress &&
                          !logins_.pin_missing(batch->certificate->place, batch->owner())))
      break;
    if (pin_for_each) {
      co_await logins_.wipe(batch->owner());
      give_token_back(*batch);
    } else if (logged_out) {
      co_await logins_.end_login(batch->owner());
    }
    batch->error.reset();
    auto again = co_await unlock(batch, std::nullopt);
    if (!again) {
      batch->error = again.error();
      break;
    }
    key = std::move(*again);
  }
  if (batch->halt) batch->error = batch->halt;
  key.host.reset();
  if (batch->error && batch->error->code == ErrorCode::token_removed) {
    co_await logins_.wipe_token(batch->certificate->place.token.serial);
  } else if (logins_.pins().policy().scope != PinScope::session || batch->error || batch->wipe_at_end || away()) {
    co_await logins_.wipe(batch->owner());
  }
  give_token_back(*batch);
  housekeeping_.notify();
  // Before the next one's turn: it would find the host ended under it.
  co_await wipe_expired(batch.get());
  turn = Turns::Turn{};
  while (batch->stamping > 0) co_await batch->changed.wait(std::chrono::hours{1});
  if (--running_ == 0 && ports_.running_changed) ports_.running_changed(false);
  batch->busy = false;
  settle(*batch);
}

// What state a batch is in once nothing of it runs any more.
void Batches::Implementation::settle(Batch& batch) {
  if (batch.cancelling) {
    // As the person or the page said; what was in flight is among the results.
    batch.state = BatchState::cancelled;
  } else if (batch.all_signed() && batch.unjournaled.empty()) {
    batch.state = BatchState::complete;
    batch.error.reset();
  } else {
    batch.state = BatchState::paused;
    if (!batch.error) batch.error = base::Error{ErrorCode::internal, "stopped without a reason", 0, {}};
  }
  (void)record(name(batch.state), batch, {{"signed", std::to_string(batch.signed_count)}, {"of", std::to_string(batch.units())}});
  if (ports_.journal_head) ports_.journal_head(ports_.journal.head());
  if (batch.listener.results_ready) batch.listener.results_ready();
  batch.tell_progress();
  housekeeping_.notify();
}

// Signs until all is signed, something fails, or it is told to stop. Two chunks are in flight, so that the token never waits
// for XML or the socket.
awaitable<void> Batches::Implementation::sign_with(BatchPointer batch, ReadyKey key) {
  using namespace boost::asio::experimental::awaitable_operators;
  if (logins_.pins().policy().scope == PinScope::off) {
    batch->chunk = 1;
    co_await work(batch, key);
  } else {
    co_await (work(batch, key) && work(batch, key));
  }
}

awaitable<void> Batches::Implementation::work(BatchPointer batch, ReadyKey key) {
  const auto self = shared_from_this();
  const bool pin_for_each = logins_.pins().policy().scope == PinScope::off;
  const pkcs11::Mechanism how = mechanism(batch->parameters->algorithm.scheme);
  while (!batch->halt && !batch->error) {
    const std::vector<std::uint32_t> units = co_await take(batch);
    if (units.empty()) break;
    const base::Time signing_time = ports_.now();
    std::vector<base::Digest> digests;
    digests.reserve(units.size());
    const xades::SignatureWriter& writer = batch->writer(signing_time);
    for (std::uint32_t unit : units) {
      digests.push_back(
          batch->with_content(unit, [&](const xades::SignatureContent& content) { return writer.to_be_signed(content); }));
    }
    const base::Secret* const context_pin = key.key.always_authenticate ? logins_.pins().find(batch->owner()) : nullptr;
    auto chunk = co_await key.host->sign(key.key, how, std::move(digests), context_pin);
    batch->in_flight -= units.size();
    if (!chunk) chunk = pkcs11::SignedChunk{{}, chunk.error()};
    take_in(batch, units, signing_time, std::move(*chunk));
    const auto now = steady_clock::now();
    const auto took = now - std::exchange(batch->last_chunk, now);
    if (!pin_for_each && took < chunk_too_short) batch->chunk = std::min(batch->chunk * 2, most_in_chunk);
    if (took > chunk_too_long) batch->chunk = std::max<std::size_t>(batch->chunk / 2, 1);
    batch->changed.notify();
    if (pin_for_each) break;
  }
}

// The next items to sign: as many as fit into the chunk and into what the page has room for; none when all are taken, when the
// batch is to stop, or when its page has gone.
awaitable<std::vector<std::uint32_t>> Batches::Implementation::take(BatchPointer batch) {
  const auto held = [&] { return batch->ready.size() + batch->stamping + batch->in_flight; };
  const auto full = [&] {
    return held() >= limits_.max_unacknowledged ||
           (batch->request.level != xades::Level::b_b && batch->stamping + batch->in_flight >= limits_.max_time_stamps_pending);
  };
  // Without its page no more is signed than is bound to be: a new page, which does not know of this batch, would sign it again.
  while (!batch->halt && !batch->error && batch->left() > 0) {
    if (page_gone(*batch)) batch->halt = base::Error{ErrorCode::batch_state, "the page has gone", 0, {}};
    if (batch->halt || !full()) break;
    co_await batch->changed.wait(std::max<std::chrono::seconds>(limits_.wait_for_page, std::chrono::seconds{1}));
  }
  std::vector<std::uint32_t> units;
  if (batch->halt || batch->error) co_return units;
  const std::size_t most = std::min(batch->chunk, limits_.max_unacknowledged - std::min(held(), limits_.max_unacknowledged));
  while (units.size() < most && batch->left() > 0) {
    if (!batch->put_back.empty()) {
      units.push_back(batch->put_back.extract(batch->put_back.begin()).value());
    } else {
      units.push_back(batch->next_unit++);
    }
  }
  batch->in_flight += units.size();
  co_return units;
}

// A chunk came back: what was signed goes on record and then out, what was not is put back.
void Batches::Implementation::take_in(const BatchPointer& batch, const std::vector<std::uint32_t>& units, base::Time signing_time,
                                      pkcs11::SignedChunk chunk) {
  const std::size_t made = std::min(chunk.signatures.size(), units.size());
  if (made > 0) {
    std::vector<Signature> signatures;
    std::string items;
    for (std::size_t i = 0; i < made; ++i) {
      const std::size_t first = batch->request.together ? 0 : units[i];
      const std::size_t count = batch->request.together ? batch->manifest.size() : 1;
      for (std::size_t j = first; j < first + count; ++j) {
        const base::Digest digest = batch->manifest[j].digest;
        if (!items.empty()) items += ',';
        items += name(digest.algorithm());
        items += ':';
        items += base::hex(digest.bytes());
      }
      signatures.push_back({units[i], signing_time, std::move(chunk.signatures[i]), {}, {}, {}});
    }
    batch->signed_count += made;
    batch->finished_count += made;
    logins_.pins().used(batch->owner(), made, ports_.now());
    std::vector<Journal::Field> fields{{"items", std::move(items)}};
    if (auto recorded = record("signed", *batch, fields); recorded) {
      for (Signature& signature : signatures) give_out(batch, std::move(signature));
    } else {
      batch->unjournaled.emplace_back(std::move(fields), std::move(signatures));
      if (!batch->error) batch->error = recorded.error();
    }
  }
  for (std::size_t i = made; i < units.size(); ++i) batch->put_back.insert(units[i]);
  if (chunk.error && !batch->halt) {
    // The token refuses this very item a second time: the others shall not wait for it.
    if (chunk.error->code == ErrorCode::token_failed && !pkcs11::logged_out(*chunk.error) && made < units.size() &&
        ++batch->failures[units[made]] > 1) {
      batch->put_back.erase(units[made]);
      ++batch->finished_count;
      (void)record("not-signed", *batch, {{"reason", std::string(name(chunk.error->code))}});
      publish(*batch, {units[made], signing_time, {}, {}, chunk.error, {}});
    } else if (!batch->error) {
      batch->error = chunk.error;
    }
  }
  batch->tell_progress();
}

base::Result<void> Batches::Implementation::journal_held(const BatchPointer& batch) {
  while (!batch->unjournaled.empty()) {
    auto& [fields, signatures] = batch->unjournaled.front();
    if (auto recorded = record("signed", *batch, fields); !recorded) return recorded;
    for (Signature& signature : signatures) give_out(batch, std::move(signature));
    batch->unjournaled.erase(batch->unjournaled.begin());
  }
  return {};
}

void Batches::Implementation::give_out(const BatchPointer& batch, Signature signature) {
  if (batch->request.level == xades::Level::b_b) {
    publish(*batch, std::move(signature));
    return;
  }
  ++batch->stamping;
  boost::asio::co_spawn(
      executor_,
      [self = shared_from_this(), batch, signature = std::move(signature)]() mutable {
        return self->stamp(batch, std::move(signature));
      },
      boost::asio::detached);
}

awaitable<void> Batches::Implementation::stamp(BatchPointer batch, Signature signature) {
  const base::Digest imprint = batch->with_content(signature.unit, [&](const xades::SignatureContent& content) {
    return batch->writer(signature.signing_time).time_stamp_imprint(content, signature.value, base::DigestAlgorithm::sha256);
  });
  auto token = co_await ports_.time_stamp(imprint);
  --batch->stamping;
  signature.time_stamp_error.reset();
  if (token) {
    signature.time_stamp_token = std::move(token->der);
    batch->unstamped.erase(signature.unit);
  } else {
    signature.time_stamp_error = token.error();
    batch->unstamped.insert_or_assign(signature.unit, signature);
  }
  publish(*batch, std::move(signature));
  batch->changed.notify();
}

void Batches::Implementation::publish(Batch& batch, Signature signature) {
  batch.ready.emplace(++batch.last_sequence, std::move(signature));
  if (batch.listener.results_ready) batch.listener.results_ready();
}

base::Result<void> Batches::Implementation::record(std::string_view event, const Batch& batch,
                                                   std::vector<Journal::Field> fields) {
  std::vector<Journal::Field> all{{"origin", batch.origin.text()},
                                  {"batch", batch.id.substr(7, 16)},
                                  {"certificate", batch.certificate ? batch.certificate->id() : std::string{}},
                                  {"manifest", batch.manifest_hash}};
  std::ranges::move(fields, std::back_inserter(all));
  return ports_.journal.append(ports_.now(), event, all);
}

awaitable<base::Result<BatchProgress>> Batches::Implementation::resume(BatchPointer batch) {
  const auto self = shared_from_this();
  // The page is back, or the person, while the pause for their absence is on its way.
  const auto pausing = [&] { return batch->busy && batch->halt && !batch->cancelling; };
  while (pausing() && !stopping_) co_await housekeeping_.wait(std::chrono::seconds{1});
  // One that is being resumed already, by a page that was loaded again, tells its progress.
  if (batch->state == BatchState::paused && batch->stamping > 0)
    co_return failure(ErrorCode::batch_state, "time stamps are being fetched");
  if (batch->state == BatchState::paused && !batch->busy) {
    if (batch->all_signed()) {
      if (auto held = journal_held(batch); !held) co_return base::failure_of(held);
      settle(*batch);
    } else if (auto started = co_await start(batch, std::nullopt); !started) {
      co_return base::failure_of(started);
    }
  }
  co_return progress(*batch);
}

awaitable<base::Result<std::size_t>> Batches::Implementation::retry_time_stamps(BatchPointer batch) {
  const auto self = shared_from_this();
  if (batch->busy) co_return failure(ErrorCode::batch_state, "still running");
  batch->busy = true;
  // Each stays in the list until its time stamp has come: a batch that misses time stamps is not over.
  const auto missing = batch->unstamped;
  if (ports_.time_stamps_asked_anew) ports_.time_stamps_asked_anew();
  for (const auto& [unit, signature] : missing) {
    while (batch->stamping >= limits_.max_time_stamps_pending) co_await batch->changed.wait(std::chrono::hours{1});
    give_out(batch, signature);
  }
  while (batch->stamping > 0) co_await batch->changed.wait(std::chrono::hours{1});
  batch->busy = false;
  batch->tell_progress();
  co_return batch->unstamped.size();
}

void Batches::Implementation::cancel(Batch& batch) {
  if (batch.state == BatchState::complete || batch.state == BatchState::cancelled) return;
  const base::Error reason{ErrorCode::user_cancelled, "the page cancelled the batch", 0, {}};
  batch.halt = batch.error = reason;
  batch.cancelling = true;
  // While a dialog is open or signatures are in flight it is not over yet: settle() says when.
  if (!batch.busy) batch.state = BatchState::cancelled;
  ports_.dialog.close(batch.handle);
  batch.changed.notify();
  batch.tell_progress();
  housekeeping_.notify();
}

void Batches::Implementation::acknowledge(Batch& batch, std::uint64_t through) {
  batch.acknowledged = std::max(batch.acknowledged, std::min(through, batch.last_sequence));
  batch.ready.erase(batch.ready.begin(), batch.ready.upper_bound(batch.acknowledged));
  batch.changed.notify();
}

void Batches::Implementation::listen(Batch& batch, BatchListener listener) {
  batch.attached = static_cast<bool>(listener.results_ready);
  batch.heard = batch.heard || batch.attached;
  if (!batch.attached) batch.detached_at = ports_.now();
  batch.listener = std::move(listener);
  housekeeping_.notify();
}

BatchProgress Batches::Implementation::progress(const Batch& batch) const {
  BatchProgress progress{.state = batch.state,
                         .total = batch.units(),
                         .signed_count = batch.signed_count,
                         .ready = batch.finished_count - std::min(batch.finished_count, batch.stamping),
                         .results = batch.last_sequence,
                         .time_stamps_missing = batch.unstamped.size(),
                         .acknowledged = batch.acknowledged,
                         .remaining = {},
                         .error = batch.error};
  const std::size_t now_signed = batch.signed_count - batch.signed_before_run;
  if (batch.state == BatchState::running && now_signed > 0) {
    const std::chrono::duration<double> took = batch.last_chunk - batch.run_began;
    progress.remaining = std::chrono::ceil<std::chrono::seconds>(took / now_signed * batch.left());
  }
  return progress;
}

std::vector<ItemResult> Batches::Implementation::results(Batch& batch, std::uint64_t after, std::size_t most) const {
  std::vector<ItemResult> results;
  for (auto row = batch.ready.upper_bound(after); row != batch.ready.end() && results.size() < most; ++row) {
    const Signature& signature = row->second;
    ItemResult result{.sequence = row->first,
                      .id = std::string(batch.manifest[signature.unit].id),
                      .document = {},
                      .level = signature.time_stamp_token.empty() ? xades::Level::b_b : xades::Level::b_t,
                      .error = signature.error,
                      .time_stamp_error = signature.time_stamp_error};
    if (!signature.error) {
      result.document = batch.with_content(signature.unit, [&](const xades::SignatureContent& content) {
        return batch.writer(signature.signing_time).document(content, signature.value, signature.time_stamp_token);
      });
    }
    results.push_back(std::move(result));
  }
  return results;
}

void Batches::Implementation::forget(const std::string& handle) {
  const auto row = batches_.find(handle);
  if (row == batches_.end()) return;
  const BatchPointer batch = row->second;
  if (batch->busy) {
    cancel(*batch);
    std::erase_if(closed_, [](const auto& one) { return one.expired(); });
    closed_.push_back(batch);
  }
  batch->listener = {};
  batch->attached = false;
  batches_.erase(row);
}

awaitable<void> Batches::Implementation::lock(base::Error reason, OnLock running) {
  const auto self = shared_from_this();
  ++locks_;
  const bool may_finish = running == OnLock::finish && logins_.pins().policy().scope != PinScope::off;
  std::set<PinOwner> in_use;
  std::vector<BatchPointer> halted;
  for (const auto& [handle, batch] : batches_) {
    if (!batch->busy) continue;
    if (may_finish && batch->state == BatchState::running && !batch->halt) {
      // One that waits for time stamps alone has given its PIN back: what is kept is the session's.
      if (batch->with_token) {
        batch->wipe_at_end = true;
        in_use.insert(batch->owner());
      }
      continue;
    }
    batch->halt = reason;
    ports_.dialog.close(handle);
    batch->changed.notify();
    halted.push_back(batch);
  }
  for (const auto& one : closed_) {
    if (const BatchPointer batch = one.lock()) halted.push_back(batch);
  }
  co_await logins_.wipe_all(std::move(in_use));
  // A login that was under way meanwhile is undone by its batch.
  const auto latest = steady_clock::now() + std::chrono::seconds{10};
  while (std::ranges::any_of(halted, &Batch::with_token) && steady_clock::now() < latest)
    co_await housekeeping_.wait(std::chrono::milliseconds{200});
}

awaitable<void> Batches::Implementation::stop() {
  const auto self = shared_from_this();
  stopping_ = true;
  ++locks_;
  for (const auto& [handle, batch] : batches_) {
    batch->halt = base::Error{ErrorCode::agent_not_running, "the agent is stopping", 0, {}};
    if (batch->busy) ports_.dialog.close(handle);
    batch->changed.notify();
  }
  // The signature in flight ends by itself within the host's own limits; everything else stops at once.
  const auto latest = steady_clock::now() + std::chrono::seconds{10};
  while (running_ > 0 && steady_clock::now() < latest) co_await housekeeping_.wait(std::chrono::milliseconds{200});
  co_await logins_.wipe_all();
  housekeeping_.notify();
}

// Forgets what nobody will fetch any more and wipes PINs whose time is over. Runs only while there is something to look after.
awaitable<void> Batches::Implementation::keep_house() {
  const auto self = shared_from_this();
  while (!stopping_ && (!batches_.empty() || logins_.pins().size() > 0)) {
    const base::Time now = ports_.now();
    std::vector<std::string> over;
    for (const auto& [handle, batch] : batches_) {
      if (batch->busy || batch->attached) continue;
      const bool finished = batch->state == BatchState::complete || batch->state == BatchState::cancelled;
      const bool nothing_left = finished && batch->ready.empty() && batch->unstamped.empty();
      const auto keep = batch->state == BatchState::paused ? limits_.keep_unfinished : limits_.keep_after_disconnect;
      if (nothing_left || now - batch->detached_at >= keep) over.push_back(handle);
    }
    for (const std::string& handle : over) batches_.erase(handle);
    co_await wipe_expired(nullptr);
    std::chrono::seconds pause{30};
    if (const auto next = logins_.pins().next_expiry())
      pause = std::clamp<std::chrono::seconds>(*next - now, std::chrono::seconds{1}, pause);
    co_await housekeeping_.wait(pause);
  }
  keeping_house_ = false;
}

// Wipes what has expired, but for the PINs that running batches use; `over` is one that has just ended.
awaitable<void> Batches::Implementation::wipe_expired(const Batch* over) {
  std::set<PinOwner> in_use;
  for (const auto& [handle, batch] : batches_) {
    if (batch->state == BatchState::running && batch.get() != over) in_use.insert(batch->owner());
  }
  co_await logins_.wipe_expired(ports_.now(), std::move(in_use));
}

// A start that led to nothing keeps no PIN, except one that belongs to the session; after a lock not even that.
awaitable<void> Batches::Implementation::give_up(BatchPointer batch, bool locked) {
  if (locked || logins_.pins().policy().scope != PinScope::session) co_await logins_.wipe(batch->owner());
}

// A batch that has the token finds out by itself, and then wipes; what it did not find out is looked at when it gives it back.
awaitable<void> Batches::Implementation::module_changed(std::size_t module, pkcs11::Modules::Change what) {
  const auto self = shared_from_this();
  for (const auto& [handle, batch] : batches_) {
    if (!batch->with_token || batch->certificate->place.module != module) continue;
    const auto known = missed_.emplace(module, what).first;
    if (known->second != pkcs11::Modules::Change::pulled) known->second = what;
    co_return;
  }
  co_await logins_.look_after(module, what);
}

void Batches::Implementation::give_token_back(Batch& batch) {
  batch.with_token = false;
  if (!batch.certificate) return;
  if (const auto missed = missed_.extract(batch.certificate->place.module))
    module_may_have_changed(missed.key(), missed.mapped());
}

Batches::Overview Batches::Implementation::overview() const {
  return {batches_.size(), running_, logins_.pins().size(), logins_.pins().next_expiry()};
}

Batches::Batches(boost::asio::any_io_executor executor, SigningPorts ports, PinPolicy pin_policy, SigningLimits limits)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(ports), pin_policy, limits)) {
  implementation_->watch();
}
Batches::~Batches() = default;

awaitable<base::Result<SigningCertificate>> Batches::choose_certificate(Asker asker, Origin origin, bool again,
                                                                        Dialog::WaitingCallback waiting) {
  return implementation_->choose(std::move(asker), std::move(origin), again, true, std::move(waiting));
}

void Batches::withdraw_choice(const Asker& asker) { implementation_->withdraw_choice(asker); }

base::Result<std::string> Batches::begin(const Origin& origin, std::uint32_t user, BatchRequest request) {
  return implementation_->begin(origin, user, std::move(request));
}

base::Result<std::size_t> Batches::add(const Origin& origin, const std::string& handle, std::size_t part,
                                       const std::vector<Manifest::Item>& items) {
  auto batch = implementation_->find(origin, handle);
  if (!batch) return base::failure_of(batch);
  return implementation_->add(**batch, part, items);
}

awaitable<base::Result<SigningCertificate>> Batches::commit(Origin origin, std::string handle, std::size_t count,
                                                            std::optional<base::Secret> given) {
  auto batch = implementation_->find(origin, handle);
  if (!batch) co_return base::failure_of(batch);
  co_return co_await implementation_->commit(*batch, count, std::move(given));
}

awaitable<base::Result<BatchProgress>> Batches::resume(Origin origin, std::string handle) {
  auto batch = implementation_->find(origin, handle);
  if (!batch) co_return base::failure_of(batch);
  co_return co_await implementation_->resume(*batch);
}

base::Result<void> Batches::listen(const Origin& origin, const std::string& handle, BatchListener listener) {
  auto batch = implementation_->find(origin, handle);
  if (!batch) return base::failure_of(batch);
  implementation_->listen(**batch, std::move(listener));
  return {};
}

base::Result<BatchProgress> Batches::progress(const Origin& origin, const std::string& handle) const {
  auto batch = implementation_->find(origin, handle);
  if (!batch) return base::failure_of(batch);
  return implementation_->progress(**batch);
}

base::Result<std::vector<ItemResult>> Batches::results(const Origin& origin, const std::string& handle, std::uint64_t after,
                                                       std::size_t most) const {
  auto batch = implementation_->find(origin, handle);
  if (!batch) return base::failure_of(batch);
  return implementation_->results(**batch, after, most);
}

base::Result<void> Batches::acknowledge(const Origin& origin, const std::string& handle, std::uint64_t through) {
  auto batch = implementation_->find(origin, handle);
  if (!batch) return base::failure_of(batch);
  implementation_->acknowledge(**batch, through);
  return {};
}

base::Result<void> Batches::cancel(const Origin& origin, const std::string& handle) {
  auto batch = implementation_->find(origin, handle);
  if (!batch) return base::failure_of(batch);
  implementation_->cancel(**batch);
  return {};
}

awaitable<base::Result<std::size_t>> Batches::retry_time_stamps(Origin origin, std::string handle) {
  auto batch = implementation_->find(origin, handle);
  if (!batch) co_return base::failure_of(batch);
  co_return co_await implementation_->retry_time_stamps(*batch);
}

base::Result<void> Batches::close(const Origin& origin, const std::string& handle) {
  auto batch = implementation_->find(origin, handle);
  if (!batch) return base::failure_of(batch);
  implementation_->forget(handle);
  return {};
}

awaitable<void> Batches::lock(base::Error reason, OnLock running) { return implementation_->lock(std::move(reason), running); }

awaitable<void> Batches::stop() { return implementation_->stop(); }

std::optional<Turns::Turn> Batches::try_take(std::size_t module) { return implementation_->try_take(module); }

awaitable<void> Batches::wipe_token(std::string serial) { return implementation_->wipe_token(std::move(serial)); }

Batches::Overview Batches::overview() const { return implementation_->overview(); }

}  // namespace signet::signing
