#pragma once

#include <optional>
#include <string_view>

#include "base/digest.hpp"
#include "pki/certificate.hpp"

namespace signet::xades {

// Baseline levels of EN 319 132-1 clause 6.
enum class Level : std::uint8_t { b_b, b_t, b_lt, b_lta };
std::string_view name(Level level);           // "b", "t", "lt", "lta"
std::string_view profile_name(Level level);   // "XAdES-B-LT"
std::optional<Level> level(std::string_view name);

// Where what is signed stands. Of the last three the document and its signature are one file (xades/packaging.hpp).
enum class Packaging : std::uint8_t {
  detached,         // a ds:Reference whose DigestValue is the given hash; no transforms
  enveloping,       // the hash, base64, in a ds:Object, referenced with a base64 transform
  enveloping_file,  // the file, base64, in a ds:Object, referenced with a base64 transform
  enveloping_xml,   // the document's root element in a ds:Object, which is referenced with exclusive canonicalization
  enveloped,        // the signature in the document's root element; all but signatures is signed (docs/decisions/0013)
};
std::string_view name(Packaging packaging);  // "enveloping-file"
std::optional<Packaging> packaging(std::string_view name);

// The commitment types that ETSI has named (TS 119 172-1 annex B.2): "origin", "receipt", "delivery", "sender", "approval" and
// "creation", and the URI that stands in a signature; "" for another one.
std::string_view commitment_type_uri(std::string_view name);
std::string_view commitment_type_name(std::string_view uri);

enum class KeyScheme : std::uint8_t { rsa_pkcs1, rsa_pss, ecdsa };

// ds:SignatureMethod: RFC 9231 names; PSS is the MGF1 form with parameters fixed by the name (salt as long as the hash).
struct SignatureAlgorithm {
  KeyScheme scheme = KeyScheme::rsa_pkcs1;
  base::DigestAlgorithm digest = base::DigestAlgorithm::sha256;

  bool operator==(const SignatureAlgorithm&) const = default;
};
std::string_view uri(const SignatureAlgorithm& algorithm);
std::optional<SignatureAlgorithm> signature_algorithm(std::string_view uri);
// SHA-256 for RSA and P-256, SHA-384 for P-384, SHA-512 for P-521; none for other keys.
std::optional<SignatureAlgorithm> preferred_algorithm(pki::KeyType key);

std::string_view uri(base::DigestAlgorithm algorithm);
std::optional<base::DigestAlgorithm> digest_algorithm_of_uri(std::string_view uri);

// Where the signer says to be (EN 319 132-1 clause 5.2.5, SignatureProductionPlaceV2). Empty parts are left out. UTF-8.
struct ProductionPlace {
  std::string city, street, state, postal_code, country;

  bool operator==(const ProductionPlace&) const = default;
};

}  // namespace signet::xades
