#include <algorithm>

#include "base/text.hpp"
#include "only_header.hpp"
#include "page_calls.hpp"
#include "portal/identifiers.hpp"
#include "portal/page_face.hpp"

// The calls that only a sandbox answers (docs/sandbox.md).
namespace signet::portal {

using boost::asio::awaitable;

namespace {

// The key of all who show no page: none of them is held by what it asked before.
std::string key_without_page(const std::string& request_id, base::BytesView secret) {
  base::Bytes text(secret.begin(), secret.end());
  const auto rest = base::as_bytes(request_id);
  text.insert(text.end(), rest.begin(), rest.end());
  return base::hex(base::digest(base::DigestAlgorithm::sha256, text).bytes()).substr(0, 32);
}

bool is_code(std::string_view text) {
  return text.size() <= 40 && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
}

std::optional<Simulation::PhoneAnswer> phone_answer(std::string_view action) {
  if (action == "confirm") return Simulation::PhoneAnswer::confirm;
  if (action == "refuse") return Simulation::PhoneAnswer::refuse;
  return {};
}

// What is wrong with the parameters, or nothing.
std::string play_from(const boost::json::object& parameters, Simulation::Play& play) {
  const auto action = Simulation::action(text_of(parameters, "action").value_or(""));
  if (!action) return "action: sign, fail, cancel or expire";
  play.action = *action;
  play.idnp = text_of(parameters, "idnp").value_or("");
  if (!play.idnp.empty() && !is_idnp(play.idnp)) return "idnp: 13 digits";
  play.reason = text_of(parameters, "reason").value_or("");
  if (!is_code(play.reason)) return "reason: at most 40 of a-z and _";
  const auto delay = number_of(parameters, "delay_ms");
  if (!is_number_or_absent(parameters, "delay_ms") || (delay && (*delay < 0 || *delay > Simulation::longest_delay.count())))
    return "delay_ms: 0 to 600000";
  play.delay = std::chrono::milliseconds(delay.value_or(0));
  return {};
}

}  // namespace

// The named one, if it is of this kind, else the first that is.
const PageFace::Instrument* PageFace::instrument_of_kind(std::string_view kind, std::string_view named) const {
  if (const Instrument* const wanted = instrument(named); wanted != nullptr && wanted->kind == kind) return wanted;
  const auto found = std::ranges::find(options_.instruments, kind, &Instrument::kind);
  return found == options_.instruments.end() ? nullptr : &*found;
}

awaitable<PageReply> PageFace::simulated(PageToken token, std::string name, Object parameters) {
  std::optional<PageReply> refused;
  const std::string key = *key_of(parameters);
  if (name == "sandbox") {
    const auto found = co_await ports_.store->request(token.request_id, ports_.now());
    if (!found) co_return unavailable();
    const Instrument* const with = instrument_of_kind("sandbox", *found ? (*found)->instrument : "");
    Simulation::Play play{.request_id = token.request_id, .key = key, .instrument = {}, .idnp = {}, .reason = {}};
    if (with == nullptr) co_return wrong_parameter("no instrument of the kind sandbox is configured");
    if (const auto wrong = play_from(parameters, play); !wrong.empty()) co_return wrong_parameter(wrong);
    play.instrument = with->id;
    refused = co_await simulation_->play(std::move(play));
  } else if (name == "mobile") {
    const Instrument* const with = instrument_of_kind("mobile", "");
    const auto msisdn = text_of(parameters, "msisdn").value_or("");
    if (with == nullptr) co_return wrong_parameter("no instrument of the kind mobile is configured");
    if (!is_msisdn(msisdn)) co_return wrong_parameter("msisdn: 373 and 8 digits");
    co_return co_await simulation_->call(token.request_id, key, with->id, msisdn);
  } else if (name == "phone") {
    const auto answer = phone_answer(text_of(parameters, "action").value_or(""));
    if (!answer) co_return wrong_parameter("action: confirm or refuse");
    refused = co_await simulation_->answer(token.request_id, key, *answer, {});
  } else {
    co_return error_reply(404, "parameter_invalid", "no such call");
  }
  if (refused) co_return std::move(*refused);
  if (ports_.on_event) ports_.on_event("sandbox_played", {{"by", "page"}});
  co_return co_await state(std::move(token));
}

// Who knows a request's id may play its signer: here nothing that is signed is worth anything.
awaitable<PageReply> PageFace::integrator(net::HttpRequest request, std::string id) {
  if (!is_request_id(id)) co_return error_reply(404, "request_unknown", "There is no such request.");
  const auto found = co_await ports_.store->request(id, ports_.now());
  if (!found) co_return unavailable();
  if (!*found || !served_consumer(**found))
    co_return error_reply(404, "request_unknown", "There is no such request of an active consumer of the test environment.");
  if (request.method == "POST") {
    // Another site's page cannot ask like that.
    if (!request.all("origin").empty() && only(request, "origin") != options_.public_url)
      co_return error_reply(403, "parameter_invalid", "not from a page");
    if (!base::lower(only(request, "content-type")).starts_with("application/json"))
      co_return wrong_parameter("application/json is expected");
    auto parameters = object_in(request.body);
    if (!parameters) co_return wrong_parameter("a JSON object is expected");
    if (auto refused = co_await played_by_integrator(id, std::move(*parameters))) co_return std::move(*refused);
    if (ports_.on_event) ports_.on_event("sandbox_played", {{"by", "http"}});
  } else if (request.method != "GET") {
    co_return error_reply(405, "parameter_invalid", "GET or POST");
  }
  auto reply = co_await state({.request_id = id, .return_url = {}, .relay_state = {}, .made_at = {}});
  if (reply.status != 200) co_return reply;
  reply.body["test"] = true;
  if (const auto phone = simulation_->state(id).phone)
    reply.body["phone"] = Object{{"msisdn", phone->msisdn}, {"code", phone->code}};
  co_return reply;
}

awaitable<std::optional<PageReply>> PageFace::played_by_integrator(std::string id, Object parameters) {
  const std::string action = text_of(parameters, "action").value_or("");
  std::string idnp = text_of(parameters, "idnp").value_or("");
  if (const auto answer = phone_answer(action)) {
    if (!idnp.empty() && !is_idnp(idnp)) co_return wrong_parameter("idnp: 13 digits");
    co_return co_await simulation_->answer(id, {}, *answer, std::move(idnp));
  }
  const std::string kind = action == "call" ? "mobile" : "sandbox";
  const Instrument* const with = instrument_of_kind(kind, text_of(parameters, "instrument").value_or(""));
  if (with == nullptr) co_return wrong_parameter("no instrument of the kind " + kind + " is configured");
  const std::string key = key_without_page(id, ports_.token_secret);
  if (action == "call") {
    const auto msisdn = text_of(parameters, "msisdn").value_or("");
    if (!is_msisdn(msisdn)) co_return wrong_parameter("msisdn: 373 and 8 digits");
    auto called = co_await simulation_->call(id, key, with->id, msisdn);
    if (called.status != 200) co_return called;
    co_return std::nullopt;
  }
  Simulation::Play play{.request_id = id, .key = key, .instrument = with->id, .idnp = {}, .reason = {}};
  if (const auto wrong = play_from(parameters, play); !wrong.empty())
    co_return wrong_parameter(wrong + (wrong.starts_with("action") ? "; call, confirm or refuse" : ""));
  co_return co_await simulation_->play(std::move(play));
}

}  // namespace signet::portal
