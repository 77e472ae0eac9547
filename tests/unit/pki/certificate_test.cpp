#include "pki/certificate.hpp"

#include <openssl/err.h>

#include <algorithm>

#include "altered.hpp"

using namespace signet;
using namespace signet::pki;
using base::ErrorCode;

namespace {

// openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -set_serial 0x00c0ffee -utf8 -sha256 \
//   -subj '/C=MD/O=Signet/CN=Țurcan, Ștefan "A"' -keyout /dev/null
constexpr std::string_view made_by_openssl = R"(-----BEGIN CERTIFICATE-----
MIIDSzCCAjOgAwIBAgIEAMD/7jANBgkqhkiG9w0BAQsFADA9MQswCQYDVQQGEwJN
RDEPMA0GA1UECgwGU2lnbmV0MR0wGwYDVQQDDBTImnVyY2FuLCDImHRlZmFuICJB
IjAeFw0yNjExMjIwMjUyMTlaFw0zNjExMTkwMjUyMTlaMD0xCzAJBgNVBAYTAk1E
MQ8wDQYDVQQKDAZTaWduZXQxHTAbBgNVBAMMFMiadXJjYW4sIMiYdGVmYW4gIkEi
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAz2J8rtQDUcpE2KOiB5Iy
R23aRnQbUUPZRWxDrMcY/YZs7XfhcppRyd5pZA7fcZI2xTVCSmmRJnvSKtfpdefv
LbQx/VYS9lOmRyAAXV+l4CfvcaNFRnr3HsZpc35B4B6IcnomB5WuQ345anUfLcWd
kCOg5Q7IxD//0UdfdghVsiMzXqhPN91lOv+AHlvAwr4v/2f7JqR/mj1peKs1sJa2
5J9RLwmXSUNUsqyK1a9NhgkHfeQFkfpg7vl1ls1ldD02c7u6bBnEJ4vjBp6Dpb1Y
V37/ZC8VEv1DGnlKQwm8QjvTGDIccnbKcIdE6s1KpS58JKpU3ETIWthPBtAVjG7s
9wIDAQABo1MwUTAdBgNVHQ4EFgQUMutGVEZarQY5jd+RP8bvkHs8xzgwHwYDVR0j
BBgwFoAUMutGVEZarQY5jd+RP8bvkHs8xzgwDwYDVR0TAQH/BAUwAwEB/zANBgkq
hkiG9w0BAQsFAAOCAQEArxo+86XPGiDeRpP6x3CpicH4KiSDmGI8S+o10vTNiO7k
hAQ9T9xWpd4ULN3gvjvXJPQ9B6ETMHnTbKiKV+b4EXzczEpEDB3unX5PsTuRkFS+
O6LLVo77Y6jjwAtH6wcWa3UbYZRITRoWE5ZIZkCF+VDVypR+lrUXEwaH7DTNN7E2
xb0BqkgDJe0Vn0hZA2v3DeQaxuZeTPwwn6B+f+80p0X1BS21AXrxdvr/QewX3gox
7OFZVtimCgvNjOSjnFbTwLpyzmOaFcRv+HuqRiApDoHyufRZx8ClDso4FvoUQf/u
11f118MgpAqTerv7CwSHH+Ii63MkLyFk0yeVIT7aGw==
-----END CERTIFICATE-----
)";

demo::Authority& authority() {
  static demo::Authority made("Test Root", now);
  return made;
}

}  // namespace

TEST_CASE("a certificate made by another tool is read") {
  const auto certificates = certificates_in(base::as_bytes(made_by_openssl));
  REQUIRE(certificates);
  REQUIRE(certificates->size() == 1);
  const Certificate& certificate = certificates->front();
  CHECK(certificate.subject() == R"(CN=Țurcan\, Ștefan \"A\",O=Signet,C=MD)");
  CHECK(certificate.issuer() == certificate.subject());
  CHECK(certificate.common_name() == R"(Țurcan, Ștefan "A")");
  CHECK(certificate.serial_hex() == "c0ffee");
  CHECK(certificate.key_type() == KeyType::rsa);
  CHECK(certificate.key_bits() == 2048);
  CHECK(base::rfc3339(certificate.not_before()) == "2026-11-22T02:52:19Z");
  CHECK(base::rfc3339(certificate.not_after()) == "2036-11-19T02:52:19Z");
  CHECK(base::hex(certificate.fingerprint().bytes()) == "90c610fe614b7726f74cf7b22252d813493548e7d4c164f148e99e9e098c6557");
  CHECK(certificate.short_name() == std::string("90c610fe614b7726f74cf7b22252d813493548e7d4c164f148e99e9e098c6557").substr(0, 8));
}

TEST_CASE("the IssuerSerial of SigningCertificateV2 has one directoryName and the serial number") {
  const Certificate certificate = certificates_in(base::as_bytes(made_by_openssl)).value().front();
  // SEQUENCE { SEQUENCE { [4] { Name } } INTEGER }: each wrapped length counts what is below it.
  const base::Bytes der = certificate.issuer_serial_der();
  unsigned char* name_der = nullptr;
  const int name_size = i2d_X509_NAME(X509_get_issuer_name(certificate.native()), &name_der);
  const base::Owned<unsigned char, free_bytes> owner{name_der};
  const base::Bytes name(name_der, name_der + name_size);
  REQUIRE(name.size() < 120);
  const auto size = static_cast<std::uint8_t>(name.size());
  base::Bytes expected{0x30, static_cast<std::uint8_t>(size + 10), 0x30, static_cast<std::uint8_t>(size + 2), 0xa4, size};
  expected.insert(expected.end(), name.begin(), name.end());
  for (const int byte : {0x02, 0x04, 0x00, 0xc0, 0xff, 0xee}) expected.push_back(static_cast<std::uint8_t>(byte));
  CHECK(base::hex(der) == base::hex(expected));
}

TEST_CASE("a certificate is fit for signing by its key usage") {
  using Usage = demo::Subject::Usage;
  auto subject = person("Ana");
  const auto [usage, fit, non_repudiation] = GENERATE(table<Usage, bool, bool>({{Usage::signing, true, true},
                                                                                {Usage::time_stamping, true, false},
                                                                                {Usage::encryption_only, false, false},
                                                                                {Usage::ca, false, false}}));
  subject.usage = usage;
  const Certificate certificate = authority().issue(subject).certificate;
  CHECK(certificate.fit_for_signing() == fit);
  CHECK(certificate.has_non_repudiation() == non_repudiation);
  CHECK(certificate.is_ca() == (usage == Usage::ca));
}

TEST_CASE("without key usage a certificate is fit for signing, but claims no non-repudiation") {
  const Certificate certificate = altered(authority().issue(person("Ana")).certificate, authority().root(), EVP_sha256(),
                                          [](X509* x) { remove_extension(x, NID_key_usage); });
  CHECK(certificate.fit_for_signing());
  CHECK_FALSE(certificate.has_non_repudiation());
}

TEST_CASE("a certificate whose extensions are damaged is not fit for signing") {
  const Certificate certificate =
      altered(authority().issue(person("Ana")).certificate, authority().root(), EVP_sha256(), [](X509* x) {
        remove_extension(x, NID_key_usage);
        const base::Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> junk{ASN1_OCTET_STRING_new()};
        ASN1_OCTET_STRING_set(junk.get(), reinterpret_cast<const unsigned char*>("\x05\x00junk"), 6);
        const base::Owned<X509_EXTENSION, X509_EXTENSION_free> extension{
            X509_EXTENSION_create_by_NID(nullptr, NID_key_usage, 1, junk.get())};
        X509_add_ext(x, extension.get(), -1);
      });
  CHECK_FALSE(certificate.fit_for_signing());
  CHECK_FALSE(certificate.has_non_repudiation());
}

TEST_CASE("key types are told apart") {
  auto subject = person("Ana");
  const auto [type, bits] = GENERATE(
      table<KeyType, int>({{KeyType::rsa, 2048}, {KeyType::ec_p256, 256}, {KeyType::ec_p384, 384}, {KeyType::ec_p521, 521}}));
  subject.key_type = type;
  const Certificate certificate = authority().issue(subject).certificate;
  CHECK(certificate.key_type() == type);
  CHECK(certificate.key_bits() == bits);
}

TEST_CASE("a key of a kind that we do not sign with is `other`") {
  auto subject = person("Ana");
  subject.key = demo::PrivateKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free);
  CHECK(authority().issue(subject).certificate.key_type() == KeyType::other);
  subject.key = demo::PrivateKey(EVP_EC_gen("secp256k1"), EVP_PKEY_free);
  CHECK(authority().issue(subject).certificate.key_type() == KeyType::other);
}

TEST_CASE("a name without common name is shown whole") {
  const Certificate certificate =
      altered(authority().issue(person("Ana")).certificate, authority().root(), EVP_sha256(), [](X509* x) {
        X509_NAME* name = X509_get_subject_name(x);
        base::Owned<X509_NAME_ENTRY, X509_NAME_ENTRY_free>{
            X509_NAME_delete_entry(name, X509_NAME_get_index_by_NID(name, NID_commonName, -1))};
      });
  CHECK(certificate.common_name() == "O=Signet demonstration,C=MD");
}

TEST_CASE("of several common names the last counts") {
  const Certificate certificate =
      altered(authority().issue(person("Ana")).certificate, authority().root(), EVP_sha256(), [](X509* x) {
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("Ion"),
                                   -1, -1, 0);
      });
  CHECK(certificate.common_name() == "Ion");
}

TEST_CASE("a certificate with a name that is not UTF-8, though it says so, is refused") {
  base::Bytes der = bytes_of(authority().issue(person("Ana")).certificate.der());
  const base::BytesView name = base::as_bytes(
      "\x0c\x03"
      "Ana");
  const auto found = std::ranges::search(der, name);
  REQUIRE_FALSE(found.empty());
  found[3] = 0xff;
  CHECK(Certificate::from_der(der).error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("a name's value that is no text is written in hexadecimal") {
  const Certificate certificate =
      altered(authority().issue(person("Ana")).certificate, authority().root(), EVP_sha256(), [](X509* x) {
        X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_title, V_ASN1_BIT_STRING,
                                   reinterpret_cast<const unsigned char*>("\xff\xfe"), 2, -1, 0);
      });
  CHECK(certificate.subject() == "title=#030301FFFE,CN=Ana,O=Signet demonstration,C=MD");
}

TEST_CASE("control characters in a name are escaped") {
  auto subject = person("Ana\nCN=Ion");
  CHECK(authority().issue(subject).certificate.subject() == "CN=Ana\\0ACN=Ion,O=Signet demonstration,C=MD");
}

TEST_CASE("every truncation of a certificate is refused") {
  const base::Bytes der = bytes_of(authority().issue(person("Ana")).certificate.der());
  for (std::size_t size = 0; size < der.size(); ++size) {
    const auto cut = Certificate::from_der(base::BytesView(der).first(size));
    if (cut) FAIL("accepted after " << size << " bytes");
    CHECK(cut.error().code == ErrorCode::parameter_invalid);
  }
}

TEST_CASE("a certificate with any bit flipped is refused or is another certificate, and can be asked for everything") {
  const Certificate certificate = authority().issue(person("Ana")).certificate;
  base::Bytes der = bytes_of(certificate.der());
  for (std::size_t bit = 0; bit < der.size() * 8; ++bit) {
    der[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    if (const auto read = Certificate::from_der(der)) {
      CHECK_FALSE(*read == certificate);
      (void)(read->subject() + read->issuer() + read->common_name() + read->serial_hex());
      (void)(read->key_bits() + static_cast<int>(read->key_type()) + read->fit_for_signing() + read->has_non_repudiation());
      (void)read->issuer_serial_der();
    }
    der[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
  }
}

TEST_CASE("bytes after a certificate are refused") {
  base::Bytes der = bytes_of(authority().root().certificate.der());
  der.push_back(0);
  CHECK(Certificate::from_der(der).error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("a certificate in another encoding than DER is refused") {
  // The outer length, written with one byte more than needed.
  base::Bytes der = bytes_of(authority().root().certificate.der());
  REQUIRE(der[1] == 0x82);
  der[1] = 0x83;
  der.insert(der.begin() + 2, 0);
  CHECK(Certificate::from_der(der).error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("more than 64 KiB are no certificate") {
  CHECK(Certificate::from_der(base::Bytes((64 << 10) + 1, 0x30)).error().detail == "the certificate is too large");
}

TEST_CASE("a PEM file may hold several certificates, among other things and words") {
  const demo::Identity ana = authority().issue(person("Ana"));
  const std::string text = "Ana's\n" + demo::pem(ana.certificate) + demo::private_key_pem(ana.key) + "the root\n" +
                           demo::pem(authority().root().certificate);
  const auto certificates = certificates_in(base::as_bytes(text));
  REQUIRE(certificates);
  CHECK(*certificates == std::vector{ana.certificate, authority().root().certificate});
  CHECK(certificates_in(ana.certificate.der()).value() == one(ana));
}

TEST_CASE("a file without a certificate, or with a damaged one, is refused") {
  const std::string good = demo::pem(authority().root().certificate);
  const std::string damaged = good + good.substr(0, good.size() / 2);
  std::string bad_content = good;
  bad_content[good.find('\n') + 5] = '!';
  const auto text =
      GENERATE_COPY(as<std::string>{}, "", "nothing", damaged, bad_content, demo::private_key_pem(authority().root().key),
                    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", demo::pem(authority().crl()));
  CAPTURE(text);
  const auto certificates = certificates_in(base::as_bytes(text));
  REQUIRE_FALSE(certificates);
  CHECK(certificates.error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("the same bytes are decoded once while others are not many") {
  const auto first = authority().issue({.common_name = "First", .key_type = KeyType::ec_p256}).certificate;
  const base::Bytes der(first.der().begin(), first.der().end());
  const auto again = Certificate::from_der(der).value();
  CHECK(again.native() == Certificate::from_der(der).value().native());
  CHECK(again == first);

  // What differs in one bit is another certificate, or none.
  base::Bytes other = der;
  other.back() ^= 1;
  CHECK(!(Certificate::from_der(other).value() == first));

  // As many others as are kept: by then it is decoded anew, and what was handed out is still good.
  for (unsigned i = 0; i < 256; ++i) {
    other[other.size() - 2] = static_cast<std::uint8_t>(i);
    REQUIRE(Certificate::from_der(other).value().der().back() == other.back());
  }
  const auto anew = Certificate::from_der(der).value();
  CHECK(anew.native() != again.native());
  CHECK(anew == again);
  CHECK(again.common_name() == "First");
}

TEST_CASE("a failure leaves nothing in OpenSSL's error queue") {
  ERR_clear_error();
  CHECK_FALSE(certificates_in(base::as_bytes("nothing")));
  CHECK_FALSE(Certificate::from_der(base::Bytes(100, 0x30)));
  CHECK(certificates_in(base::as_bytes(demo::pem(authority().root().certificate))));
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a key that does not decode is of no kind, and leaves nothing in OpenSSL's error queue") {
  demo::Authority authority("Root", now);
  auto der = bytes_of(authority.issue(person("Ana")).certificate.der());
  const base::Bytes uncompressed{0x03, 0x42, 0x00, 0x04};  // a BIT STRING with a point of P-256
  const auto point = std::ranges::search(der, uncompressed);
  REQUIRE(!point.empty());
  point[3] = 0x09;
  const auto certificate = Certificate::from_der(der);
  REQUIRE(certificate);
  CHECK(certificate->key_type() == KeyType::other);
  CHECK(certificate->key_bits() == 0);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("intermediates are found in order, without the certificate and without the root") {
  demo::Authority root("Root", now);
  demo::Authority policy = root.subordinate(person("Policy CA"));
  demo::Authority issuing = policy.subordinate(person("Issuing CA"));
  const Certificate ana = issuing.issue(person("Ana")).certificate;
  const Certificate stranger = authority().root().certificate;
  const std::vector candidates{root.root().certificate, stranger, policy.root().certificate, ana, issuing.root().certificate};
  CHECK(intermediates_of(ana, candidates) == std::vector{issuing.root().certificate, policy.root().certificate});
  CHECK(intermediates_of(ana, {issuing.root().certificate}) == one(issuing.root()));
  CHECK(intermediates_of(root.root().certificate, candidates).empty());
}

TEST_CASE("an authority's namesake with another key is no intermediate") {
  demo::Authority root("Root", now);
  demo::Authority issuing = root.subordinate(person("Issuing CA"));
  demo::Authority namesake = root.subordinate(person("Issuing CA"));
  const Certificate ana = issuing.issue(person("Ana")).certificate;
  CHECK(intermediates_of(ana, {namesake.root().certificate}).empty());
  CHECK(intermediates_of(ana, {namesake.root().certificate, issuing.root().certificate}) == one(issuing.root()));
}

TEST_CASE("authorities that certify each other do not hang the search for intermediates") {
  demo::Authority a("A", now), b("B", now);
  const Certificate a_by_b = b.subordinate({.common_name = "A", .serial_number = {}, .key = a.root().key}).root().certificate;
  const Certificate b_by_a = a.subordinate({.common_name = "B", .serial_number = {}, .key = b.root().key}).root().certificate;
  const Certificate ana = a.issue(person("Ana")).certificate;
  CHECK(intermediates_of(ana, {a_by_b, b_by_a}) == std::vector{a_by_b, b_by_a});
}

TEST_CASE("where the lists of revocations are: http addresses, few, none of a directory") {
  demo::Authority root("Root", now);
  const auto urls_of = [&](const std::string& points) {
    root.publish_crl_at(points);
    return root.issue(person("Ana")).certificate.crl_urls();
  };
  CHECK(urls_of("").empty());
  CHECK(urls_of("http://a.example/1.crl") == std::vector<std::string>{"http://a.example/1.crl"});
  CHECK(urls_of("ldap://a.example/x,URI:https://a.example/2.crl,DNS:a.example") ==
        std::vector<std::string>{"https://a.example/2.crl"});
  CHECK(urls_of("http://a/" + std::string(2'000, 'x')).empty());
  CHECK(urls_of("http://a/1,URI:http://a/2,URI:http://a/3,URI:http://a/4,URI:http://a/5").size() == 4);
}

TEST_CASE("where an issuer answers OCSP is read from the certificate, and only where that is on the web") {
  demo::Authority root("Root", now);
  CHECK(root.issue(person("Ana")).certificate.ocsp_urls().empty());
  root.answer_ocsp_at("http://ocsp.example.org/1");
  CHECK(root.issue(person("Ana")).certificate.ocsp_urls() == std::vector<std::string>{"http://ocsp.example.org/1"});
  const auto with = [&](const char* value) {
    return altered(root.issue(person("Ana")).certificate, root.root(), EVP_sha256(),
                   [&](X509* x) { set_extension(x, NID_info_access, value); });
  };
  CHECK(with("caIssuers;URI:http://a.example/ca.der").ocsp_urls().empty());
  CHECK(with("OCSP;URI:file:///etc/passwd,OCSP;URI:ldap://a,OCSP;URI:https://b.example").ocsp_urls() ==
        std::vector<std::string>{"https://b.example"});
  CHECK(with("OCSP;URI:http://1,OCSP;URI:http://2,OCSP;URI:http://3,OCSP;URI:http://4,OCSP;URI:http://5").ocsp_urls().size() ==
        4);
}
