#include "signing_certificate.hpp"

#include <algorithm>

#include "base/error_queue.hpp"
#include "key_value.hpp"
#include "signature_value.hpp"

namespace signet::xades {
namespace {

void add(const xmlNode* element, std::vector<pki::Certificate>& out) {
  const auto der = decoded(element);
  if (!der) return;
  auto certificate = pki::Certificate::from_der(*der);
  if (certificate && std::ranges::find(out, *certificate) == out.end()) out.push_back(std::move(*certificate));
}

void read_key_info(const SignatureElement& signature, SignatureKey& out) {
  for (const xmlNode* data : children(signature.key_info, ds_namespace, "X509Data")) {
    for (const xmlNode* certificate : children(data, ds_namespace, "X509Certificate")) {
      out.key_info_beyond_limit = out.certificates.size() == max_key_info_certificates;
      if (out.key_info_beyond_limit) return;
      add(certificate, out.certificates);
    }
  }
}

bool identifies(const SigningCertificateReference& reference, const pki::Certificate& certificate) {
  return reference.algorithm &&
         std::ranges::equal(base::digest(*reference.algorithm, certificate.der()).bytes(), reference.digest);
}

// All that a reference of the properties identifies, in the references' order.
std::vector<std::pair<pki::Certificate, const SigningCertificateReference*>> identified(
    const Properties& properties, const std::vector<pki::Certificate>& candidates) {
  std::vector<std::pair<pki::Certificate, const SigningCertificateReference*>> out;
  for (const SigningCertificateReference& reference : properties.signing_certificates) {
    for (const pki::Certificate& candidate : candidates) {
      if (identifies(reference, candidate)) out.emplace_back(candidate, &reference);
    }
    // V2's first reference is the signing certificate's (EN 319 132-1 5.2.2); the older property has no order.
    if (properties.has_signing_certificate_v2) break;
  }
  return out;
}

void choose(const pki::Certificate& certificate, const SigningCertificateReference& reference, SignatureKey& out) {
  out.certificate = certificate;
  out.serial_differs = reference.issuer_serial_der && *reference.issuer_serial_der != certificate.issuer_serial_der();
}

ValueStatus value_by(EVP_PKEY* key, const SignatureElement& signature, base::BytesView signed_info, WorkBudget& budget) {
  if (key != nullptr && !budget.take(pki::cost_of_verification(key, signed_info.size()))) return ValueStatus::no_key;
  return verify_value(signature, key, signed_info);
}

ValueStatus value_by_any_key(const SignatureElement& signature, const std::vector<pki::Certificate>& certificates,
                             base::BytesView signed_info, WorkBudget& budget, std::optional<pki::Certificate>& holder) {
  ValueStatus value = ValueStatus::no_key;
  for (const pki::Certificate& certificate : certificates) {
    value = value_by(X509_get0_pubkey(certificate.native()), signature, signed_info, budget);
    if (value != ValueStatus::valid) continue;
    holder = certificate;
    return value;
  }
  const PublicKey key = key_value(signature.key_info);
  return key && certificates.empty() ? value_by(key.get(), signature, signed_info, budget) : value;
}

}  // namespace

SignatureKey check_signature_value(const SignatureElement& signature, const FoundProperties& found,
                                   const pki::TrustMaterial& trust, base::BytesView signed_info, WorkBudget& budget) {
  const Properties& properties = found.properties;
  const base::ErrorQueue queue;  // also for keys that are none
  SignatureKey out;
  read_key_info(signature, out);
  std::vector<pki::Certificate> candidates = out.certificates;
  for (const EmbeddedEvidence& one : properties.evidence)
    if (one.kind == EmbeddedEvidence::Kind::certificate) add(one.node, candidates);
  candidates.insert(candidates.end(), trust.intermediates.begin(), trust.intermediates.end());
  candidates.insert(candidates.end(), trust.anchors.begin(), trust.anchors.end());

  out.claimed = std::ranges::any_of(found.claimed_certificates, [&](const SigningCertificateReference& reference) {
    return std::ranges::any_of(candidates, [&](const pki::Certificate& one) { return identifies(reference, one); });
  });
  for (const auto& [certificate, reference] : identified(properties, candidates)) {
    const ValueStatus value = value_by(X509_get0_pubkey(certificate.native()), signature, signed_info, budget);
    if (!out.certificate || value == ValueStatus::valid) choose(certificate, *reference, out), out.value = value;
    if (value == ValueStatus::valid) break;
  }
  if (out.certificate) {
    out.in_key_info = std::ranges::find(out.certificates, *out.certificate) != out.certificates.end();
    return out;
  }
  out.value = value_by_any_key(signature, out.certificates, signed_info, budget, out.holder);
  // A wrong value by a key that is not the named one proves nothing.
  if (out.value == ValueStatus::invalid && !properties.signing_certificates.empty()) out.value = ValueStatus::no_key;
  return out;
}

}  // namespace signet::xades
