#include "agent/command/signature_report.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <ctime>
#include <ostream>

#include "agent/messages.hpp"
#include "base/text.hpp"
#include "service/text.hpp"

namespace signet::agent {

using service::filled;
using service::tr;
namespace json = boost::json;

namespace {

constexpr std::size_t shown_name = 200;
using enum xades::SubIndication;
using Status = xades::ReferenceReport::Status;

// --- for programs

std::string_view name(Status status) {
  switch (status) {
    case Status::valid:
      return "valid";
    case Status::digest_differs:
      return "digest_differs";
    case Status::not_found:
      return "not_found";
    case Status::refused:
      break;
  }
  return "refused";
}

std::string_view name(pki::PathStatus status) {
  switch (status) {
    case pki::PathStatus::valid:
      return "valid";
    case pki::PathStatus::no_path:
      return "no_path";
    case pki::PathStatus::expired:
      return "expired";
    case pki::PathStatus::not_yet_valid:
      return "not_yet_valid";
    case pki::PathStatus::revoked:
      return "revoked";
    case pki::PathStatus::ca_revoked:
      return "ca_revoked";
    case pki::PathStatus::no_revocation_data:
      return "no_revocation_data";
    case pki::PathStatus::constraints:
      break;
  }
  return "constraints";
}

std::string_view name(pki::RevocationEvidence::Source source) {
  switch (source) {
    case pki::RevocationEvidence::Source::anchor:
      return "anchor";
    case pki::RevocationEvidence::Source::ocsp:
      return "ocsp";
    case pki::RevocationEvidence::Source::crl:
      return "crl";
    case pki::RevocationEvidence::Source::none:
      break;
  }
  return "none";
}

std::string time_or_empty(const std::optional<base::Time>& time) { return time ? base::rfc3339(*time) : std::string{}; }

json::object row_of(const pki::Certificate& certificate) {
  return {{"subject", base::shown(certificate.subject(), shown_name)},
          {"issuer", base::shown(certificate.issuer(), shown_name)},
          {"serial_number", certificate.serial_hex()},
          {"not_before", base::rfc3339(certificate.not_before())},
          {"not_after", base::rfc3339(certificate.not_after())},
          {"sha256", base::hex(certificate.fingerprint().bytes())}};
}

bool tells(const pki::RevocationEvidence& evidence) {
  return evidence.source == pki::RevocationEvidence::Source::ocsp || evidence.source == pki::RevocationEvidence::Source::crl;
}

json::object row_of(const pki::RevocationEvidence& evidence, const ReportContext& context) {
  json::object row{{"source", name(evidence.source)}};
  if (!tells(evidence)) return row;
  row["origin"] = name(context.origin_of(evidence));
  row["produced"] = base::rfc3339(evidence.produced);
  row["next_update"] = time_or_empty(evidence.next_update);
  row["revoked_later"] = time_or_empty(evidence.revoked_later);
  return row;
}

json::object row_of(const pki::PathReport& path, const ReportContext& context) {
  json::array certificates;
  for (std::size_t i = 0; i < path.chain.size(); ++i) {
    json::object row = row_of(path.chain[i]);
    row["revocation"] = row_of(i < path.evidence.size() ? path.evidence[i] : pki::RevocationEvidence{}, context);
    certificates.push_back(std::move(row));
  }
  return {{"status", name(path.status)},
          {"detail", path.detail},
          {"revoked_at", time_or_empty(path.revoked_at)},
          {"certificates", std::move(certificates)}};
}

std::string_view kind_of(const xades::ReferenceReport& reference) {
  return reference.signed_properties ? "signed_properties" : reference.in_manifest ? "manifest" : "data";
}

// "sha256:…", as --digest takes it; "" for none.
std::string shown_digest(const std::optional<base::Digest>& digest) {
  return digest ? std::string(name(digest->algorithm())) + ":" + base::hex(digest->bytes()) : std::string{};
}

std::string given_name(const xades::ReferenceReport& reference, const ReportContext& context) {
  if (!reference.datum || *reference.datum >= context.given.size()) return {};
  return base::shown(context.given[*reference.datum], shown_name);
}

json::object row_of(const xades::ReferenceReport& reference, const ReportContext& context) {
  return {{"uri", reference.uri},
          {"kind", kind_of(reference)},
          {"name", reference.within ? std::string{} : base::shown(base::percent_decoded(reference.uri), shown_name)},
          {"mime_type", reference.mime_type},
          {"digest", shown_digest(reference.digest)},
          {"enclosed_hash", shown_digest(reference.enclosed_hash)},
          {"compared_with", given_name(reference, context)},
          {"valid", reference.status == Status::valid},
          {"status", name(reference.status)},
          {"detail", reference.detail}};
}

json::object row_of(const xades::SignerStatements& statements) {
  const xades::ProductionPlace& place = statements.place;
  return {{"commitments", json::array(statements.commitment_types.begin(), statements.commitment_types.end())},
          {"roles", json::array(statements.claimed_roles.begin(), statements.claimed_roles.end())},
          {"place", json::object{{"city", place.city},
                                 {"street", place.street},
                                 {"state", place.state},
                                 {"postal_code", place.postal_code},
                                 {"country", place.country}}}};
}

json::object row_of(const xades::TimeStampFinding& stamp, const ReportContext& context) {
  return {{"kind", name(stamp.kind)},
          {"valid", stamp.holds},
          {"unchecked", stamp.unchecked},
          {"sub_indication", name(stamp.failure)},
          {"time", stamp.time == base::Time{} ? std::string{} : base::rfc3339(stamp.time)},
          {"authority", stamp.signer ? base::shown(stamp.signer->subject(), shown_name) : std::string{}},
          {"policy", stamp.policy},
          {"detail", stamp.detail},
          {"path", row_of(stamp.path, context)},
          {"warnings", json::array(stamp.warnings.begin(), stamp.warnings.end())}};
}

// --- for people

std::string readable_day(base::Time time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm local{};
  char text[100];
  if (::localtime_r(&seconds, &local) == nullptr) return base::rfc3339(time);
  // How a day is written, as strftime(3) has it.
  return {text, std::strftime(text, sizeof text, tr("%d %b %Y"), &local)};
}

const char* headline(xades::Indication indication) {
  switch (indication) {
    case xades::Indication::total_passed:
      return tr("VALID");
    case xades::Indication::total_failed:
      return tr("NOT VALID");
    case xades::Indication::indeterminate:
      break;
  }
  return tr("NOT PROVEN");
}

// Not for want of something that is not at hand: the content, trust, or revocation data.
bool is_wrong(const xades::TimeStampFinding& stamp) {
  return !stamp.holds && !stamp.unchecked && stamp.failure != no_certificate_chain_found && stamp.failure != try_later;
}

// Of time stamps the worst: that one is wrong, or that it cannot be told here and now.
std::string text_of_time_stamps(const xades::SignatureReport& report) {
  const auto any = [&](auto is_so) { return std::ranges::any_of(report.time_stamps, is_so); };
  const bool several = report.time_stamps.size() > 1;
  std::string text;
  if (any(is_wrong))
    text = several ? tr("One of the time stamps does not hold.") : tr("The time stamp does not hold.");
  else if (any([](const xades::TimeStampFinding& stamp) { return !stamp.holds && !stamp.unchecked; }))
    text = several ? tr("Of one of the time stamps it cannot be told here whether it holds.")
                   : tr("Of the time stamp it cannot be told here whether it holds.");
  else
    text = tr("A time stamp can only be checked with the document that was signed: give it with --content.");
  if (!report.proven_time) text += std::string(" ") + tr("Nothing proves when it was signed.");
  return text;
}

const char* text_of(xades::Warning::Kind kind) {
  using enum xades::Warning::Kind;
  switch (kind) {
    case older_signing_certificate:
      return tr("The certificate is named in an older form of the standard.");
    case not_baseline:
      return tr("The signature does not say of what format each signed document is.");
    case issuer_serial_differs:
      return tr("The serial number of the certificate that is noted in the signature is another one's.");
    case not_in_key_info:
      return tr("The certificate is not where a signature should have it.");
    case manifest_incomplete:
      return tr("Of the documents that the signature lists, not all were given and checked.");
    case unsigned_object:
      return tr("The file holds content beside the signature that is not signed. Do not rely on it.");
    case part_of_document:
      return tr("Only a part of this file is signed. Do not rely on the rest.");
    case claimed_after_time_stamp:
      return tr("The signer's clock was wrong: it says a later time than the time stamp.");
    case revocation_data_before_signature:
      return tr(
          "What says that the certificate was not revoked is older than the time stamp: a revocation in between would not be "
          "known.");
    case time_stamp_does_not_hold:
      return tr("One of the time stamps does not hold.");
    case weak_algorithm:
      return tr("An old algorithm was used (SHA-1). It is accepted because the policy says so.");
    case certificate_version_1:
      return tr("The signer's certificate is of an old form (X.509 version 1). It is accepted because the policy says so.");
    case counter_signatures_unverified:
      return tr("Signatures over this signature are nested too deep; those further in were not checked.");
    case beyond_limits:
      return tr("The signature carries more than is read; the rest was left out.");
    case signature_policy_unchecked:
      return tr("The signature refers to rules (a signature policy) that were not checked.");
    case signature_policy_differs:
      return tr("The signature policy that was given is not the one that the signature refers to.");
  }
  return "";
}

std::string text_of(const xades::Warning& warning, const xades::SignatureReport& report) {
  return warning.kind == xades::Warning::Kind::time_stamp_does_not_hold ? text_of_time_stamps(report) : text_of(warning.kind);
}

const char* covered(xades::TimeStampKind kind) {
  switch (kind) {
    case xades::TimeStampKind::all_data_objects:
    case xades::TimeStampKind::individual_data_objects:
      return tr("Time stamp over the document");
    case xades::TimeStampKind::archive:
      return tr("Time stamp over all, for the archive");
    case xades::TimeStampKind::signature:
      break;
  }
  return tr("Time stamp over the signature");
}

std::string from_where(EvidenceOrigin origin) {
  switch (origin) {
    case EvidenceOrigin::embedded:
      return tr("from the signature");
    case EvidenceOrigin::fetched:
      return tr("from the issuer");
    case EvidenceOrigin::given:
      break;
  }
  return tr("given here");
}

std::string joined(const xades::ProductionPlace& place) {
  std::string out;
  for (const std::string* part : {&place.city, &place.street, &place.state, &place.postal_code, &place.country})
    if (!part->empty()) out += (out.empty() ? "" : ", ") + *part;
  return out;
}

std::string from_to(const pki::Certificate& certificate) {
  const std::string first = readable_day(certificate.not_before()), last = readable_day(certificate.not_after());
  // Of what lives for hours the days say nothing.
  if (certificate.not_after() - certificate.not_before() < std::chrono::hours{72})
    return filled(tr("in force from %1 to %2"), {readable(certificate.not_before()), readable(certificate.not_after())});
  return filled(tr("in force from %1 to %2"), {first, last});
}

// --- what a verdict means

const char* as_it_was_signed() {
  return tr("ask whoever sent it for the file as it was signed; if that is the same, for a new signature.");
}

// Nothing else was found wrong than that a given document is not the one whose hash, or whose content, the signature holds.
bool differs_from_enclosed_alone(const xades::SignatureReport& report) {
  return std::ranges::all_of(report.references, [](const xades::ReferenceReport& one) {
    return one.status == Status::valid || (one.status == Status::digest_differs && one.within && one.datum);
  });
}

bool is_external_missing(const xades::SignatureReport& report) {
  return std::ranges::any_of(report.references, [](const xades::ReferenceReport& one) {
    return !one.within && !one.in_manifest && one.status != Status::valid;
  });
}

std::string unsigned_names(const xades::SignatureReport& report, const ReportContext& context) {
  std::string out;
  for (std::size_t i = 0; i < context.given.size(); ++i)
    if (std::ranges::find(report.matched_data, i) == report.matched_data.end())
      out += (out.empty() ? "" : ", ") + base::shown(context.given[i], shown_name);
  return out;
}

// The first certificate of the path of which nobody told in force whether it was revoked.
const pki::Certificate* not_known_of(const xades::SignatureReport& report) {
  if (!report.path) return nullptr;
  const pki::PathReport& path = *report.path;
  for (std::size_t i = 0; i < std::min(path.chain.size(), path.evidence.size()); ++i)
    if (path.evidence[i].source == pki::RevocationEvidence::Source::none) return &path.chain[i];
  return nullptr;
}

bool names_nobody_to_ask(const xades::SignatureReport& report) {
  const pki::Certificate* const certificate = not_known_of(report);
  return certificate != nullptr && certificate->ocsp_urls().empty() && certificate->crl_urls().empty();
}

std::string why_revocation_is_not_known(const xades::SignatureReport& report, const ReportContext& context) {
  if (names_nobody_to_ask(report))
    return tr("Whether the certificate was revoked cannot be told: it names nobody to ask, and no list in force was given.");
  if (context.offline)
    return tr(
        "Whether the certificate was revoked cannot be told: nobody was asked (--offline), and what is at hand does not say.");
  return tr("Whether the certificate was revoked cannot be told: what its issuer answered, or was given, says nothing in force.");
}

class Page {
 public:
  Page(const ReportContext& context, std::ostream& out) : context_(context), out_(out) {}

  void show(const xades::SignatureReport& report, const std::string& indent) {
    indent_ = indent;
    std::string technical(name(report.indication));
    if (report.sub_indication != none) technical += ", " + std::string(name(report.sub_indication));
    out_ << headline(report.indication) << " (" << technical << ")\n";
    line(explanation_of(report, context_));
    if (const std::string advice = advice_on(report, context_); !advice.empty()) line(filled(tr("What to do: %1"), {advice}));
    if (!report.detail.empty()) line('(' + report.detail + ')');
    show_signer(report);
    show_content(report);
    show_times(report);
    show_statements(report);
    if (report.path) show(*report.path);
    for (const xades::TimeStampFinding& stamp : report.time_stamps) show(stamp);
    for (const xades::Warning& warning : report.warnings) {
      std::string text = "! " + text_of(warning, report);
      const bool is_said = warning.kind == xades::Warning::Kind::time_stamp_does_not_hold;
      if (!warning.detail.empty() && !is_said) text += " (" + base::shown(warning.detail, shown_name) + ')';
      line(text);
    }
    for (std::size_t i = 0; i < report.counter_signatures.size(); ++i) {
      out_ << indent << "  " << filled(tr("Counter-signature %1 of %2:"), numbers(i + 1, report.counter_signatures.size()))
           << ' ';
      show(report.counter_signatures[i], indent + "  ");
      indent_ = indent;
    }
  }

 private:
  static std::vector<std::string> numbers(std::size_t one, std::size_t all) { return {std::to_string(one), std::to_string(all)}; }
  void line(const std::string& text) { out_ << indent_ << "  " << text << '\n'; }
  static std::string named(const pki::Certificate& certificate) { return base::shown(certificate.common_name(), shown_name); }

  void show_signer(const xades::SignatureReport& report) {
    const auto& certificate = report.signer ? report.signer : report.key_holder;
    if (!certificate) return;
    line(filled(report.signer ? tr("Signer: %1") : tr("Signed with the key of: %1"),
                {base::shown(certificate->subject(), shown_name)}));
    line(filled(tr("Issued by: %1"), {base::shown(certificate->issuer(), shown_name)}));
  }

  void show_content(const xades::SignatureReport& report) {
    const bool several = 1 < std::ranges::count_if(report.references, [](const xades::ReferenceReport& one) {
                           return one.within && !one.signed_properties;
                         });
    for (const xades::ReferenceReport& reference : report.references) {
      if (reference.signed_properties) {
        if (reference.status != Status::valid)
          line(filled(state_of(reference), {tr("What the signature says of itself (signed properties)")}));
      } else if (reference.within) {
        line(content_line(reference, several));
      } else {
        line(filled(state_of(reference), {document_name(reference)}));
      }
    }
  }
  std::string document_name(const xades::ReferenceReport& reference) const {
    const std::string name = base::shown(base::percent_decoded(reference.uri), shown_name),
                      given = given_name(reference, context_);
    if (given.empty() || given == name) return name;
    return filled(tr("%1 (given as %2)"), {name, given});
  }
  // What is in the file, and whether what was given is the same.
  std::string content_line(const xades::ReferenceReport& reference, bool several) const {
    const std::string given = given_name(reference, context_), hash = shown_digest(reference.enclosed_hash);
    if (!hash.empty() && given.empty() && reference.status == Status::valid)
      return filled(tr("The hash %1 is what is signed. No document was compared with it: give it with --content"), {hash});
    if (!given.empty() && reference.status == Status::valid)
      return hash.empty() ? filled(tr("%1: is the document that is signed in this file"), {given})
                          : filled(tr("%1: has the hash that is signed (%2)"), {given, hash});
    if (!given.empty() && reference.status == Status::digest_differs)
      return hash.empty() ? filled(tr("%1: is NOT the document that is signed in this file"), {given})
                          : filled(tr("%1: has ANOTHER hash than the one that is signed (%2)"), {given, hash});
    std::string what = tr("The signed content in this file");
    if (several) what += " (" + base::shown(reference.uri, shown_name) + ')';
    return filled(state_of(reference), {what});
  }
  static const char* state_of(const xades::ReferenceReport& reference) {
    switch (reference.status) {
      case Status::valid:
        return tr("%1: unchanged since it was signed");
      case Status::digest_differs:
        return tr("%1: CHANGED, or not what was signed");
      case Status::not_found:
        return reference.in_manifest ? tr("%1: listed, not given") : tr("%1: not given or not found");
      case Status::refused:
        break;
    }
    return tr("%1: cannot be read safely");
  }

  void show_times(const xades::SignatureReport& report) {
    if (report.not_signed_before) line(filled(tr("Signed after %1 (time stamp)"), {readable(*report.not_signed_before)}));
    if (report.proven_time) line(filled(tr("Signed before %1 (time stamp)"), {readable(*report.proven_time)}));
    if (report.claimed_time) line(filled(tr("Signed at %1 (the signer's own word)"), {readable(*report.claimed_time)}));
    if (report.level) line(filled(tr("Level: %1"), {std::string(profile_name(*report.level))}));
  }

  void show_statements(const xades::SignatureReport& report) {
    const xades::SignerStatements& said = report.statements;
    const std::string place = joined(said.place);
    if (!said.commitment_types.empty() || !said.claimed_roles.empty() || !place.empty() || !report.signature_policy.empty())
      line(tr("The signer states, and nobody else confirms it:"));
    for (const std::string& type : said.commitment_types) {
      const std::string named = commitment_text(type);
      line("  " + filled(tr("Commitment: %1"), {named.empty() ? type : named}));
    }
    for (const std::string& role : said.claimed_roles) line("  " + filled(tr("Role: %1"), {role}));
    if (!place.empty()) line("  " + filled(tr("Place: %1"), {place}));
    if (report.signature_policy.empty()) return;
    const char* const document =
        report.policy_document == xades::PolicyDocument::same      ? tr("its document was given and is the one that is meant")
        : report.policy_document == xades::PolicyDocument::differs ? tr("the document that was given is another one")
                                                                   : tr("its document was not compared");
    line("  " + filled(tr("Signature policy: %1"), {report.signature_policy}) + " (" + document + ')');
  }

  void show(const pki::PathReport& path) {
    for (std::size_t i = 0; i < path.chain.size(); ++i) {
      const pki::Certificate& one = path.chain[i];
      line(filled(tr("Certificate %1, %2:"), {named(one), from_to(one)}));
      line("  " + standing(path, i));
    }
  }
  std::string standing(const pki::PathReport& path, std::size_t i) const {
    if (i >= path.evidence.size()) return tr("not asked about");
    const pki::RevocationEvidence& evidence = path.evidence[i];
    if (evidence.source == pki::RevocationEvidence::Source::anchor) return tr("trusted");
    if (!tells(evidence)) return tr("whether it was revoked is not known");
    const bool revoked = path.revoked_at && is_revoked(path, i);
    const bool by_list = evidence.source == pki::RevocationEvidence::Source::crl;
    const std::string when = readable(evidence.produced);
    const std::string where = from_where(context_.origin_of(evidence));
    if (revoked)
      return filled(by_list ? tr("REVOKED since %1, says the list of %2 (CRL, %3)")
                            : tr("REVOKED since %1, says the answer of %2 (OCSP, %3)"),
                    {readable(*path.revoked_at), when, where});
    if (evidence.revoked_later)
      return filled(by_list ? tr("revoked later, since %1, says the list of %2 (CRL, %3)")
                            : tr("revoked later, since %1, says the answer of %2 (OCSP, %3)"),
                    {readable(*evidence.revoked_later), when, where});
    return filled(
        by_list ? tr("not revoked, says the list of %1 (CRL, %2)") : tr("not revoked, says the answer of %1 (OCSP, %2)"),
        {when, where});
  }
  static bool is_revoked(const pki::PathReport& path, std::size_t i) {
    if (path.status == pki::PathStatus::revoked) return i == 0;
    return path.status == pki::PathStatus::ca_revoked && i > 0 && i + 1 < path.chain.size();
  }

  void show(const xades::TimeStampFinding& stamp) {
    const char* const state = stamp.holds       ? tr("%1: holds")
                              : is_wrong(stamp) ? tr("%1: DOES NOT HOLD")
                              : stamp.unchecked ? tr("%1: cannot be checked without the document")
                                                : tr("%1: whether it holds cannot be told here");
    line(filled(state, {stamp_title(stamp)}) + " (" + std::string(name(stamp.kind)) + ')');
    if (stamp.signer)
      line("  " + filled(tr("its certificate: issued by %1, %2"),
                         {base::shown(stamp.signer->issuer(), shown_name), from_to(*stamp.signer)}));
    if (stamp.holds) return;
    line("  " + explanation_of(stamp));
    std::string why(name(stamp.failure));
    if (!stamp.detail.empty()) why += ": " + stamp.detail;
    line("  (" + base::shown(why, 2 * shown_name) + ')');
  }
  // What is known of it.
  static std::string stamp_title(const xades::TimeStampFinding& stamp) {
    const char* const what = covered(stamp.kind);
    const bool has_time = stamp.time != base::Time{};
    if (has_time && stamp.signer) return filled(tr("%1, of %2 by %3"), {what, readable(stamp.time), named(*stamp.signer)});
    if (has_time) return filled(tr("%1, of %2"), {what, readable(stamp.time)});
    return stamp.signer ? filled(tr("%1, by %2"), {what, named(*stamp.signer)}) : std::string(what);
  }

  const ReportContext& context_;
  std::ostream& out_;
  std::string indent_;
};

}  // namespace

// With the zone, because others read it too.
std::string readable(base::Time time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr) return base::rfc3339(time);
  char text[100];
  const std::size_t size = std::strftime(text, sizeof text, tr("%d %b %Y, %H:%M:%S"), &local);
  std::string out(text, size);
  const long minutes = local.tm_gmtoff / 60;
  if (minutes == 0) return out + " UTC";
  const long away = std::abs(minutes);
  char zone[32];
  const int zone_size = std::snprintf(zone, sizeof zone, " UTC%c%02ld:%02ld", minutes < 0 ? '-' : '+', away / 60, away % 60);
  return out + std::string(zone, static_cast<std::size_t>(zone_size));
}

std::string_view name(EvidenceOrigin origin) {
  switch (origin) {
    case EvidenceOrigin::embedded:
      return "embedded";
    case EvidenceOrigin::fetched:
      return "fetched";
    case EvidenceOrigin::given:
      break;
  }
  return "given";
}

std::string explanation_of(const xades::TimeStampFinding& stamp) {
  if (stamp.unchecked) return tr("it is over the document itself, which was not given, or only by its hash: --content gives it");
  if (stamp.status == pki::TimeStampStatus::signature_invalid) return tr("its own signature is not valid, or it is damaged");
  if (stamp.status == pki::TimeStampStatus::imprint_differs)
    return tr("what it is over was changed, or it belongs to something else");
  switch (stamp.failure) {
    case no_certificate_chain_found:
      return tr("its authority is not trusted here (see --trust)");
    case try_later:
      return tr("whether its authority's certificate was revoked cannot be told");
    case revoked_no_poe:
    case revoked_ca_no_poe:
      return tr("its authority's certificate is revoked, and nothing proves that it is older");
    case out_of_bounds_no_poe:
    case out_of_bounds_not_revoked:
    case no_certificate_chain_found_no_poe:
      return tr("its authority's certificate is not in force any more, and nothing proves that it is older");
    case crypto_constraints_failure:
    case crypto_constraints_failure_no_poe:
      return tr("an algorithm in it is too weak, and nothing proves that it is older");
    case timestamp_order_failure:
      return tr("it is younger than what is over it");
    default:
      return tr("its authority's certificate may not be used like this");
  }
}

std::string explanation_of(const xades::SignatureReport& report, const ReportContext& context) {
  switch (report.sub_indication) {
    case none:
      return tr("The signature is valid.");
    case format_failure:
      return tr("This is not a well-formed XAdES signature.");
    case hash_failure:
      if (report.cause == xades::Cause::signed_properties_changed)
        return tr(
            "What the signature says of itself (such as the time or the certificate) was changed after it was signed. The "
            "documents that it signs were not.");
      if (differs_from_enclosed_alone(report))
        return tr("The document that was given is not the one that was signed. What the signature holds itself is unchanged.");
      return tr("The document was changed after it was signed, or it is not the one that was signed.");
    case sig_crypto_failure:
      return tr("The signature itself was changed or is damaged.");
    case revoked:
      return tr("The signer's certificate had been revoked when it was used.");
    case expired:
      return tr("The signer's certificate had expired when it was used.");
    case not_yet_valid:
      return tr("The signer's certificate was not valid yet when it was used.");
    case revoked_no_poe:
      return tr("The signer's certificate is revoked, and nothing proves that the signature was made before.");
    case revoked_ca_no_poe:
      return tr("The certificate of the issuer is revoked, and nothing proves that the signature was made before.");
    case out_of_bounds_no_poe:
    case out_of_bounds_not_revoked:
      return tr("The signer's certificate is outside its validity, and nothing proves that the signature was made within it.");
    case revocation_out_of_bounds_no_poe:
      return tr(
          "What says that the certificate was not revoked is signed by somebody whose own certificate has ended, and nothing "
          "proves that it is older than that.");
    case no_certificate_chain_found:
      return tr("The signer's certificate does not come from a trusted authority (see --trust).");
    case no_certificate_chain_found_no_poe:
      return tr(
          "The authority of the signer's certificate was trusted once and is not any more, and nothing proves that the "
          "signature was made before.");
    case no_signing_certificate_found:
      return tr("The signer's certificate is missing or is not the one that was meant.");
    case try_later:
      return why_revocation_is_not_known(report, context);
    case signed_data_not_found:
      if (report.cause == xades::Cause::given_data_unsigned)
        return filled(tr("What is signed is there and unchanged, but a document was given that this signature is not over: %1."),
                      {unsigned_names(report, context)});
      if (!is_external_missing(report)) return tr("A part of what is signed is not in the file, or cannot be read.");
      return tr("The signed document is needed: give it with --content, or its hash with --digest.");
    case timestamp_order_failure:
      return tr("The times in the signature contradict each other.");
    case crypto_constraints_failure:
      return tr("An algorithm was too weak already when the signature was made.");
    case crypto_constraints_failure_no_poe:
      if (report.cause == xades::Cause::never_reliable)
        return tr("An algorithm is too weak to be relied on, and was so already when the signer's certificate was issued.");
      return tr("An algorithm is too weak to be relied on, and nothing proves that the signature is from when it was not.");
    case chain_constraints_failure:
      return tr("The signer's certificate, or one above it, may not be used like this.");
    case certificate_chain_general_failure:
      return tr("The certificates from the signer's to the trusted authority's do not fit together.");
    case sig_constraints_failure:
      break;
  }
  return tr("The signature lacks something that it must have.");
}

std::string advice_on(const xades::SignatureReport& report, const ReportContext& context) {
  switch (report.sub_indication) {
    case none:
      return "";
    case format_failure:
    case sig_crypto_failure:
    case no_signing_certificate_found:
      return as_it_was_signed();
    case hash_failure:
      if (report.cause == xades::Cause::signed_properties_changed) return as_it_was_signed();
      return tr("compare the document with the one that the signer has; do not rely on this one.");
    case signed_data_not_found:
      if (report.cause == xades::Cause::given_data_unsigned)
        return tr("do not take that document for signed; verify again without it, or with the signature that belongs to it.");
      if (!is_external_missing(report)) return as_it_was_signed();
      return tr("verify again with the document that was signed.");
    case no_certificate_chain_found:
      return tr(
          "find out whether you trust the issuer; if so, put its certificate into the folder of trusted ones, or name a trusted "
          "list that has it.");
    case try_later:
      if (names_nobody_to_ask(report))
        return tr("get the list of revoked certificates from its issuer, and put it into the folder of trusted ones (--trust).");
      if (context.offline)
        return tr("verify again with network, or with the issuer's list of revoked certificates in the folder of trusted ones.");
      return tr("verify again with network, or later: the issuer of the certificate could not be asked.");
    case revoked:
    case expired:
    case not_yet_valid:
    case chain_constraints_failure:
    case crypto_constraints_failure:
      return tr("do not accept it; ask for a signature with a certificate that is in force and meant for signing.");
    case revoked_no_poe:
    case revoked_ca_no_poe:
    case out_of_bounds_no_poe:
    case out_of_bounds_not_revoked:
    case no_certificate_chain_found_no_poe:
    case revocation_out_of_bounds_no_poe:
    case crypto_constraints_failure_no_poe:
      if (report.cause == xades::Cause::never_reliable)
        return tr("do not accept it: no time stamp can help. Ask for a signature with stronger algorithms and certificates.");
      return tr("ask whoever has it for a copy with a time stamp of that time; if there is none, for a new signature.");
    case certificate_chain_general_failure:
    case timestamp_order_failure:
    case sig_constraints_failure:
      break;
  }
  return tr("do not accept it; ask for a new signature, and tell the sender what is written here.");
}

json::object as_json(const xades::SignatureReport& report, const ReportContext& context) {
  json::object row{{"id", report.id},
                   {"indication", name(report.indication)},
                   {"sub_indication", name(report.sub_indication)},
                   {"integrity", name(report.integrity)},
                   {"level", report.level ? std::string(profile_name(*report.level)) : std::string{}},
                   {"signer", report.signer ? base::shown(report.signer->subject(), shown_name) : std::string{}},
                   {"claimed_time", time_or_empty(report.claimed_time)},
                   {"proven_time", time_or_empty(report.proven_time)},
                   {"not_signed_before", time_or_empty(report.not_signed_before)},
                   {"signature_policy", report.signature_policy},
                   {"signature_policy_document", name(report.policy_document)},
                   {"statements", row_of(report.statements)},
                   {"cause", name(report.cause)},
                   {"explanation", explanation_of(report, context)},
                   {"advice", advice_on(report, context)},
                   {"detail", report.detail}};
  row["signer_certificate"] = report.signer ? json::value(row_of(*report.signer)) : json::value(nullptr);
  row["key_certificate"] = report.key_holder ? json::value(row_of(*report.key_holder)) : json::value(nullptr);
  row["path"] = report.path ? json::value(row_of(*report.path, context)) : json::value(nullptr);
  json::array references, stamps, counter_signatures, warnings;
  for (const auto& reference : report.references) references.push_back(row_of(reference, context));
  for (const auto& stamp : report.time_stamps) stamps.push_back(row_of(stamp, context));
  for (const auto& counter_signature : report.counter_signatures)
    counter_signatures.push_back(as_json(counter_signature, context));
  for (const auto& warning : report.warnings)
    warnings.push_back(json::object{{"code", name(warning.kind)},
                                    {"message", text_of(warning, report)},
                                    {"detail", base::shown(warning.detail, shown_name)}});
  row["references"] = std::move(references);
  row["time_stamps"] = std::move(stamps);
  row["counter_signatures"] = std::move(counter_signatures);
  row["warnings"] = std::move(warnings);
  return row;
}

void show(const xades::SignatureReport& report, const ReportContext& context, std::ostream& out) {
  Page(context, out).show(report, "");
}

}  // namespace signet::agent
