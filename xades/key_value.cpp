#include "key_value.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

namespace signet::xades {
namespace {

using base::Owned;

constexpr std::string_view dsig11_namespace = "http://www.w3.org/2009/xmldsig11#";
constexpr std::size_t max_integer = 2048;  // bytes: RSA of 16384 bits, which is OpenSSL's limit too

using Parameters = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;

PublicKey key_of(const char* type, const Parameters& parameters) {
  const Owned<OSSL_PARAM, OSSL_PARAM_free> built{OSSL_PARAM_BLD_to_param(parameters.get())};
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
  EVP_PKEY* key = nullptr;
  if (built == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, built.get()) != 1)
    return nullptr;
  return PublicKey(key);
}

PublicKey rsa_key(const xmlNode* value) {
  const auto n = decoded(only_child(value, ds_namespace, "Modulus"));
  const auto e = decoded(only_child(value, ds_namespace, "Exponent"));
  if (!n || !e || n->size() > max_integer || e->size() > 8) return nullptr;
  const Owned<BIGNUM, BN_free> modulus{BN_bin2bn(n->data(), static_cast<int>(n->size()), nullptr)};
  const Owned<BIGNUM, BN_free> exponent{BN_bin2bn(e->data(), static_cast<int>(e->size()), nullptr)};
  const Parameters parameters{OSSL_PARAM_BLD_new()};
  OSSL_PARAM_BLD_push_BN(parameters.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(parameters.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return key_of("RSA", parameters);
}

PublicKey ec_key(const xmlNode* value) {
  const std::string curve = attribute(only_child(value, dsig11_namespace, "NamedCurve"), "URI").value_or("");
  const auto point = decoded(only_child(value, dsig11_namespace, "PublicKey"));
  constexpr std::string_view oid = "urn:oid:";
  if (!curve.starts_with(oid) || !point || point->size() > max_integer) return nullptr;
  const int nid = OBJ_txt2nid(curve.c_str() + oid.size());
  if (nid == NID_undef) return nullptr;
  const Parameters parameters{OSSL_PARAM_BLD_new()};
  OSSL_PARAM_BLD_push_utf8_string(parameters.get(), OSSL_PKEY_PARAM_GROUP_NAME, OBJ_nid2sn(nid), 0);
  OSSL_PARAM_BLD_push_octet_string(parameters.get(), OSSL_PKEY_PARAM_PUB_KEY, point->data(), point->size());
  return key_of("EC", parameters);
}

PublicKey der_key(const xmlNode* value) {
  const auto der = decoded(value);
  if (!der) return nullptr;
  const unsigned char* at = der->data();
  return PublicKey(d2i_PUBKEY(nullptr, &at, static_cast<long>(der->size())));
}

}  // namespace

PublicKey key_value(const xmlNode* key_info) {
  const xmlNode* const value = only_child(key_info, ds_namespace, "KeyValue");
  if (const xmlNode* rsa = only_child(value, ds_namespace, "RSAKeyValue")) return rsa_key(rsa);
  if (const xmlNode* ec = only_child(value, dsig11_namespace, "ECKeyValue")) return ec_key(ec);
  if (const xmlNode* der = only_child(key_info, dsig11_namespace, "DEREncodedKeyValue")) return der_key(der);
  return nullptr;
}

}  // namespace signet::xades
