#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>

#include "signing_certificate.hpp"

// ds:SignatureValue (XML Signature 4.3, RFC 9231 2.3): RSA PKCS#1 v1.5, RSA-PSS and ECDSA; HMAC never, a certificate has no such
// key.
namespace signet::xades {

// Leaves OpenSSL's error queue, which belongs to the thread, as it was found: a wrong signature or key is said in the report.
class ErrorQueue {
 public:
  ErrorQueue() { ERR_set_mark(); }
  ErrorQueue(const ErrorQueue&) = delete;  // the mark is the thread's
  ErrorQueue& operator=(const ErrorQueue&) = delete;
  ~ErrorQueue() { ERR_pop_to_mark(); }
};

// `key` may be null: a certificate's that OpenSSL does not read.
ValueStatus verify_value(const SignatureElement& signature, EVP_PKEY* key, base::BytesView signed_info);

}  // namespace signet::xades
