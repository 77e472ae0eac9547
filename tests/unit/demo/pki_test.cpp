#include "demo/pki.hpp"

#include <openssl/ecdsa.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>

#include "base/owned.hpp"

using namespace signet;
using namespace signet::demo;
using namespace std::chrono_literals;

namespace {

const base::Time now = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h;

Subject subject(std::string name) {
  return {.common_name = std::move(name), .serial_number = {}, .key_type = pki::KeyType::ec_p256, .key = {}};
}

bool is_critical(const pki::Certificate& certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate.native(), nid, -1);
  REQUIRE(at >= 0);
  return X509_EXTENSION_get_critical(X509_get_ext(certificate.native(), at)) == 1;
}

}  // namespace

TEST_CASE("by default an issued certificate is an RSA-2048 one, fit for signing, of its subject") {
  Authority authority("Root", now);
  const Identity ana = authority.issue({.common_name = "Țurcan Ana", .serial_number = "2001001000000", .key = {}});
  CHECK(ana.certificate.subject() == "CN=Țurcan Ana,serialNumber=2001001000000,O=Signet demonstration,C=MD");
  CHECK(ana.certificate.issuer() == authority.root().certificate.subject());
  CHECK(ana.certificate.key_type() == pki::KeyType::rsa);
  CHECK(ana.certificate.key_bits() == 2048);
  CHECK(ana.certificate.fit_for_signing());
  CHECK(ana.certificate.has_non_repudiation());
  CHECK(ana.certificate.not_before() == now - 24h);
  CHECK(ana.certificate.not_after() == now + 24h * 365);
  CHECK(X509_check_private_key(ana.certificate.native(), ana.key.get()) == 1);
}

TEST_CASE("certificates are of version 3, signed with SHA-256, with key identifiers and critical usages") {
  Authority authority("Root", now);
  auto stamping = subject("TSA");
  stamping.usage = Subject::Usage::time_stamping;
  const Identity tsa = authority.issue(stamping);
  for (const pki::Certificate& certificate :
       {authority.root().certificate, authority.issue(subject("Ana")).certificate, tsa.certificate}) {
    CHECK(X509_get_version(certificate.native()) == X509_VERSION_3);
    int digest = 0;
    X509_get_signature_info(certificate.native(), &digest, nullptr, nullptr, nullptr);
    CHECK(digest == NID_sha256);
    CHECK(X509_get0_subject_key_id(certificate.native()) != nullptr);
    CHECK(X509_get0_authority_key_id(certificate.native()) != nullptr);
    CHECK(is_critical(certificate, NID_key_usage));
    CHECK(is_critical(certificate, NID_basic_constraints));
  }
  CHECK(is_critical(tsa.certificate, NID_ext_key_usage));
  CHECK((X509_get_extended_key_usage(tsa.certificate.native()) & XKU_TIMESTAMP) != 0);
}

TEST_CASE("no two certificates have the same serial number") {
  Authority authority("Root", now);
  CHECK(authority.issue(subject("Ana")).certificate.serial_hex() != authority.issue(subject("Ana")).certificate.serial_hex());
}

TEST_CASE("a token's key is certified by its public part alone") {
  Authority authority("Root", now);
  const PrivateKey whole = make_key(pki::KeyType::ec_p384);
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(whole.get(), &der);
  const unsigned char* in = der;
  auto with_key = subject("Ana");
  with_key.key = PrivateKey(d2i_PUBKEY(nullptr, &in, size), EVP_PKEY_free);
  OPENSSL_free(der);
  const Identity ana = authority.issue(with_key);
  CHECK(ana.key == with_key.key);
  CHECK(ana.certificate.key_type() == pki::KeyType::ec_p384);
  CHECK(X509_check_private_key(ana.certificate.native(), whole.get()) == 1);
}

TEST_CASE("a subordinate is an authority under its root, whatever usage was asked for") {
  Authority root("Root", now);
  auto below = subject("Issuing CA");
  below.usage = Subject::Usage::signing;
  const Authority issuing = root.subordinate(below);
  CHECK(issuing.root().certificate.is_ca());
  CHECK(issuing.root().certificate.issuer() == root.root().certificate.subject());
}

TEST_CASE("a revocation list is of version 2, signed with SHA-256, numbered, and lists what was revoked") {
  Authority authority("Root", now);
  const pki::Certificate ana = authority.issue(subject("Ana")).certificate;
  const pki::Crl first = authority.crl();
  authority.revoke(ana, now - 1h);
  const pki::Crl second = authority.crl(2h, 3h);
  X509_REVOKED* entry = nullptr;
  CHECK(X509_CRL_get0_by_cert(first.native(), &entry, ana.native()) == 0);
  CHECK(X509_CRL_get0_by_cert(second.native(), &entry, ana.native()) == 1);
  CHECK(X509_CRL_get_version(second.native()) == X509_CRL_VERSION_2);
  CHECK(X509_CRL_get_signature_nid(second.native()) == NID_ecdsa_with_SHA256);
  CHECK(X509_CRL_get_ext_by_NID(second.native(), NID_authority_key_identifier, -1) >= 0);
  const auto number_of = [](const pki::Crl& crl) {
    const base::Owned<ASN1_INTEGER, ASN1_INTEGER_free> number{
        static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl.native(), NID_crl_number, nullptr, nullptr))};
    return ASN1_INTEGER_get(number.get());
  };
  CHECK(number_of(first) + 1 == number_of(second));
}

TEST_CASE("an ECDSA signature of a digest is r and s, each as long as the order") {
  const auto [type, width] = GENERATE(
      table<pki::KeyType, std::size_t>({{pki::KeyType::ec_p256, 32}, {pki::KeyType::ec_p384, 48}, {pki::KeyType::ec_p521, 66}}));
  const PrivateKey key = make_key(type);
  const base::Digest digest = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("x"));
  const base::Bytes signature = sign_digest(key, SoftScheme::ecdsa, digest);
  REQUIRE(signature.size() == 2 * width);
  const base::Owned<ECDSA_SIG, ECDSA_SIG_free> pair{ECDSA_SIG_new()};
  ECDSA_SIG_set0(pair.get(), BN_bin2bn(signature.data(), static_cast<int>(width), nullptr),
                 BN_bin2bn(signature.data() + width, static_cast<int>(width), nullptr));
  base::Bytes der(static_cast<std::size_t>(i2d_ECDSA_SIG(pair.get(), nullptr)));
  unsigned char* out = der.data();
  i2d_ECDSA_SIG(pair.get(), &out);
  const base::Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context{EVP_PKEY_CTX_new(key.get(), nullptr)};
  EVP_PKEY_verify_init(context.get());
  CHECK(EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.bytes().data(), digest.bytes().size()) == 1);
}

TEST_CASE("what cannot be done throws") {
  CHECK_THROWS_AS(make_key(pki::KeyType::other), std::invalid_argument);
  CHECK_THROWS_AS(make_key(pki::KeyType::rsa, 16), std::runtime_error);
  const base::Digest digest = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("x"));
  CHECK_THROWS_AS(sign_digest(make_key(pki::KeyType::ec_p256), SoftScheme::rsa_pkcs1, digest), std::runtime_error);
  Authority authority("Root", now);
  CHECK_THROWS_AS(authority.issue(subject(std::string(100, 'x'))), std::runtime_error);  // a CN has at most 64 characters
}
