#include "portal/page_face.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <set>

#include "base/text.hpp"
#include "only_header.hpp"
#include "page_calls.hpp"
#include "portal/form.hpp"
#include "portal/identifiers.hpp"
#include "service/files.hpp"

namespace signet::portal {

namespace json = boost::json;
using boost::asio::awaitable;
using net::HttpRequest;
using net::HttpResponse;

namespace {

constexpr std::size_t page_file_bytes = 4u << 20;
constexpr std::size_t relay_state_bytes = 16 * 1024;
constexpr std::size_t url_bytes = 4 * 1024;
constexpr std::size_t names_shown = 200;
constexpr std::uint32_t contents_at_once = 5'000;
// A page may stay open over a long meeting; the request itself ends earlier.
constexpr std::chrono::hours token_lasts{24 * 31};

// Phones confirm in a sandbox alone, where they are simulated. The contract names the instrument: where it is asked for, people
// read why.
constexpr std::string_view no_phones = "no_phones";
const PageFace::Instrument& mobile_elsewhere() {
  static const PageFace::Instrument shown{.id = "mobile", .kind = "mobile", .issuers = {}, .unavailable = no_phones};
  return shown;
}

// The contract's parameter, else the browser's first known language, else Romanian.
Language language_of(const Form& form, const HttpRequest& request) {
  if (const auto named = form.value("lang")) return language_or_default(base::lower(*named));
  std::string_view rest = only(request, "accept-language");
  while (!rest.empty()) {
    const auto end = std::min(rest.find(','), rest.size());
    std::string tag = base::lower(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    tag.erase(0, std::min(tag.find_first_not_of(' '), tag.size()));
    for (const std::string_view known : {"ro", "ru", "en"})
      if (tag.starts_with(known)) return language_or_default(known);
  }
  return Language::ro;
}

// A block of data in a page: nothing in it may end the block, or be read as markup by an old parser.
std::string in_script(std::string text) {
  std::string safe;
  safe.reserve(text.size() + text.size() / 16);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '<' || c == '>' || c == '&') {
      safe += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    } else if (text.compare(i, 3, "\u2028") == 0 || text.compare(i, 3, "\u2029") == 0) {
      safe += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string replaced(std::string text, std::string_view mark, std::string_view value) {
  if (const auto at = text.find(mark); at != std::string::npos) text.replace(at, mark.size(), value);
  return text;
}

// "https://a.example:444" of "https://a.example:444/b?c".
std::string origin_of(std::string_view url) {
  const auto host = url.find("://");
  return host == std::string_view::npos ? std::string{} : std::string(url.substr(0, url.find_first_of("/?#", host + 3)));
}

struct Refused {
  unsigned status;
  std::string_view code, message;
};

// The sdk's codes. Whoever has a request's link can send others: they have one name together where they are logged and counted.
std::string known_reason(std::string_view reason) {
  static constexpr std::array<std::string_view, 6> of_the_sdk{"not_running",    "no_answer",       "blocked_by_browser",
                                                              "blocked_by_csp", "connection_lost", "file_unreadable"};
  bool known = std::ranges::find(of_the_sdk, reason) != of_the_sdk.end();
  for (int code = 0; code <= static_cast<int>(base::ErrorCode::internal); ++code)
    known = known || base::name(static_cast<base::ErrorCode>(code)) == reason;
  return known ? std::string(reason) : "other";
}

std::string_view status_name(SignStatus status) {
  static constexpr std::array<std::string_view, 4> names{"pending", "success", "failure", "expired"};
  return names.at(static_cast<std::size_t>(status));
}

}  // namespace

base::Result<std::map<std::string, PageFile>> page_files(const std::filesystem::path& folder) {
  struct Known {
    std::string_view name, type;
  };
  static constexpr std::array<Known, 4> known{{{"index.html", "text/html; charset=utf-8"},
                                               {"page.css", "text/css; charset=utf-8"},
                                               {"page.js", "text/javascript; charset=utf-8"},
                                               {"favicon.svg", "image/svg+xml"}}};
  std::map<std::string, PageFile> files;
  for (const auto& [name, type] : known) {
    auto content = service::read_file(folder / name, page_file_bytes);
    if (!content) return base::failure_of(content);
    const auto digest = base::digest(base::DigestAlgorithm::sha256, *content);
    files.emplace("/" + std::string(name), PageFile{std::string(type), std::string(base::as_text(*content)),
                                                    "\"" + base::hex(digest.bytes()).substr(0, 16) + "\""});
  }
  return files;
}

PageFace::PageFace(Options options, PagePorts ports) : options_(std::move(options)), ports_(std::move(ports)) {
  if (!ports_.sandbox_sign) {
    for (Instrument& known : options_.instruments)
      if (known.kind == mobile_elsewhere().kind) known.unavailable = no_phones;
    return;
  }
  simulation_ = std::make_unique<Simulation>(
      Simulation::Ports{.store = ports_.store,
                        .now = ports_.now,
                        .sign = ports_.sandbox_sign,
                        .save = [this](Claim claim, std::vector<std::pair<std::uint32_t, std::string>> signatures) {
                          return save_judged(std::move(claim), std::move(signatures), Stamping::usual);
                        }});
}

HttpResponse PageFace::page(unsigned status, std::string_view language, Object data, std::string_view return_url) const {
  const std::string way_back = return_url.empty() ? "" : " " + origin_of(return_url);
  HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Cache-Control", "no-store"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Content-Language", std::string(language)},
                      {"Content-Security-Policy",
                       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' "
                       "ws://127.0.0.1:* ws://localhost:*; "
                       "form-action 'self'" +
                           way_back + "; frame-ancestors 'none'; base-uri 'none'"}};
  data["language"] = language;
  if (options_.sandbox) data["test"] = true;
  const std::string& html = options_.files.at("/index.html").content;
  response.body = replaced(replaced(html, "{{language}}", language), "{{data}}", in_script(json::serialize(data)));
  return response;
}

HttpResponse PageFace::file(const HttpRequest& request, const PageFile& file) const {
  HttpResponse response;
  response.headers = {{"Content-Type", file.content_type},
                      {"Cache-Control", "no-cache"},
                      {"ETag", file.etag},
                      {"X-Content-Type-Options", "nosniff"}};
  if (only(request, "if-none-match") == file.etag) {
    response.status = 304;
  } else {
    response.body = file.content;
  }
  return response;
}

const PageFace::Instrument* PageFace::instrument(std::string_view id) const {
  const auto found = std::ranges::find(options_.instruments, id, &Instrument::id);
  return found == options_.instruments.end() ? nullptr : &*found;
}

// Whose the request is, if its pages are here: a sandbox, which may share its database, has none of production.
std::optional<Consumer> PageFace::served_consumer(const StoredRequest& request) const {
  auto consumer = ports_.consumer(request.consumer_id);
  if (!consumer || !consumer->active || (simulation_ && consumer->environment != Environment::test)) return {};
  return consumer;
}

// What a page may name and show: what is configured, and the mobile signature where it is not.
const PageFace::Instrument* PageFace::shown_instrument(std::string_view id) const {
  const Instrument* const configured = instrument(id);
  return configured == nullptr && id == mobile_elsewhere().id ? &mobile_elsewhere() : configured;
}

PageFace::Object PageFace::way_back(const PageToken& token) const {
  Object fields{{"RequestID", token.request_id}};
  if (token.relay_state) fields["RelayState"] = *token.relay_state;
  return {{"url", token.return_url}, {"fields", std::move(fields)}};
}

PageFace::Object PageFace::state_of(const StoredRequest& request, const PageToken& token) {
  Object state{{"status", status_name(request.status)}, {"reason", request.reason}, {"signed", request.results}};
  if (simulation_ && request.status == SignStatus::pending) state["reason"] = simulation_->state(request.id).reason;
  state["held"] = request.status == SignStatus::pending && request.claimed_until > ports_.now();
  if (request.status != SignStatus::pending && !token.return_url.empty()) state["return"] = way_back(token);
  return state;
}

std::size_t PageFace::body_bytes(const HttpRequest& head) const {
  constexpr std::size_t form = 128 * 1024, signatures = 4u << 20;
  if (only(head, "origin") != options_.public_url) return form;
  const auto token = opened(only(head, "signet-page"), ports_.token_secret);
  return token || head.target == "/verify" ? signatures : form;
}

HttpResponse PageFace::json_response(PageReply reply) {
  HttpResponse response;
  response.status = reply.status;
  response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  response.body = json::serialize(reply.body);
  return response;
}

awaitable<HttpResponse> PageFace::answer(HttpRequest request) {
  const auto where = std::string_view(request.target).substr(0, request.target.find('?'));
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (const auto found = options_.files.find(std::string(where));
      found != options_.files.end() && where != "/index.html" && reads)
    co_return file(request, found->second);
  // The form is case-sensitive nowhere but here: ids are hexadecimal digits in lower case, and people may paste them.
  if (!where.starts_with('/')) co_return page(404, name(Language::ro), {{"page", "error"}, {"code", "request_unknown"}}, "");
  const auto slash = where.find('/', 1);
  const std::string id = base::lower(where.substr(1, slash == std::string_view::npos ? std::string_view::npos : slash - 1));
  if (is_request_id(id) && slash == std::string_view::npos && (reads || request.method == "POST"))
    co_return co_await open(std::move(request), id);
  if (is_request_id(id) && slash != std::string_view::npos && request.method == "POST") {
    const std::string name(where.substr(slash + 1));
    co_return json_response(co_await call(std::move(request), id, name));
  }
  if (simulation_ && where.starts_with("/sandbox/")) {
    std::string wanted = base::lower(where.substr(std::string_view("/sandbox/").size()));
    co_return json_response(co_await integrator(std::move(request), std::move(wanted)));
  }
  if (where == "/verify" && ports_.verify) {
    if (reads) {
      Form form;
      if (const auto mark = request.target.find('?'); mark != std::string::npos)
        form.add(std::string_view(request.target).substr(mark + 1));
      co_return page(200, name(language_of(form, request)), {{"page", "verify"}, {"test", options_.sandbox}}, "");
    }
    if (request.method == "POST") co_return json_response(co_await verify(std::move(request)));
  }
  const Form none;
  co_return page(404, name(language_of(none, request)), {{"page", "error"}, {"code", "request_unknown"}}, "");
}

awaitable<HttpResponse> PageFace::open(HttpRequest request, std::string id) {
  Form form;
  if (request.method == "POST" && base::lower(only(request, "content-type")).starts_with("application/x-www-form-urlencoded"))
    form.add(request.body);
  if (const auto mark = request.target.find('?'); mark != std::string::npos)
    form.add(std::string_view(request.target).substr(mark + 1));
  const std::string_view language = name(language_of(form, request));
  const auto error = [&](unsigned status, std::string_view code) {
    return page(status, language, {{"page", "error"}, {"code", code}}, "");
  };
  const auto wrong = [&](std::string_view code, std::string_view parameter, std::string_view host = {}) {
    Object data{{"page", "error"}, {"code", code}, {"parameter", parameter}};
    if (!host.empty()) data["host"] = host;
    return page(400, language, std::move(data), "");
  };

  auto found = co_await ports_.store->request(id, ports_.now());
  if (ports_.on_event)
    ports_.on_event("page_opened", {{"outcome", !found    ? "failed"
                                                : !*found ? "unknown"
                                                          : std::string(status_name((*found)->status))}});
  if (!found) co_return error(500, "internal");
  if (!*found || (*found)->contents_deleted) co_return error(404, "request_unknown");
  const StoredRequest& asked = **found;
  const auto consumer = served_consumer(asked);
  if (!consumer) co_return error(404, "request_unknown");
  PageToken token{.request_id = id,
                  .return_url = form.value("returnurl").value_or(""),
                  .relay_state = form.value("relaystate"),
                  .made_at = ports_.now()};
  if (token.return_url.empty()) co_return wrong("return_url_missing", "ReturnUrl");
  if (token.return_url.size() > url_bytes || !return_url_allowed(*consumer, token.return_url))
    co_return wrong("return_url_refused", "ReturnUrl", return_url_host(token.return_url));
  // What cannot be returned unmodified is not taken.
  if (token.relay_state && (token.relay_state->size() > relay_state_bytes || !base::is_utf8(*token.relay_state)))
    co_return wrong("parameter_invalid", "RelayState");
  const auto named = form.value("instrument");
  const auto msisdn = form.value("msisdn");
  if (msisdn && !msisdn->empty() && !is_msisdn(*msisdn)) co_return wrong("parameter_invalid", "MSISDN");

  Object data{{"request", id},
              {"test", consumer->environment == Environment::test},
              {"consumer", base::shown(consumer->name, 200)},
              {"short_description", base::shown(asked.short_description, 400)},
              {"description", base::shown(asked.description, 4'000)}};
  Object documents{{"count", asked.contents}, {"signed", asked.results}};
  data["documents"] = documents;
  if (asked.status != SignStatus::pending) {
    data["page"] = "ended";
    data["status"] = status_name(asked.status);
    data["reason"] = asked.reason;
    data["return"] = way_back(token);
    co_return page(200, language, std::move(data), token.return_url);
  }
  auto first = co_await ports_.store->contents(id, 0, names_shown, false);
  if (!first) co_return error(500, "internal");
  json::array names;
  for (const StoredContent& content : *first) {
    const auto& shown = content.name ? content.name : content.correlation_id;
    names.push_back(shown ? json::value(base::shown(*shown, 1'024)) : json::value());
  }
  documents["names"] = std::move(names);
  data["documents"] = std::move(documents);
  data["page"] = "sign";
  data["expires"] = base::rfc3339(asked.expires_at);
  if (asked.expected_signer && asked.expected_signer->delegator_type != DelegatorType::none)
    data["on_behalf_of"] = {{"type", name(asked.expected_signer->delegator_type)},
                            {"id", base::shown(asked.expected_signer->delegator_id.value_or(""), 40)}};
  if (simulation_ && asked.expected_signer && asked.expected_signer->id) data["expected_signer"] = *asked.expected_signer->id;
  json::array instruments;
  const auto show = [&](const Instrument& one) {
    instruments.push_back(
        Object{{"id", one.id}, {"kind", one.kind}, {"available", one.unavailable.empty()}, {"reason", one.unavailable}});
  };
  std::ranges::for_each(options_.instruments, show);
  if (named && !named->empty()) {
    const std::string wanted = base::lower(*named);
    const Instrument* const with = shown_instrument(wanted);
    if (with == nullptr) co_return wrong("parameter_invalid", "Instrument");
    if (with == &mobile_elsewhere()) show(*with);
    data["instrument"] = wanted;
  }
  data["instruments"] = std::move(instruments);
  if (msisdn && !msisdn->empty()) data["msisdn"] = *msisdn;
  data["held"] = asked.claimed_until > ports_.now();
  if (!options_.install_url.empty()) data["agent"] = {{"install_url", options_.install_url}};
  data["return_origin"] = origin_of(token.return_url);
  data["token"] = sealed(token, ports_.token_secret);
  co_return page(200, language, std::move(data), token.return_url);
}

// Anybody may ask: nothing is stored, and no secret is told.
awaitable<PageReply> PageFace::verify(HttpRequest request) {
  if (only(request, "origin") != options_.public_url ||
      !base::lower(only(request, "content-type")).starts_with("application/json"))
    co_return error_reply(403, "token_invalid", "Load the page again.");
  const auto parameters = object_in(request.body);
  const auto signature = parameters ? text_of(*parameters, "signature") : std::nullopt;
  const auto digest = parameters ? text_of(*parameters, "digest") : std::nullopt;
  const auto hash = digest ? base::from_base64(*digest) : base::Result<base::Bytes>(base::Bytes{});
  const bool absent = signature && (!parameters->contains("digest") || parameters->at("digest").is_null());
  if (!signature || !hash || (!absent && !base::digest_algorithm_of_size(hash->size())))
    co_return error_reply(400, "parameter_invalid", "signature, digest");
  VerificationContent content{
      .content = {}, .correlation_id = {}, .signature = base::Bytes(signature->begin(), signature->end())};
  if (digest) content.content = *hash;
  const auto language = language_or_default(text_of(*parameters, "language").value_or(""));
  const auto verified = co_await ports_.verify(std::move(content), language, request.remote.address);
  if (!verified) co_return error_reply(503, "too_many", "Others have theirs verified: try again in a while.");
  const VerificationResult& result = *verified;
  json::array signatures;
  for (const VerificationCertificate& one : result.certificates) {
    // The message is of the worst: where one is bad, a good one beside it has none.
    Object shown{{"valid", one.signature_valid},
                 {"message", one.signature_valid == result.signatures_valid ? result.message : ""},
                 {"subject", one.subject}};
    if (one.signed_at) shown["signed_at"] = base::rfc3339(*one.signed_at);
    signatures.push_back(std::move(shown));
  }
  if (signatures.empty()) signatures.push_back(Object{{"valid", false}, {"message", result.message}, {"subject", ""}});
  co_return PageReply{200, {{"signatures", std::move(signatures)}}};
}

awaitable<PageReply> PageFace::call(HttpRequest request, std::string id, std::string name) {
  // Another site's page can post here, but neither with our origin nor with a token.
  const auto origin = only(request, "origin");
  auto token = opened(only(request, "signet-page"), ports_.token_secret);
  if (origin != options_.public_url || !token || token->request_id != id || token->made_at + token_lasts < ports_.now())
    co_return error_reply(403, "token_invalid", "Load the page again.");
  if (!base::lower(only(request, "content-type")).starts_with("application/json"))
    co_return error_reply(400, "parameter_invalid", "application/json is expected");
  auto parsed = object_in(request.body);
  if (!parsed) co_return error_reply(400, "parameter_invalid", "a JSON object is expected");
  Object parameters = std::move(*parsed);
  // The register may have changed since the page was opened.
  const auto asked = co_await ports_.store->request(id, ports_.now());
  if (!asked) co_return unavailable();
  const auto consumer = *asked ? served_consumer(**asked) : std::nullopt;
  if (!consumer || !return_url_allowed(*consumer, token->return_url))
    co_return error_reply(403, "token_invalid", "Load the page again.");
  if (name == "state") co_return co_await state(std::move(*token));
  if (!key_of(parameters)) co_return error_reply(400, "parameter_invalid", "key: 32 hexadecimal digits");
  if (name == "claim") co_return co_await claim(std::move(*token), std::move(parameters));
  if (name == "contents") co_return co_await contents(std::move(*token), std::move(parameters));
  if (name == "save") co_return co_await save(std::move(*token), std::move(parameters));
  if (name == "release") co_return co_await release(std::move(*token), std::move(parameters));
  if (name == "give_up") co_return co_await give_up(std::move(*token), std::move(parameters));
  if (simulation_) co_return co_await simulated(std::move(*token), name, std::move(parameters));
  co_return error_reply(404, "parameter_invalid", "no such call");
}

awaitable<PageReply> PageFace::claim(PageToken token, Object parameters) {
  const Instrument* const with = shown_instrument(text_of(parameters, "instrument").value_or(""));
  if (with == nullptr) co_return error_reply(400, "parameter_invalid", "instrument");
  if (!with->unavailable.empty()) co_return error_reply(400, "instrument_unavailable", with->unavailable);
  const Claim wish{token.request_id, *key_of(parameters), ports_.now(), ports_.now() + claim_lasts};
  const auto outcome = co_await ports_.store->claim(wish, with->id);
  if (!outcome) co_return unavailable();
  if (auto refused = not_claimed(*outcome)) co_return std::move(*refused);
  const auto found = co_await ports_.store->request(token.request_id, ports_.now());
  if (!found || !*found) co_return unavailable();
  json::array issuers;
  for (const pki::Certificate& issuer : with->issuers) {
    unsigned char* der = nullptr;
    const int size = i2d_X509_NAME(X509_get_subject_name(issuer.native()), &der);
    if (size <= 0) continue;
    issuers.push_back(json::value(base::base64({der, static_cast<std::size_t>(size)})));
    OPENSSL_free(der);
  }
  Object filter{{"issuers", std::move(issuers)}};
  if ((*found)->expected_signer && (*found)->expected_signer->id) filter["subject_serial"] = *(*found)->expected_signer->id;
  PageReply reply;
  reply.body = {{"until", base::rfc3339(wish.until)},
                {"unsigned", (*found)->contents - (*found)->results},
                {"certificates", std::move(filter)},
                {"level", xades::name(options_.level)}};
  co_return reply;
}

awaitable<PageReply> PageFace::contents(PageToken token, Object parameters) {
  const auto after = number_of(parameters, "after");
  const auto count = number_of(parameters, "count").value_or(contents_at_once);
  if (!is_number_or_absent(parameters, "after") || !is_number_or_absent(parameters, "count") ||
      (after && (*after < 0 || *after > 1'000'000)) || count < 1 || count > contents_at_once)
    co_return error_reply(400, "parameter_invalid", "after, count");
  const auto first = after ? static_cast<std::uint32_t>(*after) + 1 : 0;
  const auto found = co_await ports_.store->contents(token.request_id, first, static_cast<std::uint32_t>(count), true);
  if (!found) co_return unavailable();
  json::array items;
  for (const StoredContent& content : *found) {
    Object item{{"number", content.number},
                {"algorithm", base::name(content.digest.algorithm())},
                {"digest", base::base64(content.digest.bytes())}};
    const auto& shown = content.name ? content.name : content.correlation_id;
    item["name"] = shown ? base::shown(*shown, 200) : std::to_string(content.number + 1);
    items.push_back(std::move(item));
  }
  co_return PageReply{200, {{"items", std::move(items)}}};
}

awaitable<PageReply> PageFace::save(PageToken token, Object parameters) {
  const json::value* const given = parameters.if_contains("results");
  if (given == nullptr || !given->is_array() || given->as_array().size() > results_at_once)
    co_return error_reply(400, "parameter_invalid", "results");
  std::vector<std::pair<std::uint32_t, std::string>> signatures;
  std::set<std::uint32_t> numbers;
  for (const json::value& one : given->as_array()) {
    const json::object* const object = one.if_object();
    const auto number = object != nullptr ? number_of(*object, "number") : std::nullopt;
    auto signature = object != nullptr ? text_of(*object, "signature") : std::nullopt;
    if (!number || *number < 0 || *number > 1'000'000 || !signature ||
        !numbers.insert(static_cast<std::uint32_t>(*number)).second)
      co_return error_reply(400, "parameter_invalid", "results");
    signatures.emplace_back(static_cast<std::uint32_t>(*number), std::move(*signature));
  }
  const json::value* const again = parameters.if_contains("again");
  const bool is_again = again != nullptr && again->is_bool() && again->as_bool();
  const Claim held{token.request_id, *key_of(parameters), ports_.now(), ports_.now() + claim_lasts};
  PageReply reply = co_await save_judged(held, std::move(signatures), is_again ? Stamping::anew : Stamping::usual);
  if (reply.status == 200 && reply.body.at("missing") == 0 && !token.return_url.empty()) reply.body["return"] = way_back(token);
  co_return reply;
}

// Judged first, saved together; what was refused stays unsigned. What has its result already is neither judged nor stamped again.
awaitable<PageReply> PageFace::save_judged(Claim claim, std::vector<std::pair<std::uint32_t, std::string>> signatures,
                                           Stamping stamping) {
  const auto found = co_await ports_.store->request(claim.request_id, ports_.now());
  if (!found) co_return unavailable();
  if (!*found || !served_consumer(**found)) co_return error_reply(404, "request_unknown", "There is no such request.");
  const StoredRequest& request = **found;
  // Whoever does not hold the request makes no work for those who judge.
  const auto held = co_await ports_.store->claim(claim, request.instrument);
  if (!held) co_return unavailable();
  if (auto not_held = not_claimed(*held)) co_return std::move(*not_held);
  const Instrument* const with = instrument(request.instrument);
  if (with == nullptr) co_return error_reply(400, "parameter_invalid", "claim the request with an instrument first");
  if (stamping == Stamping::anew && ports_.stamp_anew) ports_.stamp_anew();
  std::ranges::sort(signatures, {}, &std::pair<std::uint32_t, std::string>::first);
  std::vector<StoredContent> missing;
  if (!signatures.empty()) {
    const std::uint32_t first = signatures.front().first, last = signatures.back().first;
    if (last >= request.contents) co_return error_reply(400, "parameter_invalid", "results: no such number");
    auto contents = co_await ports_.store->contents(claim.request_id, first, last - first + 1, true);
    if (!contents) co_return unavailable();
    missing = std::move(*contents);
  }
  std::vector<std::pair<std::string, Wanted>> questions;
  std::vector<const StoredContent*> asked;
  json::array refused;
  for (auto& [number, signature] : signatures) {
    const auto content = std::ranges::lower_bound(missing, number, {}, &StoredContent::number);
    if (content == missing.end() || content->number != number) continue;
    Wanted wanted{.digest = content->digest, .signer_idnp = {}, .issuers = with->issuers, .posted_at = request.posted_at};
    if (request.expected_signer) wanted.signer_idnp = request.expected_signer->id;
    questions.emplace_back(std::move(signature), std::move(wanted));
    asked.push_back(&*content);
  }
  std::vector<StoredResult> good;
  std::vector<std::expected<Accepted, Refusal>> verdicts;
  if (!questions.empty()) verdicts = co_await ports_.judge(questions);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i]) {
      const auto der = verdicts[i]->signer.der();
      good.push_back({.number = asked[i]->number,
                      .correlation_id = asked[i]->correlation_id,
                      .signature = std::move(verdicts[i]->stamped).value_or(std::move(questions[i].first)),
                      .certificate = base::Bytes(der.begin(), der.end())});
    } else {
      refused.push_back(Object{{"number", asked[i]->number}, {"code", name(verdicts[i].error())}});
    }
  }
  const std::size_t good_count = good.size();
  claim.now = ports_.now();
  claim.until = claim.now + claim_lasts;
  const auto saved = co_await ports_.store->save(claim, std::move(good));
  if (!saved) co_return unavailable();
  if (auto not_saved = not_claimed(saved->claim)) co_return std::move(*not_saved);
  PageReply reply;
  reply.body = {{"saved", saved->saved},
                {"refused", std::move(refused)},
                {"missing", saved->missing},
                {"status", saved->missing == 0 ? "success" : "pending"}};
  if (ports_.on_event)
    ports_.on_event("results_saved", {{"instrument", request.instrument},
                                      {"saved", std::to_string(saved->saved)},
                                      {"refused", std::to_string(verdicts.size() - good_count)},
                                      {"outcome", saved->missing == 0 ? "success" : "pending"}});
  co_return reply;
}

awaitable<PageReply> PageFace::release(PageToken token, Object parameters) {
  const auto released = co_await ports_.store->release(token.request_id, *key_of(parameters));
  if (!released) co_return unavailable();
  co_return PageReply{};
}

awaitable<PageReply> PageFace::give_up(PageToken token, Object parameters) {
  const auto reason = text_of(parameters, "reason").value_or("");
  if (reason.empty() || reason.size() > 40 || reason.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos)
    co_return error_reply(400, "parameter_invalid", "reason: at most 40 of a-z and _");
  const auto outcome = co_await ports_.store->give_up(
      Claim{token.request_id, *key_of(parameters), ports_.now(), ports_.now() + claim_lasts}, reason);
  if (!outcome) co_return unavailable();
  if (auto refused = not_claimed(*outcome)) co_return std::move(*refused);
  if (ports_.on_event) ports_.on_event("given_up", {{"reason", known_reason(reason)}});
  co_return co_await state(std::move(token));
}

awaitable<PageReply> PageFace::state(PageToken token) {
  const auto found = co_await ports_.store->request(token.request_id, ports_.now());
  if (!found) co_return unavailable();
  if (!*found) co_return error_reply(404, "request_unknown", "There is no such request.");
  co_return PageReply{200, state_of(**found, token)};
}

}  // namespace signet::portal
