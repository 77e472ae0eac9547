#include "agent/command/signature_report.hpp"

#include <boost/json.hpp>
#include <ctime>
#include <ostream>

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

json::object row_of(const pki::RevocationEvidence& evidence, const OriginOf& origin) {
  json::object row{{"source", name(evidence.source)}};
  if (!tells(evidence)) return row;
  row["origin"] = name(origin(evidence));
  row["produced"] = base::rfc3339(evidence.produced);
  row["next_update"] = time_or_empty(evidence.next_update);
  row["revoked_later"] = time_or_empty(evidence.revoked_later);
  return row;
}

json::object row_of(const pki::PathReport& path, const OriginOf& origin) {
  json::array certificates;
  for (std::size_t i = 0; i < path.chain.size(); ++i) {
    json::object row = row_of(path.chain[i]);
    row["revocation"] = row_of(i < path.evidence.size() ? path.evidence[i] : pki::RevocationEvidence{}, origin);
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

json::object row_of(const xades::ReferenceReport& reference) {
  return {{"uri", reference.uri},
          {"kind", kind_of(reference)},
          {"valid", reference.status == Status::valid},
          {"status", name(reference.status)},
          {"detail", reference.detail}};
}

json::object row_of(const xades::TimeStampFinding& stamp, const OriginOf& origin) {
  return {{"kind", name(stamp.kind)},
          {"valid", stamp.holds},
          {"sub_indication", name(stamp.failure)},
          {"time", stamp.time == base::Time{} ? std::string{} : base::rfc3339(stamp.time)},
          {"authority", stamp.signer ? base::shown(stamp.signer->subject(), shown_name) : std::string{}},
          {"policy", stamp.policy},
          {"detail", stamp.detail},
          {"path", row_of(stamp.path, origin)},
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
      return tr("kept in the signature");
    case EvidenceOrigin::fetched:
      return tr("asked for at its issuer");
    case EvidenceOrigin::given:
      break;
  }
  return tr("given");
}

class Page {
 public:
  Page(const OriginOf& origin, std::ostream& out) : origin_(origin), out_(out) {}

  void show(const xades::SignatureReport& report, const std::string& indent) {
    indent_ = indent;
    std::string technical(name(report.indication));
    if (report.sub_indication != none) technical += ", " + std::string(name(report.sub_indication));
    out_ << headline(report.indication) << " (" << technical << ")\n";
    line(explanation_of(report));
    if (const char* advice = advice_on(report); *advice != '\0') line(filled(tr("What to do: %1"), {advice}));
    if (!report.detail.empty()) line('(' + report.detail + ')');
    show_signer(report);
    show_content(report);
    show_times(report);
    if (report.path) show(*report.path);
    for (const xades::TimeStampFinding& stamp : report.time_stamps) show(stamp);
    for (const xades::Warning& warning : report.warnings) {
      std::string text = std::string("! ") + text_of(warning.kind);
      if (!warning.detail.empty()) text += " (" + base::shown(warning.detail, shown_name) + ')';
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
    if (!report.signer) return;
    line(filled(tr("Signer: %1"), {base::shown(report.signer->subject(), shown_name)}));
    line(filled(tr("Issued by: %1"), {base::shown(report.signer->issuer(), shown_name)}));
  }

  void show_content(const xades::SignatureReport& report) {
    for (const xades::ReferenceReport& reference : report.references) {
      if (reference.signed_properties) continue;
      const bool within = reference.uri.empty() || reference.uri.starts_with('#');
      const std::string what = within ? std::string(tr("The signed content in this file")) : base::percent_decoded(reference.uri);
      line(filled(state_of(reference), {base::shown(what, shown_name)}));
    }
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

  void show(const pki::PathReport& path) {
    for (std::size_t i = 0; i < path.chain.size(); ++i) {
      const pki::Certificate& one = path.chain[i];
      line(filled(tr("Certificate %1, in force from %2 to %3:"),
                  {named(one), readable_day(one.not_before()), readable_day(one.not_after())}));
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
    const std::string where = from_where(origin_(evidence));
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
    const std::string who = stamp.signer ? named(*stamp.signer) : std::string(tr("an unknown authority"));
    const std::string when = stamp.time == base::Time{} ? std::string("—") : readable(stamp.time);
    line(filled(stamp.holds ? tr("%1, of %2 by %3: holds") : tr("%1, of %2 by %3: DOES NOT HOLD"),
                {covered(stamp.kind), when, who}) +
         " (" + std::string(name(stamp.kind)) + ')');
    if (stamp.holds) return;
    std::string why(name(stamp.failure));
    if (!stamp.detail.empty()) why += ": " + stamp.detail;
    line("  (" + base::shown(why, 2 * shown_name) + ')');
  }

  const OriginOf& origin_;
  std::ostream& out_;
  std::string indent_;
};

}  // namespace

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

const char* explanation_of(const xades::SignatureReport& report) {
  switch (report.sub_indication) {
    case none:
      return tr("The signature is valid.");
    case format_failure:
      return tr("This is not a well-formed XAdES signature.");
    case hash_failure:
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
      return tr("Whether the certificate was revoked cannot be told: no revocation list in force was given (see --trust).");
    case signed_data_not_found:
      return tr("The signed document is needed: give it with --content, or its hash with --digest.");
    case timestamp_order_failure:
      return tr("The times in the signature contradict each other.");
    case crypto_constraints_failure:
      return tr("An algorithm was too weak already when the signature was made.");
    case crypto_constraints_failure_no_poe:
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

const char* advice_on(const xades::SignatureReport& report) {
  switch (report.sub_indication) {
    case none:
      return "";
    case format_failure:
    case sig_crypto_failure:
    case no_signing_certificate_found:
      return tr("ask whoever sent it for the file as it was signed; if that is the same, for a new signature.");
    case hash_failure:
      return tr("compare the document with the one that the signer has; do not rely on this one.");
    case signed_data_not_found:
      return tr("verify again with the document that was signed.");
    case no_certificate_chain_found:
      return tr(
          "find out whether you trust the issuer; if so, put its certificate into the folder of trusted ones, or name a trusted "
          "list that has it.");
    case try_later:
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
      return tr("ask whoever has it for a copy with a time stamp of that time; if there is none, for a new signature.");
    case certificate_chain_general_failure:
    case timestamp_order_failure:
    case sig_constraints_failure:
      break;
  }
  return tr("do not accept it; ask for a new signature, and tell the sender what is written here.");
}

json::object as_json(const xades::SignatureReport& report, const OriginOf& origin) {
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
                   {"explanation", explanation_of(report)},
                   {"advice", advice_on(report)},
                   {"detail", report.detail}};
  row["signer_certificate"] = report.signer ? json::value(row_of(*report.signer)) : json::value(nullptr);
  row["path"] = report.path ? json::value(row_of(*report.path, origin)) : json::value(nullptr);
  json::array references, stamps, counter_signatures, warnings;
  for (const auto& reference : report.references) references.push_back(row_of(reference));
  for (const auto& stamp : report.time_stamps) stamps.push_back(row_of(stamp, origin));
  for (const auto& counter_signature : report.counter_signatures)
    counter_signatures.push_back(as_json(counter_signature, origin));
  for (const auto& warning : report.warnings)
    warnings.push_back(json::object{
        {"code", name(warning.kind)}, {"message", text_of(warning.kind)}, {"detail", base::shown(warning.detail, shown_name)}});
  row["references"] = std::move(references);
  row["time_stamps"] = std::move(stamps);
  row["counter_signatures"] = std::move(counter_signatures);
  row["warnings"] = std::move(warnings);
  return row;
}

void show(const xades::SignatureReport& report, const OriginOf& origin, std::ostream& out) { Page(origin, out).show(report, ""); }

}  // namespace signet::agent
