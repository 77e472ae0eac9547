#include "portal/verification.hpp"

#include <openssl/bio.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "portal/identifiers.hpp"
#include "service/text.hpp"
#include "xades/verify.hpp"

namespace signet::portal {
namespace {

using service::tr;

constexpr std::size_t signature_bytes = 4u << 20;
constexpr std::size_t subject_characters = 250;

const char* message_of(const xades::SignatureReport& report) {
  using enum xades::SubIndication;
  if (report.indication == xades::Indication::total_passed) {
    const bool left_out = std::ranges::find(report.warnings, xades::Warning::Kind::time_stamp_does_not_hold,
                                            &xades::Warning::kind) != report.warnings.end();
    return left_out && !report.proven_time
               ? tr("The signature is valid, but its time stamp is not: nothing proves when it was made")
               : tr("The signature is valid");
  }
  switch (report.sub_indication) {
    case hash_failure:
    case signed_data_not_found:
      return tr("The signature is not valid: it is not over this content");
    case sig_crypto_failure:
      return tr("The signature is not valid: it was changed or is damaged");
    case format_failure:
      return tr("The signature is not valid: it is not well formed");
    case revoked:
    case revoked_no_poe:
    case revoked_ca_no_poe:
      return tr("The signature is not valid: the certificate was revoked");
    case expired:
    case not_yet_valid:
    case out_of_bounds_no_poe:
    case out_of_bounds_not_revoked:
      return tr("The signature is not valid: the certificate was not in force");
    case no_certificate_chain_found:
    case no_certificate_chain_found_no_poe:
      return tr("The signature is not valid: the certificate's issuer is not trusted");
    case try_later:
    case revocation_out_of_bounds_no_poe:
      return tr("It cannot be told now whether the certificate was revoked. Try again later");
    case crypto_constraints_failure:
    case crypto_constraints_failure_no_poe:
      return tr("The signature is not valid: an algorithm is too weak");
    default:
      return tr("The signature is not valid");
  }
}

void free_text(unsigned char* text) { OPENSSL_free(text); }

}  // namespace

std::string printed_subject(const pki::Certificate& certificate) {
  X509_NAME* const name = X509_get_subject_name(certificate.native());
  std::vector<std::string> parts;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    char oid[80];
    OBJ_obj2txt(oid, sizeof oid, X509_NAME_ENTRY_get_object(entry), 1);
    const char* const known = nid == NID_undef ? nullptr : OBJ_nid2sn(nid);
    const std::string key = nid == NID_serialNumber ? "SERIALNUMBER" : known != nullptr ? known : oid;
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    const base::Owned<unsigned char, free_text> owner{text};
    const std::string_view value =
        size < 0 ? std::string_view{} : std::string_view(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    parts.push_back(key + "=" + base::shown(value, 1'024));
  }
  // Certificates begin with the name or end with it; the contract's form ends with it.
  if (!parts.empty() && parts.front().starts_with("CN=")) std::ranges::reverse(parts);
  std::string subject;
  for (const std::string& part : parts) subject += (subject.empty() ? "" : ", ") + part;
  while (characters(subject) > subject_characters) {
    subject.pop_back();
    while (!subject.empty() && (static_cast<unsigned char>(subject.back()) & 0xC0) == 0x80) subject.pop_back();
    if (!subject.empty() && static_cast<unsigned char>(subject.back()) >= 0xC0) subject.pop_back();
  }
  return subject;
}

VerificationResult verify_content(const VerificationContent& content, const pki::TrustMaterial& trust, base::Time now,
                                  Language language, std::vector<pki::ListWanted>* wanted) {
  const service::InLanguage speaking(name(language));
  VerificationResult result;
  result.correlation_id = content.correlation_id;
  xades::VerifyOptions options{.trust = trust, .at = now, .data = {}, .limits = {}, .policy = xades::Policy::msign_compatible};
  options.limits.max_bytes = signature_bytes;
  const auto algorithm = base::digest_algorithm_of_size(content.content ? content.content->size() : 0);
  if (const auto digest = algorithm ? base::Digest::of_value(*algorithm, *content.content)
                                    : base::Result<base::Digest>(base::failure(base::ErrorCode::digest_length)))
    options.data.push_back({"", *digest});
  const auto reports = xades::verify(content.signature, options);
  if ((content.content && options.data.empty()) || !reports || reports->empty()) {
    result.message = tr("The signature is not valid: it is not well formed");
    return result;
  }
  const xades::SignatureReport* worst = &reports->front();
  std::vector<pki::ListWanted> lacking, newer;
  const auto is_current = [&](const pki::RevocationEvidence& evidence, base::Time at) {
    return at >= now && pki::place_in(trust, evidence);
  };
  for (const xades::SignatureReport& report : *reports) {
    const bool valid = report.indication == xades::Indication::total_passed;
    if (!valid && worst->indication == xades::Indication::total_passed) worst = &report;
    std::ranges::move(xades::without_revocation_data(report), std::back_inserter(lacking));
    std::ranges::move(xades::newer_revocation_data(report, is_current), std::back_inserter(newer));
    if (!report.signer) continue;
    const auto der = report.signer->der();
    result.certificates.push_back({.certificate = base::Bytes(der.begin(), der.end()),
                                   .signature_valid = valid,
                                   .signed_at = report.proven_time,
                                   .subject = printed_subject(*report.signer)});
  }
  result.signatures_valid = worst->indication == xades::Indication::total_passed;
  if (wanted != nullptr) {
    *wanted = std::move(newer);
    if (!result.signatures_valid) std::ranges::move(lacking, std::back_inserter(*wanted));
  }
  result.message = !content.content && worst->sub_indication == xades::SubIndication::signed_data_not_found
                       ? tr("It cannot be told whether the signature is valid: the signed document is needed")
                       : message_of(*worst);
  return result;
}

}  // namespace signet::portal
