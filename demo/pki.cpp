#include "demo/pki.hpp"

#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdexcept>

#include "base/message_digest.hpp"
#include "openssl.hpp"

namespace signet::demo {
namespace {

using base::Owned;
using Name = Owned<X509_NAME, X509_NAME_free>;
using Bio = Owned<BIO, BIO_free_all>;

// 127 random bits, positive: RFC 5280 4.1.2.2 allows 20 bytes and wants no two alike.
Asn1Integer random_serial() {
  unsigned char bytes[16];
  need(RAND_bytes(bytes, sizeof bytes) == 1, "RAND_bytes");
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);
  const Owned<BIGNUM, BN_free> number{BN_bin2bn(bytes, sizeof bytes, nullptr)};
  Asn1Integer serial{BN_to_ASN1_INTEGER(number.get(), nullptr)};
  need(serial != nullptr, "BN_to_ASN1_INTEGER");
  return serial;
}

void add_entry(X509_NAME* name, const char* field, const std::string& value) {
  need(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                  static_cast<int>(value.size()), -1, 0) == 1,
       "X509_NAME_add_entry_by_txt");
}

Name distinguished_name(const std::string& common_name, const std::string& serial_number) {
  Name name{X509_NAME_new()};
  add_entry(name.get(), "C", "MD");
  add_entry(name.get(), "O", "Signet demonstration");
  if (!serial_number.empty()) add_entry(name.get(), "serialNumber", serial_number);
  add_entry(name.get(), "CN", common_name);
  return name;
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION, X509_EXTENSION_free> extension{X509V3_EXT_conf_nid(nullptr, &context, nid, value)};
  need(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "X509_add_ext");
}

void add_usage(X509* certificate, X509* issuer, Subject::Usage usage) {
  const bool ca = usage == Subject::Usage::ca;
  add_extension(certificate, issuer, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  switch (usage) {
    case Subject::Usage::signing:
      return add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature,nonRepudiation");
    case Subject::Usage::time_stamping:  // RFC 3161 2.3: this one usage, critical
      add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
      return add_extension(certificate, issuer, NID_ext_key_usage, "critical,timeStamping");
    case Subject::Usage::ocsp_signing:  // RFC 6960 4.2.2.2
      add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
      add_extension(certificate, issuer, NID_ext_key_usage, "OCSPSigning");
      return add_extension(certificate, issuer, NID_id_pkix_OCSP_noCheck, "ignored");
    case Subject::Usage::encryption_only:
      return add_extension(certificate, issuer, NID_key_usage, "critical,keyEncipherment");
    case Subject::Usage::ca:
      return add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  }
}

struct Plan {
  const X509_NAME* subject;
  EVP_PKEY* subject_key;
  Subject::Usage usage;
  base::Time not_before, not_after;
  std::string crl_url = {}, ocsp_url = {};
  bool version_1 = false;
  const EVP_MD* signed_with = EVP_sha256();
};

void add_extensions(X509* certificate, X509* issuer, const Plan& plan) {
  add_usage(certificate, issuer, plan.usage);
  add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
  add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
  if (!plan.crl_url.empty()) add_extension(certificate, issuer, NID_crl_distribution_points, ("URI:" + plan.crl_url).c_str());
  if (!plan.ocsp_url.empty()) add_extension(certificate, issuer, NID_info_access, ("OCSP;URI:" + plan.ocsp_url).c_str());
}

// Without an issuer: self-signed.
pki::Certificate make_certificate(const Plan& plan, const Identity* issuer, EVP_PKEY* issuer_key) {
  const Owned<X509, X509_free> certificate{X509_new()};
  X509* x = certificate.get();
  X509* issuer_x = issuer == nullptr ? x : issuer->certificate.native();
  need(X509_set_version(x, plan.version_1 ? X509_VERSION_1 : X509_VERSION_3) == 1 &&
           X509_set_serialNumber(x, random_serial().get()) == 1 && X509_set_subject_name(x, plan.subject) == 1 &&
           X509_set_issuer_name(x, issuer == nullptr ? plan.subject : X509_get_subject_name(issuer_x)) == 1 &&
           X509_set1_notBefore(x, asn1_time(plan.not_before).get()) == 1 &&
           X509_set1_notAfter(x, asn1_time(plan.not_after).get()) == 1 && X509_set_pubkey(x, plan.subject_key) == 1,
       "a certificate's fields");
  if (!plan.version_1) add_extensions(x, issuer_x, plan);
  need(X509_sign(x, issuer_key, plan.signed_with) > 0, "X509_sign");

  auto made = pki::Certificate::from_der(encoded<X509>(i2d_X509, x));
  if (!made) throw std::runtime_error("a certificate that cannot be read: " + made.error().detail);
  return *made;
}

Identity make_root(const std::string& name, base::Time now) {
  const PrivateKey key = make_key(pki::KeyType::ec_p256);
  const Name subject = distinguished_name(name, "");
  const Plan plan{subject.get(), key.get(), Subject::Usage::ca, now - std::chrono::years{10}, now + std::chrono::years{20}};
  return {make_certificate(plan, nullptr, key.get()), key};
}

template <class Write>
std::string written(Write write) {
  const Bio out{BIO_new(BIO_s_mem())};
  need(write(out.get()) == 1, "PEM_write_bio");
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// DER SEQUENCE of r and s to r followed by s, each as long as the order: what PKCS#11 and XML signatures use.
base::Bytes r_and_s(base::BytesView der, int key_bits) {
  const unsigned char* in = der.data();
  const Owned<ECDSA_SIG, ECDSA_SIG_free> signature{d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size()))};
  need(signature != nullptr, "d2i_ECDSA_SIG");
  const int width = (key_bits + 7) / 8;
  base::Bytes out(2 * static_cast<std::size_t>(width));
  need(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), width) == width &&
           BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + width, width) == width,
       "BN_bn2binpad");
  return out;
}

}  // namespace

PrivateKey make_key(pki::KeyType type, int rsa_bits) {
  EVP_PKEY* key = nullptr;
  switch (type) {
    case pki::KeyType::rsa:
      key = EVP_RSA_gen(static_cast<std::size_t>(rsa_bits));
      break;
    case pki::KeyType::ec_p256:
      key = EVP_EC_gen("P-256");
      break;
    case pki::KeyType::ec_p384:
      key = EVP_EC_gen("P-384");
      break;
    case pki::KeyType::ec_p521:
      key = EVP_EC_gen("P-521");
      break;
    case pki::KeyType::other:
      throw std::invalid_argument("no key of the type `other` can be made");
  }
  need(key != nullptr, "key generation");
  return {key, EVP_PKEY_free};
}

struct Authority::State {
  Identity identity;
  base::Time now;
  struct Revocation {
    Asn1Integer serial;
    base::Time at;
  };
  std::vector<Revocation> revocations;
  std::uint64_t crl_number = 0;
  std::string crl_url = {}, ocsp_url = {};
};

Authority::Authority(std::string name, base::Time now) : Authority(make_root(name, now), now) {}

Authority::Authority(Identity identity, base::Time now)
    : state_(std::make_shared<State>(State{.identity = std::move(identity), .now = now, .revocations = {}})) {}

const Identity& Authority::root() const { return state_->identity; }

Identity Authority::issue(const Subject& subject) {
  const PrivateKey key = subject.key ? subject.key : make_key(subject.key_type, subject.rsa_bits);
  const Name name = distinguished_name(subject.common_name, subject.serial_number);
  const Plan plan{name.get(),
                  key.get(),
                  subject.usage,
                  state_->now - subject.starts_before_now,
                  state_->now + subject.ends_after_now,
                  state_->crl_url,
                  state_->ocsp_url,
                  subject.version_1,
                  subject.signed_with};
  return {make_certificate(plan, &state_->identity, state_->identity.key.get()), key};
}

Authority Authority::subordinate(const Subject& subject) {
  Subject authority = subject;
  authority.usage = Subject::Usage::ca;
  return {issue(authority), state_->now};
}

void Authority::publish_crl_at(std::string url) { state_->crl_url = std::move(url); }
void Authority::answer_ocsp_at(std::string url) { state_->ocsp_url = std::move(url); }

void Authority::revoke(const pki::Certificate& certificate, base::Time at) {
  Asn1Integer serial{ASN1_INTEGER_dup(X509_get0_serialNumber(certificate.native()))};
  need(serial != nullptr, "ASN1_INTEGER_dup");
  state_->revocations.push_back({std::move(serial), at});
}

pki::Crl Authority::crl(std::chrono::seconds starts_before_now, std::chrono::seconds ends_after_now) {
  const Owned<X509_CRL, X509_CRL_free> list{X509_CRL_new()};
  X509_CRL* crl = list.get();
  X509* issuer = state_->identity.certificate.native();
  need(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 && X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 &&
           X509_CRL_set1_lastUpdate(crl, asn1_time(state_->now - starts_before_now).get()) == 1 &&
           X509_CRL_set1_nextUpdate(crl, asn1_time(state_->now + ends_after_now).get()) == 1,
       "a revocation list's fields");
  for (const State::Revocation& revocation : state_->revocations) {
    Owned<X509_REVOKED, X509_REVOKED_free> entry{X509_REVOKED_new()};
    need(X509_REVOKED_set_serialNumber(entry.get(), revocation.serial.get()) == 1 &&
             X509_REVOKED_set_revocationDate(entry.get(), asn1_time(revocation.at).get()) == 1 &&
             X509_CRL_add0_revoked(crl, entry.get()) == 1,
         "a revocation list's entry");
    (void)entry.release();  // the list's now
  }
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, crl, 0);
  const Owned<X509_EXTENSION, X509_EXTENSION_free> key_identifier{
      X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always")};
  const Asn1Integer number{ASN1_INTEGER_new()};
  need(key_identifier != nullptr && X509_CRL_add_ext(crl, key_identifier.get(), -1) == 1 &&
           ASN1_INTEGER_set_uint64(number.get(), ++state_->crl_number) == 1 &&
           X509_CRL_add1_ext_i2d(crl, NID_crl_number, number.get(), 0, 0) == 1 && X509_CRL_sort(crl) == 1 &&
           X509_CRL_sign(crl, state_->identity.key.get(), EVP_sha256()) > 0,
       "X509_CRL_sign");

  auto made = pki::Crl::from_der(encoded<X509_CRL>(i2d_X509_CRL, crl));
  if (!made) throw std::runtime_error("a revocation list that cannot be read: " + made.error().detail);
  return *made;
}

std::string pem(const pki::Certificate& certificate) {
  return written([&](BIO* out) { return PEM_write_bio_X509(out, certificate.native()); });
}

std::string pem(const pki::Crl& crl) {
  return written([&](BIO* out) { return PEM_write_bio_X509_CRL(out, crl.native()); });
}

std::string private_key_pem(const PrivateKey& key) {
  return written([&](BIO* out) { return PEM_write_bio_PKCS8PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}

base::Bytes sign_digest(const PrivateKey& key, SoftScheme scheme, const base::Digest& digest) {
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context{EVP_PKEY_CTX_new(key.get(), nullptr)};
  need(EVP_PKEY_sign_init(context.get()) == 1, "EVP_PKEY_sign_init");
  if (scheme == SoftScheme::rsa_pkcs1) need(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1, "RSA padding");
  if (scheme == SoftScheme::rsa_pss) {
    need(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) == 1,
         "RSA padding");
  }
  need(EVP_PKEY_CTX_set_signature_md(context.get(), base::message_digest(digest.algorithm())) == 1, "signature digest");
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key.get()));
  base::Bytes signature(size);
  need(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.bytes().data(), digest.bytes().size()) == 1, "EVP_PKEY_sign");
  signature.resize(size);
  return scheme == SoftScheme::ecdsa ? r_and_s(signature, EVP_PKEY_get_bits(key.get())) : signature;
}

}  // namespace signet::demo
