#pragma once

#include <openssl/conf.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>

#include "base/owned.hpp"
#include "demo/pki.hpp"

namespace signet::pki {

// A fixed clock: nothing here depends on the day on which it runs.
inline const base::Time now = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + std::chrono::hours{12};

inline std::vector<Certificate> one(const demo::Identity& identity) { return {identity.certificate}; }

// For speed: RSA keys take a tenth of a second each.
inline demo::Subject person(std::string name) {
  return {.common_name = std::move(name), .serial_number = {}, .key_type = KeyType::ec_p256, .key = {}};
}

inline void free_bytes(unsigned char* bytes) { OPENSSL_free(bytes); }

// What the demonstration's authority would not issue: a certificate changed and signed again by `issuer`.
template <class Change>
Certificate altered(const Certificate& certificate, const demo::Identity& issuer, const EVP_MD* digest, Change change) {
  const base::Owned<X509, X509_free> copy{X509_dup(certificate.native())};
  change(copy.get());
  REQUIRE(X509_sign(copy.get(), issuer.key.get(), digest) > 0);
  unsigned char* der = nullptr;
  const int size = i2d_X509(copy.get(), &der);
  REQUIRE(size > 0);
  const base::Owned<unsigned char, free_bytes> owner{der};
  return Certificate::from_der({der, static_cast<std::size_t>(size)}).value();
}

inline void remove_extension(X509* certificate, int nid) {
  base::Owned<X509_EXTENSION, X509_EXTENSION_free>{X509_delete_ext(certificate, X509_get_ext_by_NID(certificate, nid, -1))};
}

inline void set_extension(X509* certificate, int nid, const char* value) {
  if (X509_get_ext_by_NID(certificate, nid, -1) >= 0) remove_extension(certificate, nid);
  X509V3_CTX context;
  X509V3_set_ctx(&context, nullptr, certificate, nullptr, nullptr, 0);
  const base::Owned<CONF, NCONF_free> empty{NCONF_new(nullptr)};  // certificatePolicies wants a configuration
  X509V3_set_nconf(&context, empty.get());
  const base::Owned<X509_EXTENSION, X509_EXTENSION_free> extension{X509V3_EXT_conf_nid(nullptr, &context, nid, value)};
  REQUIRE(extension);
  REQUIRE(X509_add_ext(certificate, extension.get(), -1) == 1);
}

// The same for a revocation list.
inline Crl signed_again(X509_CRL* crl, const demo::Identity& issuer, const EVP_MD* digest) {
  REQUIRE(X509_CRL_sign(crl, issuer.key.get(), digest) > 0);
  unsigned char* der = nullptr;
  const int size = i2d_X509_CRL(crl, &der);
  REQUIRE(size > 0);
  const base::Owned<unsigned char, free_bytes> owner{der};
  return Crl::from_der({der, static_cast<std::size_t>(size)}).value();
}

template <class Change>
Crl altered(const Crl& crl, const demo::Identity& issuer, const EVP_MD* digest, Change change) {
  const base::Owned<X509_CRL, X509_CRL_free> copy{X509_CRL_dup(crl.native())};
  change(copy.get());
  return signed_again(copy.get(), issuer, digest);
}

inline base::Bytes bytes_of(base::BytesView view) { return {view.begin(), view.end()}; }

}  // namespace signet::pki
