#include "proofs.hpp"

#include <algorithm>

namespace signet::xades {
namespace {

// Whether its issuer's certificate, looked for by name, had not expired by `proven`. Of an issuer that is not known nothing is
// said here: without it the list counts nowhere.
bool had_a_living_issuer(const pki::Crl& crl, const pki::TrustMaterial& material, base::Time proven) {
  bool known = false, living = false;
  const auto look = [&](const std::vector<pki::Certificate>& certificates) {
    for (const pki::Certificate& one : certificates) {
      if (X509_NAME_cmp(X509_get_subject_name(one.native()), X509_CRL_get_issuer(crl.native())) != 0) continue;
      known = true;
      living = living || proven <= one.not_after();
    }
  };
  look(material.anchors);
  look(material.intermediates);
  return !known || living;
}

}  // namespace

void ProofsOfExistence::archived(std::size_t index, base::Time time) {
  signature_ = std::min(signature_, time);
  for (std::size_t i = 0; i < index && i < properties_.size(); ++i) properties_[i] = std::min(properties_[i], time);
}

CarriedEvidence carried_evidence(const Properties& properties, const std::vector<pki::Certificate>& others) {
  CarriedEvidence out;
  out.certificates = others;
  for (const EmbeddedEvidence& one : properties.evidence) {
    const auto der = decoded(one.node);
    if (!der) continue;
    if (one.kind == EmbeddedEvidence::Kind::certificate) {
      if (auto certificate = pki::Certificate::from_der(*der)) out.certificates.push_back(std::move(*certificate));
    } else if (one.kind == EmbeddedEvidence::Kind::crl) {
      if (auto crl = pki::Crl::from_der(*der)) out.crls.push_back({std::move(*crl), one.property});
    }
  }
  return out;
}

pki::TrustMaterial with_carried(const pki::TrustMaterial& trust, const CarriedEvidence& carried,
                                const ProofsOfExistence& proofs) {
  pki::TrustMaterial out = trust;
  out.intermediates.insert(out.intermediates.end(), carried.certificates.begin(), carried.certificates.end());
  for (const auto& [crl, property] : carried.crls)
    if (had_a_living_issuer(crl, out, proofs.of_property(property))) out.crls.push_back(crl);
  return out;
}

}  // namespace signet::xades
