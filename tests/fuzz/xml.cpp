#include <libxml/parser.h>
#include <openssl/err.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "property.hpp"
#include "world.hpp"
#include "xades/stamp.hpp"
#include "xades/verify.hpp"

// A signed document from anybody. The keys of the world sign the seeds and nothing else: what passes must say no more than a
// seed.

using namespace signet;
using fuzz::hold;
using xades::Indication;
using xades::Integrity;
using xades::SignatureReport;

namespace {

xades::VerifyOptions options() {
  xades::VerifyOptions out{fuzz::world().trust, fuzz::now, {}, {}};
  for (const auto& content : fuzz::contents()) {
    const auto bytes = base::as_bytes(content.bytes);
    out.data.push_back({content.name, base::Bytes(bytes.begin(), bytes.end())});
  }
  return out;
}

xades::VerifyOptions options_with_other_contents() {
  auto out = options();
  for (auto& data : out.data) std::get<base::Bytes>(data.content).back() ^= 1;
  return out;
}

// What of a report the signature covers. The order of the references too.
std::string signed_part(const SignatureReport& report) {
  std::string out = base::hex(report.signer.value().fingerprint().bytes()) + ' ' + base::rfc3339(report.claimed_time.value());
  for (const auto& reference : report.references) out += (reference.signed_properties ? " properties " : " ") + reference.uri;
  return out;
}

std::set<std::string> known_parts() {
  std::set<std::string> known;
  for (const base::Bytes& document : fuzz::seeds("xml")) {
    const auto reports = xades::verify(document, options());
    hold(reports.has_value());
    for (const SignatureReport& report : *reports) {
      hold(report.indication == Indication::total_passed);
      known.insert(signed_part(report));
    }
  }
  hold(known.size() >= 5);
  return known;
}

void check_form(const SignatureReport& report, const xades::VerifyOptions& options) {
  hold((report.indication == Indication::total_passed) == (report.sub_indication == xades::SubIndication::none));
  hold(report.references.size() <= options.limits.max_references);
  hold(base::is_utf8(report.id) && base::is_utf8(report.detail) && report.id.size() <= 1024 && report.detail.size() <= 4096);
  for (const xades::Warning& warning : report.warnings) hold(base::is_utf8(warning.detail));
  for (const auto& reference : report.references) hold(base::is_utf8(reference.uri) && base::is_utf8(reference.detail));
  if (report.signer) hold(base::is_utf8(report.signer->subject()));
}

bool detached(const SignatureReport& report) {
  return std::ranges::any_of(report.references,
                             [](const auto& reference) { return !reference.uri.empty() && !reference.uri.starts_with('#'); });
}

std::string_view view(const xmlChar* text) { return text == nullptr ? "" : reinterpret_cast<const char*>(text); }

// The text of the document outside of signatures, as somebody reads it who believes all of it signed.
void append_text(const xmlNode* node, std::string& out) {
  for (; node != nullptr; node = node->next) {
    if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) out += view(node->content);
    if (node->type == XML_ELEMENT_NODE && view(node->name) != "Signature") append_text(node->children, out);
  }
}

std::string text_of(base::BytesView document) {
  constexpr int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_HUGE;
  const base::Owned<xmlDoc, xmlFreeDoc> read{xmlReadMemory(reinterpret_cast<const char*>(document.data()),
                                                           static_cast<int>(document.size()), nullptr, nullptr, options)};
  hold(read != nullptr);
  std::string out;
  append_text(read->children, out);
  return out;
}

void check_passed(const SignatureReport& report, base::BytesView document) {
  static const std::set<std::string> known = known_parts();
  hold(report.integrity == Integrity::valid && report.path && report.path->status == pki::PathStatus::valid);
  for (const auto& reference : report.references) hold(reference.status == xades::ReferenceReport::Status::valid);
  hold(known.contains(signed_part(report)));
  for (const auto& reference : report.references) {
    if (reference.uri.empty()) hold(text_of(document) == fuzz::signed_text());
    if (reference.uri == "#part") hold(text_of(document).contains(fuzz::signed_text()));
  }
  if (!report.proven_time) return;
  hold(std::ranges::any_of(report.time_stamps, [&](const auto& stamp) {
    return stamp.status == pki::TimeStampStatus::valid && stamp.signer == fuzz::world().tsa && stamp.time == report.proven_time;
  }));
}

// A time stamp goes into any one signature, and what was found of it before is found again.
void check_stamped(const SignatureReport& report, base::BytesView document, const xades::VerifyOptions& given) {
  const std::string_view text = base::as_text(document);
  const auto plan = xades::plan_time_stamp(text, base::DigestAlgorithm::sha256, given.limits);
  if (!plan) return;
  hold(plan->begin <= plan->end && plan->end <= text.size());
  const std::string made = xades::stamped(text, *plan, base::as_bytes("no token"));
  const auto again = xades::verify(base::as_bytes(made), given);
  if (!again) return hold(again.error().code == base::ErrorCode::message_too_large);
  hold(again->size() == 1 && again->front().id == report.id);
  if (again->front().indication == Indication::total_passed) hold(report.indication == Indication::total_passed);
  if (report.level && again->front().integrity == Integrity::valid)
    hold(again->front().time_stamps.size() == std::min<std::size_t>(report.time_stamps.size() + 1, 16));
}

void check(base::BytesView document) {
  static const auto given = options();
  static const auto other = options_with_other_contents();
  const auto reports = xades::verify(document, given);
  if (!reports) {
    hold(reports.error().code == base::ErrorCode::message_invalid || reports.error().code == base::ErrorCode::message_too_large);
    return;
  }
  hold(!reports->empty() && reports->size() <= given.limits.max_signatures);
  if (reports->size() == 1) check_stamped(reports->front(), document, given);
  bool valid = false;
  for (const SignatureReport& report : *reports) {
    check_form(report, given);
    valid |= report.integrity == Integrity::valid;
    if (report.indication == Indication::total_passed) check_passed(report, document);
  }
  if (!valid) return;
  // No document that is signed by its hash holds for another one.
  const auto again = xades::verify(document, other);
  hold(again && again->size() == reports->size());
  for (std::size_t i = 0; i < again->size(); ++i) {
    if (detached((*reports)[i]) && (*reports)[i].indication == Indication::total_passed)
      hold((*again)[i].indication == Indication::total_failed && (*again)[i].integrity == Integrity::invalid);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size});
  hold(ERR_peek_error() == 0);  // nobody later takes these errors for their own
  return 0;
}
