#include "softhsm.hpp"

#include <openssl/x509v3.h>

#include <stdexcept>

namespace signet::test {

PrivateKey make_rsa(unsigned bits) { return PrivateKey(EVP_RSA_gen(bits)); }

PrivateKey make_ec(const char* curve) { return PrivateKey(EVP_EC_gen(curve)); }

base::Bytes self_signed(EVP_PKEY* key, const std::string& common_name) {
  const base::Owned<X509, X509_free> certificate{X509_new()};
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), 4711);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 10L * 24 * 3600);
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate.get(), subject);
  const base::Owned<X509_EXTENSION, X509_EXTENSION_free> usage{
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_key_usage, "critical,digitalSignature,nonRepudiation")};
  X509_add_ext(certificate.get(), usage.get(), -1);
  X509_set_pubkey(certificate.get(), key);
  if (X509_sign(certificate.get(), key, EVP_sha256()) <= 0) throw std::runtime_error("X509_sign");
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  const base::Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

}  // namespace signet::test
