#pragma once

#include "properties.hpp"

// Whose signature it is (EN 319 102-1 5.2.3), and whether the SignatureValue is that key's (5.2.7).
namespace signet::xades {

inline constexpr std::size_t max_key_info_certificates = 32;  // of one signature: each may cost a verification

enum class ValueStatus : std::uint8_t {
  valid,
  invalid,
  unsupported,  // an algorithm that is known to XML Signature, but not accepted here (HMAC, DSA, ...)
  no_key,       // neither certificate nor key was found
};

struct SignatureKey {
  std::optional<pki::Certificate> certificate;  // the one that the signed properties identify
  std::vector<pki::Certificate> certificates;   // those of KeyInfo
  bool key_info_beyond_limit = false;           // it has more certificates than are read
  std::optional<pki::Certificate> holder;       // without `certificate`: the one of KeyInfo whose key the value is by
  bool serial_differs = false;                  // IssuerSerialV2 names another certificate than the digest
  bool claimed = false;                         // properties that are not those that were signed name one that is here
  bool in_key_info = false;                     // where a baseline signature has its certificate
  ValueStatus value = ValueStatus::no_key;
};

// The certificate is looked for in KeyInfo, CertificateValues and what the caller has. Without one that the properties
// identify the value is still checked with the keys of KeyInfo: `integrity` does not depend on who signed.
// A key that would cost more than is left of the budget is as if it were not there.
SignatureKey check_signature_value(const SignatureElement& signature, const FoundProperties& found,
                                   const pki::TrustMaterial& trust, base::BytesView signed_info, WorkBudget& budget);

}  // namespace signet::xades
