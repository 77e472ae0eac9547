#include "portal/api_face.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "only_header.hpp"
#include "portal/identifiers.hpp"

namespace signet::portal {
namespace {

using boost::asio::awaitable;
using net::HttpRequest;
using net::HttpResponse;
using Answered = std::expected<std::string, Fault>;

constexpr std::size_t read_at_once = 64 * 1024;  // some hundred microseconds
constexpr std::string_view path = "/MSign.svc", lower_path = "/msign.svc";
constexpr std::size_t strangers_bytes = 256 * 1024;
constexpr std::string_view xml = "text/xml; charset=utf-8";

HttpResponse response(unsigned status, std::string_view type, std::string body) {
  HttpResponse made;
  made.status = status;
  made.headers = {{"Content-Type", std::string(type)}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  made.body = std::move(body);
  return made;
}

std::unexpected<Fault> fault(FaultCode code, std::string reason) { return std::unexpected(Fault{code, std::move(reason)}); }
std::unexpected<Fault> ours() { return fault(FaultCode::server, "The service cannot answer now. Try again later."); }

// What a proxy forwards: PEM, percent-encoded as nginx does or with its line ends as spaces, or the DER in base64.
base::Bytes forwarded_certificate(std::string_view header) {
  std::string text = header.find('%') == std::string_view::npos ? std::string(header) : base::percent_decoded(header);
  constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-----";
  if (const auto at = text.find(begin); at != std::string::npos) {
    text.erase(0, at + begin.size());
    text.resize(std::min(text.find(end), text.size()));
  }
  return base::from_base64(text).value_or(base::Bytes{});
}

bool is_any_of(const std::vector<AddressRange>& ranges, const boost::asio::ip::address& address) {
  return std::ranges::any_of(ranges, [&](const AddressRange& range) { return range.contains(address); });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view name_of(const Call& call) {
  static constexpr std::array<std::string_view, 3> names{"PostSignRequest", "GetSignResponse", "VerifySignatures"};
  return names.at(call.index());
}

}  // namespace

// Headers say who calls only where a proxy that is known wrote them: anybody can send them.
ApiFace::Caller ApiFace::caller(const HttpRequest& request) const {
  Caller caller{request.client_certificate ? *request.client_certificate : base::Bytes{}, request.remote.address};
  if (!is_any_of(options_.proxies.trusted, caller.address)) return caller;
  if (!options_.proxies.certificate_header.empty())
    caller.certificate = forwarded_certificate(only(request, options_.proxies.certificate_header));
  // From the end: each proxy appends whom it saw; what stands before the last stranger is that stranger's invention.
  std::string hops;
  for (const auto value : request.all(options_.proxies.address_header)) hops += (hops.empty() ? "" : ",") + std::string(value);
  for (std::string_view rest = hops; !rest.empty();) {
    const auto comma = rest.rfind(',');
    const auto hop = trimmed(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(0, comma);
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(std::string(hop), error);
    if (error) {  // a proxy of ours writes addresses: who wrote this is unknown, and comes from nowhere
      caller.address = boost::asio::ip::address{};
      break;
    }
    caller.address = address;
    if (!is_any_of(options_.proxies.trusted, address)) break;
  }
  return caller;
}

std::size_t ApiFace::body_bytes(const HttpRequest& head) const {
  const Caller who = caller(head);
  const auto known = ports_.identity->of(who.certificate.empty() ? nullptr : &who.certificate, who.address, ports_.now());
  return known ? options_.limits.max_bytes : strangers_bytes;
}

HttpResponse ApiFace::contract(const HttpRequest& request) const {
  const auto mark = request.target.find('?');
  const std::string query = mark == std::string::npos ? "" : base::lower(std::string_view(request.target).substr(mark + 1));
  if (query == "wsdl" || query == "singlewsdl") {
    std::string endpoint = options_.endpoint;
    if (endpoint.empty()) endpoint = "https://" + std::string(only(request, "host")) + std::string(path);
    return response(200, xml, wsdl(endpoint));
  }
  return response(200, "text/plain; charset=utf-8", "MSignService. The contract: " + std::string(path) + "?singleWsdl\n");
}

awaitable<HttpResponse> ApiFace::answer(HttpRequest request) {
  const auto where = std::string_view(request.target).substr(0, request.target.find('?'));
  if (base::lower(where) != lower_path) co_return response(404, "text/plain; charset=utf-8", "The service is at /MSign.svc\n");
  if (request.method == "GET" || request.method == "HEAD") co_return contract(request);
  if (request.method != "POST") {
    auto refused = response(405, "text/plain; charset=utf-8", "POST a SOAP 1.1 message, or GET ?singleWsdl\n");
    refused.headers.emplace_back("Allow", "GET, HEAD, POST");
    co_return refused;
  }
  if (!base::lower(only(request, "content-type")).starts_with("text/xml"))
    co_return response(415, "text/plain; charset=utf-8", "SOAP 1.1 is sent as text/xml\n");
  const Answered answered = co_await call(request);
  co_return answered ? response(200, xml, *answered) : response(500, xml, fault_response(answered.error()));
}

awaitable<Answered> ApiFace::call(const HttpRequest& request) {
  service::EventFields fields;
  std::string_view operation = "none";  // none was read
  const auto told = [&](Answered answered) {
    fields.emplace_back("operation", operation);
    fields.emplace_back("outcome", answered ? "answered" : name(answered.error().code));
    if (ports_.on_event) ports_.on_event("api_calls", fields);
    return answered;
  };
  // Who calls, before anything that was sent is looked at.
  const Caller who = caller(request);
  const auto consumer = ports_.identity->of(who.certificate.empty() ? nullptr : &who.certificate, who.address, ports_.now());
  if (!consumer) co_return told(std::unexpected(consumer.error()));
  const std::string& id = (*consumer)->id;
  fields.emplace_back("consumer", id);
  if (options_.sandbox && (*consumer)->environment == Environment::production)
    co_return told(
        fault(FaultCode::authorization_failed, "This is a sandbox: it serves consumers of the test environment alone"));
  auto read = request.body.size() > read_at_once
                  ? co_await ports_.read_large(request.body, std::string(only(request, "soapaction")))
                  : read_call(request.body, only(request, "soapaction"), options_.limits);
  if (!read) co_return told(std::unexpected(read.error()));
  operation = name_of(*read);
  if (auto* posted = std::get_if<PostSignRequest>(&*read)) co_return told(co_await post(id, std::move(posted->request)));
  if (auto* asked = std::get_if<GetSignResponse>(&*read)) co_return told(co_await get(id, std::move(*asked)));
  co_return told(co_await verify(std::move(std::get<VerifySignatures>(*read).request)));
}

awaitable<Answered> ApiFace::post(std::string consumer_id, SignRequest request) {
  const Rules rules{.allow_sha1 = options_.requests.allow_sha1, .max_sign_contents = options_.requests.max_contents};
  if (auto wrong = check(request, rules)) co_return std::unexpected(std::move(*wrong));
  if (request.expected_signer && request.expected_signer->delegator_type != DelegatorType::none) {
    if (!ports_.check_delegation)
      co_return fault(FaultCode::invalid_parameter,
                      "ExpectedSigner.DelegatorType: this service is not configured to check delegations");
    if (auto wrong = co_await ports_.check_delegation(*request.expected_signer)) co_return std::unexpected(std::move(*wrong));
  }
  NewRequest made;
  made.consumer_id = std::move(consumer_id);
  made.short_description = std::move(request.short_content_description);
  made.description = request.content_description.value_or(made.short_description);
  made.expected_signer = std::move(request.expected_signer);
  made.posted_at = ports_.now();
  made.expires_at = made.posted_at + options_.requests.expire_after;
  made.contents.reserve(request.contents.size());
  for (std::size_t i = 0; i < request.contents.size(); ++i) {
    SignContent& content = request.contents[i];
    const auto algorithm = base::digest_algorithm_of_size(content.content.size());
    const auto digest = algorithm ? base::Digest::of_value(*algorithm, content.content)
                                  : base::Result<base::Digest>(base::failure(base::ErrorCode::digest_length));
    if (!digest) co_return fault(FaultCode::invalid_parameter, "Contents[" + std::to_string(i) + "].Content: is no hash");
    made.contents.push_back({static_cast<std::uint32_t>(i), *digest, std::move(content.correlation_id), std::move(content.name)});
  }
  auto id = co_await ports_.store->post(std::move(made));
  if (!id) co_return ours();
  co_return post_sign_request_response(*id);
}

awaitable<Answered> ApiFace::get(std::string consumer_id, GetSignResponse asked) {
  if (auto wrong = check(asked)) co_return std::unexpected(std::move(*wrong));
  auto found = co_await ports_.store->fetch(std::move(asked.request_id), ports_.now());
  if (!found) co_return ours();
  if (!*found) co_return fault(FaultCode::request_not_found, "Cannot find such request");
  Store::Fetched& request = **found;
  if (request.consumer_id != consumer_id)
    co_return fault(FaultCode::authorization_failed, "This signature request was not initiated by this system");
  if (request.contents_deleted) co_return fault(FaultCode::request_not_found, "Cannot find such request");
  SignResponse made;
  made.status = request.status;
  if (request.status == SignStatus::failure || request.status == SignStatus::expired)
    made.message = ports_.message(request.status, request.reason, language_or_default(asked.language.value_or("")));
  made.results.reserve(request.results.size());
  for (StoredResult& result : request.results)
    made.results.push_back({.certificate = std::move(result.certificate),
                            .correlation_id = std::move(result.correlation_id),
                            .signature = std::move(result.signature)});
  co_return get_sign_response_response(made);
}

awaitable<Answered> ApiFace::verify(VerificationRequest request) {
  if (auto wrong = check(request, Rules{.allow_sha1 = true})) co_return std::unexpected(std::move(*wrong));
  if (!ports_.verify) co_return fault(FaultCode::server, "The service cannot verify signatures now.");
  const Language language = language_or_default(request.language.value_or(""));
  const auto verified = co_await ports_.verify(std::move(request), language);
  if (!verified) co_return ours();
  co_return verify_signatures_response(*verified);
}

}  // namespace signet::portal
