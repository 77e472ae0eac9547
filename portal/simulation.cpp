#include "portal/simulation.hpp"

#include <openssl/rand.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "page_calls.hpp"

namespace signet::portal {

namespace asio = boost::asio;
using asio::awaitable;

namespace {

constexpr std::chrono::minutes phone_rings{2};
constexpr std::size_t played_at_most = 10'000;
constexpr std::chrono::hours forgotten_after{1};
constexpr const char* anybody = "2000000000000";

PageReply on_its_way() {
  return error_reply(409, "held", "An outcome of this request is on its way: until it has come nothing else is played.");
}

std::string drawn_code() {
  std::array<unsigned char, 2> bytes{};
  if (::RAND_bytes(bytes.data(), bytes.size()) != 1) return "0000";  // it is only shown
  std::string digits = std::to_string((bytes[0] * 256 + bytes[1]) % 10'000);
  return std::string(4 - digits.size(), '0') + digits;
}

}  // namespace

std::optional<Simulation::Action> Simulation::action(std::string_view name) {
  static constexpr std::array<std::string_view, 4> names{"sign", "fail", "cancel", "expire"};
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Action>(i);
  return {};
}

// What another one had under way, such as a page that has released the request since, does not come any more.
void Simulation::Played::begin_anew() {
  state = {};
  if (late) late->timer.cancel();
  late = nullptr;
}

Claim Simulation::claim(const std::string& request_id, const std::string& key, std::chrono::seconds lasts) const {
  return {request_id, key, ports_.now(), ports_.now() + lasts};
}

// Whether one more fits: what nobody has asked for in a while is forgotten first.
bool Simulation::has_room(const std::string& request_id) {
  if (played_.size() < played_at_most || played_.contains(request_id)) return true;
  std::erase_if(played_, [now = ports_.now()](const auto& one) { return one.second.last + forgotten_after < now; });
  return played_.size() < played_at_most;
}

// Of a request that the store has. Null where too much is under way.
Simulation::Played* Simulation::played(const std::string& request_id) {
  if (!has_room(request_id)) return nullptr;
  Played& found = played_[request_id];
  found.last = ports_.now();
  return &found;
}

std::shared_ptr<Simulation::Late> Simulation::late_of(const std::string& request_id) const {
  const auto found = played_.find(request_id);
  return found == played_.end() ? nullptr : found->second.late;
}

// Of this key alone: that of a page which has released the request since keeps nobody else from it.
std::shared_ptr<Simulation::Late> Simulation::late_of(const std::string& request_id, const std::string& key) const {
  auto late = late_of(request_id);
  return late && late->play.key == key ? late : nullptr;
}

Simulation::State Simulation::state(const std::string& request_id) {
  const auto found = played_.find(request_id);
  if (found == played_.end()) return {};
  State& state = found->second.state;
  if (state.phone && state.phone->until < ports_.now()) state = {"timeout", {}};
  return state;
}

awaitable<std::optional<PageReply>> Simulation::play(Play play) {
  // The same may be asked again by who did not hear the answer, or by several at once.
  const auto answered = [&play](const Late& late) { return late.play == play ? std::nullopt : std::optional(on_its_way()); };
  if (const auto late = late_of(play.request_id, play.key)) co_return answered(*late);
  if (!has_room(play.request_id)) co_return error_reply(429, "too_many", "The sandbox is busy.");
  const auto lasts = std::chrono::ceil<std::chrono::seconds>(play.delay) + claim_lasts;
  const auto claimed = co_await ports_.store->claim(claim(play.request_id, play.key, lasts), play.instrument);
  if (!claimed) co_return unavailable();
  if (*claimed == ClaimOutcome::ended && play.action == Action::sign) {  // by who did not hear the answer
    const auto found = co_await ports_.store->request(play.request_id, ports_.now());
    if (found && *found && (*found)->status == SignStatus::success) co_return std::nullopt;
  }
  if (auto refused = not_claimed(*claimed)) co_return refused;
  if (const auto late = late_of(play.request_id, play.key)) co_return answered(*late);
  Played* const known = played(play.request_id);
  if (known == nullptr) co_return error_reply(429, "too_many", "The sandbox is busy.");
  known->begin_anew();
  if (play.delay.count() <= 0) co_return co_await done(std::move(play));
  const auto executor = co_await asio::this_coro::executor;
  const auto late = std::make_shared<Late>(Late{play, asio::steady_timer(executor, play.delay)});
  known->late = late;
  const std::string id = play.request_id;
  asio::co_spawn(executor, later(std::move(play), late), [this, id, late](std::exception_ptr thrown) {
    const auto found = played_.find(id);
    if (found == played_.end() || found->second.late != late) return;
    found->second.late = nullptr;
    if (thrown) found->second.state = {"internal", {}};
  });
  co_return std::nullopt;
}

awaitable<void> Simulation::later(Play play, std::shared_ptr<Late> late) {
  boost::system::error_code cancelled;
  co_await late->timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  const std::string id = play.request_id;
  const auto found = played_.find(id);
  if (found == played_.end() || found->second.late != late) co_return;  // another one has taken its place
  if (const auto refused = co_await done(std::move(play))) failed(id, *refused);
}

// Nobody waits for the answer itself: the page that looks at the state reads why.
void Simulation::failed(const std::string& request_id, const PageReply& reply) {
  Played* const known = played(request_id);
  if (known == nullptr) return;
  std::string_view code = "internal";
  if (const auto* const error = reply.body.if_contains("error")) code = error->at("code").as_string();
  if (const auto* const refused = reply.body.if_contains("refused"); refused != nullptr && !refused->as_array().empty())
    code = refused->as_array().front().at("code").as_string();
  known->state = {std::string(code), {}};
}

awaitable<std::optional<PageReply>> Simulation::done(Play play) {
  if (play.action == Action::sign) co_return co_await sign(std::move(play));
  const Claim held = claim(play.request_id, play.key, claim_lasts);
  std::string reason = play.action == Action::cancel ? "user_cancelled" : play.reason.empty() ? "token_failed" : play.reason;
  const auto outcome = play.action == Action::expire ? co_await ports_.store->expire(held)
                                                     : co_await ports_.store->give_up(held, std::move(reason));
  if (!outcome) co_return unavailable();
  co_return not_claimed(*outcome);
}

awaitable<std::optional<PageReply>> Simulation::sign(Play play) {
  const auto found = co_await ports_.store->request(play.request_id, ports_.now());
  if (!found) co_return unavailable();
  if (!*found) co_return not_claimed(ClaimOutcome::unknown);
  const auto& expected = (*found)->expected_signer;
  if (play.idnp.empty()) play.idnp = expected && expected->id ? *expected->id : anybody;
  for (;;) {
    const auto contents = co_await ports_.store->contents(play.request_id, 0, results_at_once, true);
    if (!contents) co_return unavailable();
    if (contents->empty()) co_return std::nullopt;
    std::vector<SandboxWish> wishes;
    for (const StoredContent& content : *contents)
      wishes.push_back({play.idnp, content.digest, content.name.value_or(std::to_string(content.number + 1))});
    auto made = co_await ports_.sign(std::move(wishes));
    if (!made) co_return unavailable();
    std::vector<std::pair<std::uint32_t, std::string>> signatures;
    for (std::size_t i = 0; i < made->size(); ++i) signatures.emplace_back((*contents)[i].number, std::move((*made)[i]));
    PageReply saved = co_await ports_.save(claim(play.request_id, play.key, claim_lasts), std::move(signatures));
    if (saved.status != 200) co_return saved;
    if (saved.body.at("saved").to_number<std::size_t>() == 0) co_return saved;  // refused: it would be so again
  }
}

awaitable<PageReply> Simulation::call(std::string request_id, std::string key, std::string instrument, std::string msisdn) {
  if (!has_room(request_id)) co_return error_reply(429, "too_many", "The sandbox is busy.");
  if (late_of(request_id, key)) co_return on_its_way();
  const auto claimed = co_await ports_.store->claim(claim(request_id, key, claim_lasts), instrument);
  if (!claimed) co_return unavailable();
  if (auto refused = not_claimed(*claimed)) co_return std::move(*refused);
  if (late_of(request_id, key)) co_return on_its_way();
  Played* const known = played(request_id);
  if (known == nullptr) co_return error_reply(429, "too_many", "The sandbox is busy.");
  const auto& ringing = known->state.phone;
  if (!ringing || ringing->key != key || ringing->msisdn != msisdn) {
    known->begin_anew();
    known->state.phone = Phone{std::move(key), std::move(instrument), std::move(msisdn), drawn_code(), {}};
  }
  known->state.phone->until = ports_.now() + phone_rings;
  co_return PageReply{200, {{"code", known->state.phone->code}, {"test", true}}};
}

awaitable<std::optional<PageReply>> Simulation::answer(std::string request_id, std::optional<std::string> key, PhoneAnswer answer,
                                                       std::string idnp) {
  if (late_of(request_id)) co_return on_its_way();
  const State now = state(request_id);
  if (!now.phone || (key && *key != now.phone->key)) co_return error_reply(409, "not_waiting", "No phone waits for an answer.");
  Played* const known = played(request_id);
  if (known == nullptr) co_return error_reply(429, "too_many", "The sandbox is busy.");
  known->state = {answer == PhoneAnswer::refuse ? "user_cancelled" : "", {}};
  if (answer == PhoneAnswer::refuse) co_return std::nullopt;
  auto refused = co_await done({.request_id = request_id,
                                .key = now.phone->key,
                                .instrument = now.phone->instrument,
                                .action = Action::sign,
                                .idnp = std::move(idnp),
                                .reason = {}});
  if (refused) failed(request_id, *refused);
  co_return refused;
}

}  // namespace signet::portal
