#pragma once

#include "validation.hpp"

// Proofs of existence (EN 319 102-1 clause 5.6.2.3): what of a signature is known to have existed when.
namespace signet::xades {

// Of unsigned properties, by their index; a time stamp proves what comes before it.
class ProofsOfExistence {
 public:
  // All is known to exist at the time of the validation.
  ProofsOfExistence(std::size_t properties, base::Time validation)
      : properties_(properties, validation), signature_(validation), key_info_(validation), validation_(validation) {}

  base::Time of_property(std::size_t index) const { return properties_.at(index); }
  // With what it signs, its signing certificate among them: that is named by its digest.
  base::Time of_signature() const { return signature_; }
  base::Time of_key_info() const { return key_info_; }
  base::Time of_anything() const { return validation_; }  // the time of the validation
  // An archive time stamp that holds, the property `index`: proves the signature and every property before it.
  void archived(std::size_t index, base::Time time);
  void signature_stamped(base::Time time) { signature_ = std::min(signature_, time); }

 private:
  std::vector<base::Time> properties_;
  base::Time signature_, key_info_, validation_;
};

// The certificates and revocation data that a signature carries in its properties; what is in the tokens of its time stamps helps
// these tokens alone (pki::verify_time_stamp). What does not parse is as if it were not there.
struct CarriedEvidence {
  template <class T>
  struct Dated {
    T value;
    std::size_t property;  // that holds it
  };
  std::vector<pki::Certificate> in_key_info;
  std::vector<Dated<pki::Certificate>> certificates;
  std::vector<Dated<pki::Crl>> crls;
  std::vector<Dated<pki::OcspResponse>> ocsp;
};
CarriedEvidence carried_evidence(const Properties& properties, const std::vector<pki::Certificate>& in_key_info);

// What was given, with what is carried: of its revocation data only those that existed, as far as is proven, while their issuer's
// certificate had not expired. After that the issuer's key is nobody's duty to protect.
pki::TrustMaterial with_carried(const pki::TrustMaterial& trust, const CarriedEvidence& carried, const ProofsOfExistence& proofs,
                                WorkBudget& budget);
// The same with all revocation data: what they would tell if it were proven that they are old enough.
pki::TrustMaterial with_all_carried(const pki::TrustMaterial& trust, const CarriedEvidence& carried);

// Of what is carried as far as it is proven, of the signing certificate (if it is known: else null) since the signature, of all else
// since the validation. The arguments outlive what is returned.
pki::KnownSince known_since(const CarriedEvidence& carried, const ProofsOfExistence& proofs, const pki::Certificate* signing_certificate);

}  // namespace signet::xades
