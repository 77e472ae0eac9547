#include "proofs.hpp"

#include <algorithm>

namespace signet::xades {
namespace {

bool is_issued_by(const pki::Crl& crl, const pki::Certificate& issuer, WorkBudget&) {
  return X509_NAME_cmp(X509_get_subject_name(issuer.native()), X509_CRL_get_issuer(crl.native())) == 0;
}
bool is_issued_by(const pki::OcspResponse& response, const pki::Certificate& responder, WorkBudget& budget) {
  return response.names_as_responder(responder) &&
         budget.take(pki::cost_of_verification(X509_get0_pubkey(responder.native()), response.der().size())) &&
         response.is_signed_by(responder);
}

// Whether the certificate of who signed it had not expired by `proven`; whoever is trusted without being asked about does not
// expire. Of one that is not known nothing is said here: without it the data count nowhere.
template <class T>
bool had_a_living_issuer(const T& data, const pki::TrustMaterial& material, base::Time proven, WorkBudget& budget) {
  const auto signed_by = [&](const pki::Certificate& one) { return is_issued_by(data, one, budget); };
  if (std::ranges::any_of(material.anchors, signed_by) ||
      std::ranges::any_of(material.services, signed_by, &pki::TrustedService::certificate))
    return true;
  bool known = false, living = false;
  const auto look = [&](const std::vector<pki::Certificate>& certificates) {
    for (const pki::Certificate& one : certificates) {
      if (!is_issued_by(data, one, budget)) continue;
      known = true;
      living = living || proven <= one.not_after();
    }
  };
  look(material.intermediates);
  if constexpr (std::is_same_v<T, pki::OcspResponse>) look(data.certificates());
  return !known || living;
}

pki::TrustMaterial with_certificates(const pki::TrustMaterial& trust, const CarriedEvidence& carried) {
  pki::TrustMaterial out = trust;
  out.intermediates.insert(out.intermediates.end(), carried.in_key_info.begin(), carried.in_key_info.end());
  for (const auto& [certificate, property] : carried.certificates) out.intermediates.push_back(certificate);
  return out;
}

}  // namespace

void ProofsOfExistence::archived(std::size_t index, base::Time time) {
  signature_ = std::min(signature_, time);
  key_info_ = std::min(key_info_, time);
  for (std::size_t i = 0; i < index && i < properties_.size(); ++i) properties_[i] = std::min(properties_[i], time);
}

CarriedEvidence carried_evidence(const Properties& properties, const std::vector<pki::Certificate>& in_key_info) {
  CarriedEvidence out;
  out.in_key_info = in_key_info;
  for (const EmbeddedEvidence& one : properties.evidence) {
    const auto der = decoded(one.node);
    if (!der) continue;
    if (one.kind == EmbeddedEvidence::Kind::certificate) {
      if (auto certificate = pki::Certificate::from_der(*der))
        out.certificates.push_back({std::move(*certificate), one.property});
    } else if (one.kind == EmbeddedEvidence::Kind::crl) {
      if (auto crl = pki::Crl::from_der(*der)) out.crls.push_back({std::move(*crl), one.property});
    } else if (auto response = pki::OcspResponse::from_der(*der)) {
      out.ocsp.push_back({std::move(*response), one.property});
    }
  }
  return out;
}

pki::TrustMaterial with_carried(const pki::TrustMaterial& trust, const CarriedEvidence& carried, const ProofsOfExistence& proofs,
                                WorkBudget& budget) {
  pki::TrustMaterial out = with_certificates(trust, carried);
  for (const auto& [crl, property] : carried.crls)
    if (had_a_living_issuer(crl, out, proofs.of_property(property), budget)) out.crls.push_back(crl);
  for (const auto& [response, property] : carried.ocsp)
    if (had_a_living_issuer(response, out, proofs.of_property(property), budget)) out.ocsp.push_back(response);
  return out;
}

pki::TrustMaterial with_all_carried(const pki::TrustMaterial& trust, const CarriedEvidence& carried) {
  pki::TrustMaterial out = with_certificates(trust, carried);
  for (const auto& [crl, property] : carried.crls) out.crls.push_back(crl);
  for (const auto& [response, property] : carried.ocsp) out.ocsp.push_back(response);
  return out;
}

pki::KnownSince known_since(const CarriedEvidence& carried, const ProofsOfExistence& proofs,
                            const pki::Certificate* signing_certificate) {
  return [&carried, &proofs, signing_certificate](base::BytesView der) {
    base::Time since = proofs.of_anything();
    const auto is = [der](const auto& one) { return std::ranges::equal(one.der(), der); };
    if (signing_certificate && is(*signing_certificate)) since = std::min(since, proofs.of_signature());
    if (std::ranges::any_of(carried.in_key_info, is)) since = std::min(since, proofs.of_key_info());
    const auto look = [&](const auto& all) {
      for (const auto& [value, property] : all)
        if (is(value)) since = std::min(since, proofs.of_property(property));
    };
    look(carried.certificates);
    look(carried.crls);
    look(carried.ocsp);
    return since;
  };
}

}  // namespace signet::xades
