#include "trust/trusted_list.hpp"

#include <libxml/parser.h>
#include <libxml/tree.h>

#include <algorithm>
#include <charconv>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "net/fetch.hpp"
#include "xades/verify.hpp"
#include "xades/xml_gate.hpp"

namespace signet::trust {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

constexpr std::string_view list_namespace = "http://uri.etsi.org/02231/v2#";
constexpr std::string_view signature_namespace = "http://www.w3.org/2000/09/xmldsig#";
constexpr std::string_view ca_qc = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC";
constexpr std::string_view tsa_qtst = "http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST";
constexpr std::string_view status_prefix = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/";
const base::Time eidas = std::chrono::sys_days{std::chrono::year{2016} / 7 / 1};

constexpr std::size_t max_text = 2'000;
constexpr std::size_t max_periods = 200;
constexpr std::size_t max_certificates = 64;  // of one service
constexpr std::size_t max_others = 200;
constexpr std::chrono::seconds clock_tolerance{300};

xades::VerifyLimits limits() {
  xades::VerifyLimits out;
  out.max_bytes = 32u << 20;
  out.max_nodes = 1'000'000;
  out.max_signatures = 4;  // and one too many is told as such
  out.max_references = 16;
  return out;
}

std::unexpected<base::Error> invalid(std::string detail) { return failure(ErrorCode::message_invalid, std::move(detail)); }

using Document = base::Owned<xmlDoc, xmlFreeDoc>;

std::string_view as_view(const xmlChar* text) {
  return text == nullptr ? std::string_view{} : std::string_view(reinterpret_cast<const char*>(text));
}

// The same bytes that were verified. As xades/xml_document.cpp reads them: without document type, entities, or anything loaded.
Result<Document> parse(base::BytesView bytes) {
  static const bool initialised = (xmlInitParser(), true);  // once, before any thread uses the parser
  static_cast<void>(initialised);
  const auto text = xades::utf8_text(bytes, limits());
  if (!text) return std::unexpected(text.error());
  if (const auto measured = xades::measure(*text, limits()); !measured) return std::unexpected(measured.error());
  constexpr int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC | XML_PARSE_HUGE;
  const base::Owned<xmlParserCtxt, xmlFreeParserCtxt> context{xmlNewParserCtxt()};
  if (!context) throw std::bad_alloc();
  Document document{xmlCtxtReadDoc(context.get(), reinterpret_cast<const xmlChar*>(text->c_str()), nullptr, nullptr, options)};
  if (!document || context->wellFormed == 0 || context->nsWellFormed == 0) return invalid("not well-formed XML");
  if (document->intSubset != nullptr || document->extSubset != nullptr) return invalid("a document type declaration is refused");
  return document;
}

bool is(const xmlNode* node, std::string_view name, std::string_view namespace_name = list_namespace) {
  return node->type == XML_ELEMENT_NODE && node->ns != nullptr && as_view(node->name) == name &&
         as_view(node->ns->href) == namespace_name;
}

// Elements of the list's own namespace; of no node: none.
std::vector<const xmlNode*> children(const xmlNode* node, std::string_view name) {
  std::vector<const xmlNode*> out;
  for (const xmlNode* child = node == nullptr ? nullptr : node->children; child != nullptr; child = child->next) {
    if (is(child, name)) out.push_back(child);
  }
  return out;
}

// The only one of that name; null if there are more.
const xmlNode* child(const xmlNode* node, std::string_view name) {
  const auto all = children(node, name);
  return all.size() == 1 ? all.front() : nullptr;
}

// Comments and instructions, which a signature may not cover, neither end nor split it. An element within makes it none.
std::string text_of(const xmlNode* node) {
  std::string out;
  for (const xmlNode* part = node == nullptr ? nullptr : node->children; part != nullptr; part = part->next) {
    if (part->type == XML_ELEMENT_NODE) return {};
    if (part->type == XML_TEXT_NODE || part->type == XML_CDATA_SECTION_NODE) out += as_view(part->content);
  }
  constexpr std::string_view white = " \t\r\n";
  const std::size_t first = out.find_first_not_of(white);
  if (first == out.npos) return {};
  return out.substr(first, out.find_last_not_of(white) - first + 1);
}

std::string child_text(const xmlNode* node, std::string_view name) {
  std::string text = text_of(child(node, name));
  return text.size() > max_text ? std::string{} : text;
}

// Of names in several languages the English one, or else the first.
std::string name_in(const xmlNode* names) {
  std::string found;
  for (const xmlNode* name : children(names, "Name")) {
    const base::Owned<xmlChar, [](xmlChar* text) { xmlFree(text); }> language{xmlNodeGetLang(name)};
    if (found.empty() || as_view(language.get()) == "en") found = base::shown(text_of(name), max_text);
    if (as_view(language.get()) == "en") break;
  }
  return found;
}

std::optional<std::uint64_t> number_in(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

struct Identity {
  std::vector<pki::Certificate> certificates;
  std::size_t unread = 0;
};

// ServiceDigitalIdentity (5.5.3): certificates, and other identifiers of the same, which are passed over.
void read_identity(const xmlNode* identity, Identity& out) {
  for (const xmlNode* id : children(identity, "DigitalId")) {
    for (const xmlNode* one : children(id, "X509Certificate")) {
      const auto der = base::from_base64(text_of(one));
      auto certificate = der ? pki::Certificate::from_der(*der) : base::failure(ErrorCode::parameter_invalid);
      if (certificate && out.certificates.size() < max_certificates) {
        out.certificates.push_back(std::move(*certificate));
      } else {
        ++out.unread;
      }
    }
  }
}

bool is_granted(std::string_view status, base::Time from) {
  if (!status.starts_with(status_prefix)) return false;
  status.remove_prefix(status_prefix.size());
  if (status == "granted") return true;
  return from < eidas && (status == "undersupervision" || status == "supervisionincessation" || status == "accredited");
}

// 5.5.9: what narrows or explains a service and does not change whom it vouches for.
bool is_known_extension(const xmlNode* extension) {
  for (const xmlNode* part = extension->children; part != nullptr; part = part->next) {
    if (part->type != XML_ELEMENT_NODE) continue;
    const std::string_view name = as_view(part->name);
    if (name != "AdditionalServiceInformation" && name != "ExpiredCertsRevocationInfo" && name != "Qualifications" &&
        name != "TakenOverBy")
      return false;
  }
  return true;
}

bool has_unknown_critical(const xmlNode* information) {
  for (const xmlNode* extension : children(child(information, "ServiceInformationExtensions"), "Extension")) {
    const base::Owned<xmlChar, [](xmlChar* text) { xmlFree(text); }> critical{
        xmlGetNoNsProp(extension, reinterpret_cast<const xmlChar*>("Critical"))};
    const std::string_view value = as_view(critical.get());
    if ((value == "true" || value == "1") && !is_known_extension(extension)) return true;
  }
  return false;
}

TrustService::Type type_of(std::string_view uri) {
  if (uri == ca_qc) return TrustService::Type::ca_qc;
  return uri == tsa_qtst ? TrustService::Type::tsa_qtst : TrustService::Type::other;
}

// Of ServiceInformation, or of an instance of the history, which says the same (5.6).
std::optional<TrustService::Period> read_period(const xmlNode* information) {
  const auto from = base::from_rfc3339(child_text(information, "StatusStartingTime"));
  const std::string type = child_text(information, "ServiceTypeIdentifier");
  std::string status = child_text(information, "ServiceStatus");
  if (!from || type.empty() || status.empty()) return std::nullopt;
  const bool granted = is_granted(status, *from);
  return TrustService::Period{.type = type_of(type),
                              .status_uri = std::move(status),
                              .granted = granted,
                              .from = *from,
                              .until = {},
                              .with_unknown_critical = has_unknown_critical(information)};
}

std::optional<TrustService> read_service(const xmlNode* node, const std::string& provider, TrustedList& list) {
  const xmlNode* information = child(node, "ServiceInformation");
  TrustService service;
  service.type_uri = child_text(information, "ServiceTypeIdentifier");
  service.type = type_of(service.type_uri);
  service.name = name_in(child(information, "ServiceName"));
  service.provider = provider;
  Identity identity;
  read_identity(child(information, "ServiceDigitalIdentity"), identity);
  service.certificates = std::move(identity.certificates);
  list.unread_certificates += identity.unread;
  auto current = read_period(information);
  if (!current) return std::nullopt;
  service.with_unknown_critical = current->with_unknown_critical;
  service.periods.push_back(std::move(*current));
  const auto history = children(child(node, "ServiceHistory"), "ServiceHistoryInstance");
  if (history.size() > max_periods) return std::nullopt;
  for (const xmlNode* instance : history) {
    auto period = read_period(instance);
    if (!period) return std::nullopt;
    service.periods.push_back(std::move(*period));
  }
  // Each ends where the next begins, whatever that is of: also when it was listed as another service then.
  std::ranges::sort(service.periods, std::ranges::greater{}, &TrustService::Period::from);
  for (std::size_t i = 1; i < service.periods.size(); ++i) service.periods[i].until = service.periods[i - 1].from;
  return service;
}

Result<void> read_services(const xmlNode* root, const TrustedListOptions& options, TrustedList& list) {
  for (const xmlNode* provider : children(child(root, "TrustServiceProviderList"), "TrustServiceProvider")) {
    const std::string name = name_in(child(child(provider, "TSPInformation"), "TSPName"));
    for (const xmlNode* node : children(child(provider, "TSPServices"), "TSPService")) {
      auto service = read_service(node, name, list);
      if (!service) return invalid("a service of the trusted list is not of the form");
      list.services.push_back(std::move(*service));
      if (list.services.size() > options.most_services)
        return failure(ErrorCode::message_too_large, "more services than the limit");
    }
  }
  return {};
}

void read_others(const xmlNode* scheme, TrustedList& list) {
  for (const xmlNode* pointer : children(child(scheme, "PointersToOtherTSL"), "OtherTSLPointer")) {
    if (list.others.size() == max_others) return;
    Identity identity;
    for (const xmlNode* one : children(child(pointer, "ServiceDigitalIdentities"), "ServiceDigitalIdentity"))
      read_identity(one, identity);
    list.others.push_back({child_text(pointer, "TSLLocation"), std::move(identity.certificates)});
  }
}

Result<void> read_scheme(const xmlNode* scheme, const TrustedListOptions& options, TrustedList& list) {
  const auto version = number_in(child_text(scheme, "TSLVersionIdentifier"));
  const auto sequence = number_in(child_text(scheme, "TSLSequenceNumber"));
  const auto issued = base::from_rfc3339(child_text(scheme, "ListIssueDateTime"));
  const xmlNode* next = child(scheme, "NextUpdate");
  if (!version || !sequence || !issued || next == nullptr)
    return invalid("the trusted list's scheme information is not of the form");
  if (*version != 5 && *version != 6) return invalid("a trusted list of version " + std::to_string(*version));
  list.version = static_cast<unsigned>(*version);
  list.sequence_number = *sequence;
  list.issued = *issued;
  list.territory = base::shown(child_text(scheme, "SchemeTerritory"), max_text);
  list.scheme_operator = name_in(child(scheme, "SchemeOperatorName"));
  if (!children(next, "dateTime").empty()) {
    list.next_update = base::from_rfc3339(child_text(next, "dateTime"));
    if (!list.next_update) return invalid("the trusted list's NextUpdate is not a time");
  }
  if (list.issued > options.at + clock_tolerance) return invalid("the trusted list is from the future");
  if (list.next_update && *list.next_update <= options.at)
    return invalid("the trusted list has ended: its NextUpdate was " + base::rfc3339(*list.next_update));
  if (list.sequence_number < options.least_sequence_number)
    return invalid("the trusted list's sequence number " + std::to_string(list.sequence_number) +
                   " is lower than one that is known");
  return {};
}

// Who signed the document, all of it but the signature itself; what is read of it is then signed.
Result<pki::Certificate> signer_of(base::BytesView document, const TrustedListOptions& options) {
  xades::VerifyOptions how{.trust = {}, .at = options.at, .data = {}, .limits = limits()};
  for (const pki::Certificate& signer : options.signers)
    how.trust.services.push_back({signer, pki::TrustedService::Use::certificates, base::Time::min(), {}});
  const auto reports = xades::verify(document, how);
  if (!reports) return std::unexpected(reports.error());
  if (reports->size() != 1) return invalid("the trusted list has not one signature");
  const xades::SignatureReport& report = reports->front();
  if (report.indication != xades::Indication::total_passed)
    return invalid("the trusted list's signature is not valid: " + std::string(name(report.sub_indication)) + ", " +
                   report.detail);
  if (!report.signer || std::ranges::find(options.signers, *report.signer) == options.signers.end())
    return invalid("the trusted list is signed by another");
  const bool whole = std::ranges::any_of(report.references, [](const xades::ReferenceReport& reference) {
    return reference.uri.empty() && reference.status == xades::ReferenceReport::Status::valid && !reference.signed_properties;
  });
  if (!whole) return invalid("the trusted list's signature is not over all of it");
  return *report.signer;
}

}  // namespace

Result<TrustedList> read_trusted_list(base::BytesView bytes, const TrustedListOptions& options) {
  auto signer = signer_of(bytes, options);
  if (!signer) return base::failure_of(signer);
  auto document = parse(bytes);
  if (!document) return base::failure_of(document);
  const xmlNode* root = xmlDocGetRootElement(document->get());
  if (root == nullptr || !is(root, "TrustServiceStatusList")) return invalid("not a trusted list");
  // Where the signature stands is the one place that it does not cover.
  const auto is_signature = [](const xmlNode* node) { return is(node, "Signature", signature_namespace); };
  bool at_the_root = false;
  for (const xmlNode* node = root->children; node != nullptr; node = node->next) at_the_root |= is_signature(node);
  if (!at_the_root) return invalid("the trusted list's signature is not where it belongs");
  TrustedList list;
  list.signer = std::move(*signer);
  const xmlNode* scheme = child(root, "SchemeInformation");
  if (auto read = read_scheme(scheme, options, list); !read) return base::failure_of(read);
  read_others(scheme, list);
  if (auto read = read_services(root, options, list); !read) return base::failure_of(read);
  return list;
}

std::vector<pki::TrustedService> services_of(const TrustedList& list) {
  using Use = pki::TrustedService::Use;
  std::vector<pki::TrustedService> out;
  for (const TrustService& service : list.services) {
    if (service.with_unknown_critical) continue;
    for (const TrustService::Period& period : service.periods) {
      if (period.type == TrustService::Type::other || !period.granted || period.with_unknown_critical) continue;
      const Use use = period.type == TrustService::Type::tsa_qtst ? Use::time_stamps : Use::certificates;
      for (const pki::Certificate& certificate : service.certificates)
        out.push_back({certificate, use, period.from, period.until});
    }
  }
  return out;
}

Result<TrustedList> trusted_list_at(const std::string& url, const TrustedListOptions& options, const Fetching& fetching,
                                    const std::optional<Cache>& cache, const std::atomic<bool>* cancelled) {
  const std::string key = "trusted list " + url;
  std::optional<TrustedList> known;
  std::uint64_t least = options.least_sequence_number;
  bool fresh = false;
  if (const auto kept = cache ? cache->get(key, fetching.most_list_bytes) : std::nullopt) {
    if (auto read = read_trusted_list(kept->content, options)) {
      known = std::move(*read);
      fresh = kept->fetched <= options.at && options.at - kept->fetched < fetching.fresh_for;
    }
    // One that has ended is not used any more, but nothing older is either.
    TrustedListOptions then = options;
    then.at = kept->fetched;
    if (const auto read = read_trusted_list(kept->content, then)) least = std::max(least, read->sequence_number);
  }
  if (known && (fresh || fetching.offline)) return std::move(*known);
  if (fetching.offline) return failure(ErrorCode::network_failed, "offline, and no trusted list in force is kept");

  net::FetchRequest request;
  request.url = url;
  request.timeout = fetching.timeout;
  request.max_response_bytes = fetching.most_list_bytes;
  request.public_addresses_only = !fetching.private_addresses;
  request.max_redirects = net::most_redirects;
  const auto read = [&]() -> Result<TrustedList> {
    const auto response = net::fetch(request, cancelled);
    if (!response) return std::unexpected(response.error());
    if (response->status != 200) return failure(ErrorCode::network_failed, "HTTP status " + std::to_string(response->status));
    TrustedListOptions not_older = options;
    not_older.least_sequence_number = least;
    auto list = read_trusted_list(response->body, not_older);
    if (list && cache) cache->put(key, response->body, options.at);
    return list;
  };
  auto list = read();
  if (!list && known) return std::move(*known);
  return list;
}

}  // namespace signet::trust
