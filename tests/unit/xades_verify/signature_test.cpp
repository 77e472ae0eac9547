#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/owned.hpp"
#include "counter_signature.hpp"

using namespace signet;
using namespace signet::xades;

TEST_CASE("what the writer makes is passed, for every algorithm, packaging, level and number of objects") {
  struct Row {
    pki::KeyType key;
    KeyScheme scheme;
    base::DigestAlgorithm digest;
  };
  const auto row = GENERATE(Row{pki::KeyType::rsa, KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha256},
                            Row{pki::KeyType::rsa, KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha512},
                            Row{pki::KeyType::rsa, KeyScheme::rsa_pss, base::DigestAlgorithm::sha256},
                            Row{pki::KeyType::rsa, KeyScheme::rsa_pss, base::DigestAlgorithm::sha512},
                            Row{pki::KeyType::ec_p256, KeyScheme::ecdsa, base::DigestAlgorithm::sha256},
                            Row{pki::KeyType::ec_p384, KeyScheme::ecdsa, base::DigestAlgorithm::sha384},
                            Row{pki::KeyType::ec_p521, KeyScheme::ecdsa, base::DigestAlgorithm::sha512});
  const auto packaging = GENERATE(Packaging::detached, Packaging::enveloping);
  const auto level = GENERATE(Level::b_b, Level::b_t);
  const auto contents = GENERATE(std::vector<std::string>{"the contract"}, std::vector<std::string>{"a", "b", "c"});
  const SigningPlan plan{.algorithm = {row.scheme, row.digest}, .packaging = packaging, .level = level, .contents = contents};
  INFO(uri(plan.algorithm) << " " << name(packaging) << " " << name(level) << " " << contents.size());

  const auto report = verified_one(signed_document(signer(row.key), plan), options(contents));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == name(level));
  CHECK(report.detail.empty());
  CHECK(report.warnings.empty());
  CHECK(report.signer == signer(row.key).certificate);
  CHECK(report.claimed_time == now);
  CHECK(report.proven_time.has_value() == (level == Level::b_t));
  REQUIRE(report.references.size() == contents.size() + 1);
  CHECK(report.references.front().signed_properties);
}

TEST_CASE("one flipped bit is found, wherever it is") {
  const std::string document = signed_document(signer());
  const std::string certificate_digest = part(document, "<xades:CertDigest>", "</xades:CertDigest>");
  const std::size_t object = document.find("<ds:Reference Id");
  struct Row {
    std::string what, changed, expected;
  };
  for (const Row& row : {
           Row{"the digest of SignedProperties", flipped(document, "<ds:DigestValue>"), "TOTAL-FAILED/HASH_FAILURE, invalid"},
           Row{"the digest of the object", document.substr(0, object) + flipped(document.substr(object), "<ds:DigestValue>"),
               "TOTAL-FAILED/HASH_FAILURE, invalid"},
           Row{"SignatureValue", flipped(document, "-value\">"), "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid"},
           Row{"SignatureMethod", replaced(document, "ecdsa-sha256", "ecdsa-sha384"), "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid"},
           Row{"a reference's name", replaced(document, "contract%200", "contract%201"),
               "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid"},
           Row{"SigningTime", replaced(document, "<xades:SigningTime>2026", "<xades:SigningTime>2025"),
               "TOTAL-FAILED/HASH_FAILURE, invalid"},
           Row{"the signing certificate's digest",
               replaced(document, certificate_digest, flipped(certificate_digest, "xmldsig#\">")),
               "INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND, invalid"},  // 5.2.3 comes before the digests
       }) {
    INFO(row.what);
    CHECK(said(verified_one(row.changed)) == row.expected);
  }
}

TEST_CASE("a flipped bit in KeyInfo's certificate makes it a stranger's") {
  const std::string document = signed_document(signer());
  for (std::size_t at = 10; at < 600; at += 37) {
    const auto report = verified_one(flipped(document, "<ds:X509Certificate>", at));
    INFO(said(report));
    CHECK(report.indication == Indication::indeterminate);
    CHECK(report.sub_indication == SubIndication::no_signing_certificate_found);
    CHECK(report.integrity != Integrity::invalid);
    CHECK_FALSE(report.signer);
  }
}

TEST_CASE("a key that is not the named certificate's is found") {
  const auto other = pki_of_tests().person();
  CHECK(said(verified_one(signed_document({signer().certificate, other.key}))) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
}

TEST_CASE("an algorithm that does not fit the key is found") {
  const std::string document = signed_document(signer());
  for (const char* method :
       {"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", "1.2.840.10045.4.3.2", ""}) {
    const auto report = verified_one(replaced(document, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", method));
    CHECK(said(report) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
  }
}

TEST_CASE("a signature by a key of another kind is none, though its numbers would be right") {
  // DSA, whose r and s would be written as ECDSA's are.
  const base::Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context{EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, nullptr)};
  EVP_PKEY *parameters = nullptr, *made = nullptr;
  REQUIRE(EVP_PKEY_paramgen_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_dsa_paramgen_bits(context.get(), 1024) == 1);
  REQUIRE(EVP_PKEY_paramgen(context.get(), &parameters) == 1);
  const demo::PrivateKey of_parameters(parameters, EVP_PKEY_free);
  const base::Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> generating{EVP_PKEY_CTX_new(parameters, nullptr)};
  REQUIRE(EVP_PKEY_keygen_init(generating.get()) == 1);
  REQUIRE(EVP_PKEY_keygen(generating.get(), &made) == 1);
  const demo::PrivateKey key(made, EVP_PKEY_free);
  const auto person = pki_of_tests().issuer.issue({.common_name = "Ana", .serial_number = {}, .key = key});
  CHECK(said(verified_one(signed_document(person))) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
}

TEST_CASE("a key that is none leaves nothing in OpenSSL's error queue") {
  const std::string document = signed_document(signer());
  const std::string none =
      "<ds:KeyInfo><k:DEREncodedKeyValue xmlns:k=\"http://www.w3.org/2009/xmldsig11#\">AAAA</k:DEREncodedKeyValue></ds:KeyInfo>";
  ERR_clear_error();
  const auto report = verified_one(replaced(document, part(document, "<ds:KeyInfo>", "</ds:KeyInfo>"), none));
  CHECK(said(report) == "INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND, unknown");
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("an HMAC is never taken for a signature") {
  const std::string document = replaced(signed_document(signer()), "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
                                        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256");
  const auto report = verified_one(document);
  CHECK(said(report) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");  // no certificate's key makes one
}

TEST_CASE("the signing certificate is found outside KeyInfo too, but that is no baseline form") {
  const std::string document = signed_document(signer());
  const std::string without = replaced(document, part(document, "<ds:KeyInfo>", "</ds:KeyInfo>"), "");
  CHECK(said(verified_one(without)) == "INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND, unknown");
  auto given = options();
  given.trust.intermediates = {signer().certificate, pki_of_tests().issuer.root().certificate};
  const auto report = verified_one(without, given);
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "none");
}

TEST_CASE("every signature of a document is reported, also within another element") {
  const std::string one = signed_document(signer(), {}, pki_of_tests(), "A");
  const std::string two = flipped(signed_document(signer(), {}, pki_of_tests(), "B"), "-value\">");
  const auto reports = verified("<all>" + one + two + "</all>");
  REQUIRE(reports.size() == 2);
  CHECK(reports[0].id == "A");
  CHECK(said(reports[0]) == "TOTAL-PASSED, valid");
  CHECK(reports[1].id == "B");
  CHECK(said(reports[1]) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
}

TEST_CASE("a counter-signature has a verdict of its own, below that of the signature that holds it") {
  const std::string document = signed_document(signer(), {.level = Level::b_t});
  const std::string counter = counter_signature(document, signer());
  const auto report = verified_one(with_counter_signature(document, counter));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  REQUIRE(report.counter_signatures.size() == 1);
  INFO(report.counter_signatures[0].detail);
  CHECK(said(report.counter_signatures[0]) == "TOTAL-PASSED, valid");
  CHECK(report.counter_signatures[0].id == "Inner");
  const auto damaged = verified_one(with_counter_signature(document, flipped(counter, "Inner-value\">")));
  CHECK(said(damaged) == "TOTAL-PASSED, valid");
  CHECK(said(damaged.counter_signatures.at(0)) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
}

TEST_CASE("what is put in as a counter-signature and does not sign the SignatureValue is none") {
  const std::string document = signed_document(signer(), {.level = Level::b_t});
  const auto stranger = verified_one(with_counter_signature(document, signed_document(signer(), {}, pki_of_tests(), "Inner")));
  CHECK(said(stranger) == "TOTAL-PASSED, valid");
  CHECK(said(stranger.counter_signatures.at(0)) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");  // its own is not there
  // The value of another signature of the same document.
  const std::string other = signed_document(signer(), {}, pki_of_tests(), "T");
  const auto elsewhere =
      verified("<all>" + with_counter_signature(document, counter_signature(other, signer(), "#T-value")) + other + "</all>");
  REQUIRE(elsewhere.size() == 2);
  CHECK(said(elsewhere[0].counter_signatures.at(0)) == "TOTAL-FAILED/FORMAT_FAILURE, invalid");
}

TEST_CASE("counter-signatures within counter-signatures are followed only so deep, which is told") {
  std::string document = signed_document(signer(), {.level = Level::b_t}, pki_of_tests(), "S7");
  for (int i = 6; i > 0; --i) {
    const std::string around = signed_document(signer(), {.level = Level::b_t}, pki_of_tests(), "S" + std::to_string(i));
    document = with_counter_signature(around, document);
  }
  const auto top = verified_one(document);
  const SignatureReport* report = &top;
  int depth = 0;
  for (; !report->counter_signatures.empty(); ++depth) report = &report->counter_signatures.front();
  CHECK(depth == 4);
  CHECK(report->id == "S5");
  const auto told = warned(*report);
  CHECK(std::ranges::find(told, "counter_signatures_unverified") != told.end());
}

TEST_CASE("counter-signatures count among the signatures of a document") {
  const std::string document = signed_document(signer(), {.level = Level::b_t});
  auto given = options();
  given.limits.max_signatures = 1;
  const auto refused = verify(base::as_bytes(with_counter_signature(document, counter_signature(document, signer()))), given);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == base::ErrorCode::message_too_large);
}

TEST_CASE("a signature in whatever place is judged: with the one that it countersigns, or for itself") {
  const std::string good = signed_document(signer(), {.level = Level::b_t});
  const std::string bad = flipped(signed_document(signer(), {}, pki_of_tests(), "B"), "-value\">");
  const std::string stray_open = "<xades:UnsignedProperties xmlns:xades=\"http://uri.etsi.org/01903/v1.3.2#\">";
  struct Row {
    std::string what, document;
  };
  for (const Row& row : {
           Row{"beside, in UnsignedProperties of nobody",
               "<all>" + good + stray_open + bad + "</xades:UnsignedProperties></all>"},
           Row{"beside, in a CounterSignature of nobody",
               "<all>" + good + stray_open + "<xades:UnsignedSignatureProperties><xades:CounterSignature>" + bad +
                   "</xades:CounterSignature></xades:UnsignedSignatureProperties></xades:UnsignedProperties></all>"},
           Row{"beside, in QualifyingProperties of nobody",
               "<all>" + good + replaced(stray_open, "UnsignedProperties", "QualifyingProperties") +
                   "<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:CounterSignature>" + bad +
                   "</xades:CounterSignature></xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
                   "</xades:QualifyingProperties></all>"},
           Row{"within, in a property that is not known",
               replaced(good, "</xades:UnsignedSignatureProperties>",
                        "<xades:Foo>" + bad + "</xades:Foo></xades:UnsignedSignatureProperties>")},
           Row{"within, deeper than a CounterSignature has it", with_counter_signature(good, "<x>" + bad + "</x>")},
           Row{"within, behind UnsignedSignatureProperties",
               replaced(good, "</xades:UnsignedSignatureProperties>",
                        "</xades:UnsignedSignatureProperties><xades:CounterSignature>" + bad + "</xades:CounterSignature>")},
       }) {
    INFO(row.what);
    const auto reports = verified(row.document);
    REQUIRE(reports.size() == 2);
    CHECK(said(reports[0]) == "TOTAL-PASSED, valid");
    CHECK(reports[0].counter_signatures.empty());
    CHECK(said(reports[1]) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
  }
}

TEST_CASE("counter-signatures are judged whatever is wrong with the signature that holds them") {
  const std::string document = signed_document(signer(), {.level = Level::b_t});
  const std::string with = with_counter_signature(document, counter_signature(document, signer()));
  const auto changed = verified_one(replaced(with, "<xades:SigningTime>2026", "<xades:SigningTime>2025"));
  CHECK(said(changed) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  REQUIRE(changed.counter_signatures.size() == 1);
  CHECK(said(changed.counter_signatures[0]) == "TOTAL-PASSED, valid");
  const auto of_no_form = verified_one(replaced(with, "</ds:SignatureValue>", "</ds:SignatureValue><x></x>"));
  CHECK(said(of_no_form) == "TOTAL-FAILED/FORMAT_FAILURE, invalid");
  CHECK(of_no_form.counter_signatures.size() == 1);
}

TEST_CASE("all counter-signatures are judged, also two in one property") {
  std::string document = signed_document(signer(), {.level = Level::b_t});
  const std::string counter = counter_signature(document, signer());
  CHECK(verified_one(with_counter_signature(document, counter + counter)).counter_signatures.size() == 2);
  for (int i = 0; i < 20; ++i) document = with_counter_signature(document, counter);
  CHECK(verified_one(document).counter_signatures.size() == 20);
}

TEST_CASE("a claimed time outside of the certificate's validity does not pass") {
  for (const auto time : {now - std::chrono::hours{48}, now + std::chrono::hours{24 * 400}}) {
    const auto report = verified_one(signed_document(signer(), {.signing_time = time}));
    CHECK(said(report) == "INDETERMINATE/SIG_CONSTRAINTS_FAILURE, valid");
  }
}

TEST_CASE("of the unsigned properties there is one element each, or the form is broken") {
  const std::string document = signed_document(signer(), {.level = Level::b_t});
  for (const auto& [open, close] : {std::pair{"<xades:UnsignedProperties>", "</xades:UnsignedProperties>"},
                                    std::pair{"<xades:UnsignedSignatureProperties>", "</xades:UnsignedSignatureProperties>"}}) {
    const std::string element = part(document, open, close);
    CHECK(said(verified_one(replaced(document, element, element + element))) == "TOTAL-FAILED/FORMAT_FAILURE, valid");
  }
}

TEST_CASE("a reference has its parts in their order, and nothing else") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping});
  const std::string method = part(document, "<ds:DigestMethod", "</ds:DigestMethod>");
  const std::string value = part(document, "<ds:DigestValue>", "</ds:DigestValue>");
  for (const std::string& instead : {value + method, method, value, method + value + value, method + value + "<z/>"})
    CHECK(said(verified_one(replaced(document, method + value, instead))) == "TOTAL-FAILED/FORMAT_FAILURE, invalid");
}

TEST_CASE("white space around a document, a byte order mark and UTF-16 change nothing") {
  const std::string document = signed_document(signer());
  CHECK(said(verified_one("\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- seen -->\n" + document + "\n")) ==
        "TOTAL-PASSED, valid");
  std::string utf16 = "\xFE\xFF";
  for (char c : document) utf16 += {'\0', c};
  CHECK(said(verified_one(utf16)) == "TOTAL-PASSED, valid");
}

TEST_CASE("what an element within a value says is not of that value") {
  const std::string document = signed_document(signer());
  const auto within = [&](std::string_view open, std::string_view close) {
    const std::string whole = part(document, open, close);
    const std::size_t from = whole.find('>') + 1, to = whole.rfind('<');
    return replaced(document, whole.substr(0, to),
                    whole.substr(0, from) + "<z xmlns=\"urn:z\">" + whole.substr(from, to - from) + "</z>");
  };
  CHECK(said(verified_one(within("<ds:SignatureValue", "</ds:SignatureValue>"))) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
  CHECK(said(verified_one(within("<ds:DigestValue", "</ds:DigestValue>"))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK(said(verified_one(within("<ds:X509Certificate", "</ds:X509Certificate>"))) ==
        "INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND, unknown");
  // An empty one says nothing, but another reader may see two values.
  const std::string value = part(document, "<ds:SignatureValue", "</ds:SignatureValue>");
  CHECK(said(verified_one(replaced(document, value, replaced(value, "</", "<z></z></")))) ==
        "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
}

TEST_CASE("a digest cannot be cut short by a comment") {
  const std::string document = signed_document(signer());
  const std::string value = part(document, "<ds:DigestValue>", "</ds:DigestValue>");
  const std::string commented = replaced(document, value.substr(0, 30), value.substr(0, 30) + "<!-- c -->");
  CHECK(said(verified_one(commented)) == "TOTAL-PASSED, valid");  // canonically the same
}

TEST_CASE("strings of a document are made harmless in the report") {
  const auto report =
      verified_one(replaced(signed_document(signer()), "Id=\"S\"", "Id=\"S&#x202E;&#10;" + std::string(1000, 'x') + "\""));
  CHECK(report.id.size() <= 128);
  CHECK(report.id.find('\n') == std::string::npos);
  CHECK(report.id.starts_with("S\xEF\xBF\xBD\xEF\xBF\xBD"));
}

namespace {

base::Bytes pss(const demo::PrivateKey& key, const base::Digest& digest, int salt) {
  const base::Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context{EVP_PKEY_CTX_new(key.get(), nullptr)};
  REQUIRE(EVP_PKEY_sign_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1);
  REQUIRE(EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), salt) == 1);
  base::Bytes value(256);
  std::size_t size = value.size();
  REQUIRE(EVP_PKEY_sign(context.get(), value.data(), &size, digest.bytes().data(), digest.bytes().size()) == 1);
  return value;
}

}  // namespace

TEST_CASE("the salt of RSASSA-PSS is as long as the hash, as the algorithm's name says") {
  const demo::Identity& ana = signer(pki::KeyType::rsa);
  const std::vector<DataObject> objects{{"contract 0.pdf", sha256("the contract")}};
  const SignatureWriter writer({ana.certificate,
                                {pki_of_tests().issuer.root().certificate},
                                {KeyScheme::rsa_pss, base::DigestAlgorithm::sha256},
                                Packaging::detached,
                                "S",
                                now,
                                1,
                                {}});
  const SignatureContent content{"S", objects};
  const base::Digest digest = writer.to_be_signed(content);
  CHECK(said(verified_one(writer.document(content, pss(ana.key, digest, 32)))) == "TOTAL-PASSED, valid");
  for (const int salt : {0, 20, 64})
    CHECK(said(verified_one(writer.document(content, pss(ana.key, digest, salt)))) == "TOTAL-FAILED/SIG_CRYPTO_FAILURE, invalid");
}
