#pragma once

#include "fixture.hpp"

// Signatures over a signature.
namespace signet::xades {

// Over the SignatureValue with the Id "S-value" of the document, which it names in place of a file.
inline std::string counter_signature(const std::string& document, const demo::Identity& identity, std::string_view uri = "#S-value",
                                     Pki& pki = pki_of_tests(), base::Time signing_time = now) {
  std::string value_element = part(document, "<ds:SignatureValue", "</ds:SignatureValue>");
  value_element.insert(std::string_view("<ds:SignatureValue").size(), " xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"");
  const std::string made = signed_document(identity, {.contents = {value_element}, .signing_time = signing_time}, pki, "Inner");
  const std::string signed_info = part(made, "<ds:SignedInfo", "</ds:SignedInfo>");
  const std::string named = replaced(signed_info, "URI=\"contract%200.pdf\"", "URI=\"" + std::string(uri) + "\"");
  const std::string old_value = part(made, "-value\">", "</ds:SignatureValue>");
  const auto value = demo::sign_digest(identity.key, demo::SoftScheme::ecdsa, sha256(named));
  return replaced(replaced(made, signed_info, named), old_value, "-value\">" + base::base64(value) + "</ds:SignatureValue>");
}

inline std::string with_counter_signature(const std::string& document, const std::string& counter) {
  return replaced(document, "</xades:UnsignedSignatureProperties>",
                  "<xades:CounterSignature>" + counter + "</xades:CounterSignature></xades:UnsignedSignatureProperties>");
}

}  // namespace signet::xades
