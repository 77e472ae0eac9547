#pragma once

#include <openssl/evp.h>

#include "signing_certificate.hpp"

// ds:SignatureValue (XML Signature 4.3, RFC 9231 2.3): RSA PKCS#1 v1.5, RSA-PSS and ECDSA; HMAC never, a certificate has no such
// key.
namespace signet::xades {

// `key` may be null: a certificate's that OpenSSL does not read.
ValueStatus verify_value(const SignatureElement& signature, EVP_PKEY* key, base::BytesView signed_info);

}  // namespace signet::xades
