#include "messages.hpp"
#include "portal/identifiers.hpp"
#include "portal/rules.hpp"

using namespace signet;
using namespace signet::portal;
using namespace signet::portal::test;

namespace {

SignContent sign_content() {
  return {.content = base::Bytes(32, 1), .correlation_id = {}, .multiple_signatures = false, .name = {}};
}

SignRequest request() {
  SignRequest out;
  out.contents = {sign_content()};
  out.short_content_description = "Invoice";
  return out;
}

VerificationRequest verification() {
  VerificationRequest out;
  out.contents.push_back({base::Bytes(32, 1), {}, base::Bytes(1, 1)});
  return out;
}

// "" for what is allowed.
template <class Request>
std::string reason(const Request& request, const Rules& rules = {}) {
  const auto fault = check(request, rules);
  if (fault) CHECK(fault->code == FaultCode::invalid_parameter);
  return fault ? fault->reason : "";
}

// Characters of two bytes, so that bytes and characters differ.
std::string long_text(std::size_t characters) { return repeated("ț", characters); }

std::string signer_reason(const ExpectedSigner& signer) {
  SignRequest with = request();
  with.expected_signer = signer;
  return reason(with);
}

}  // namespace

TEST_CASE("a plain request is allowed") {
  CHECK(reason(request()) == "");
  CHECK(reason(verification()) == "");
  CHECK_FALSE(check(GetSignResponse{"0123456789abcdef0123456789abcdef", "ro"}));
}

TEST_CASE("lengths are counted in characters, and one more than the contract's is refused") {
  SignRequest most = request();
  most.content_description = long_text(512);
  most.short_content_description = long_text(90);
  most.signature_reason = long_text(255);
  most.contents[0].correlation_id = long_text(36);
  most.contents[0].name = long_text(256);
  CHECK(reason(most) == "");

  SignRequest over = most;
  over.content_description = long_text(513);
  CHECK(reason(over) == "ContentDescription: longer than 512 characters");
  over = most;
  over.short_content_description = long_text(91);
  CHECK(reason(over) == "ShortContentDescription: longer than 90 characters");
  over = most;
  over.signature_reason = long_text(256);
  CHECK(reason(over) == "SignatureReason: longer than 255 characters");
  over = most;
  over.contents.push_back(sign_content());
  over.contents[1].correlation_id = long_text(37);
  CHECK(reason(over) == "Contents[1].CorrelationID: longer than 36 characters");
  over = most;
  over.contents[0].name = long_text(257);
  CHECK(reason(over) == "Contents[0].Name: longer than 256 characters");

  VerificationRequest verified = verification();
  verified.contents[0].correlation_id = long_text(37);
  CHECK(reason(verified) == "Contents[0].CorrelationID: longer than 36 characters");
  verified = verification();
  verified.language = "ron";
  CHECK(reason(verified) == "Language: longer than 2 characters");
  for (const char* language : {"ro", "ru", "en", "fr", ""}) {
    verified.language = language;
    CHECK(reason(verified) == "");
  }
}

TEST_CASE("an empty short description is refused") {
  for (const char* text : {"", " ", "\r\n\t"}) {
    SignRequest empty = request();
    empty.short_content_description = text;
    CHECK(reason(empty) == "ShortContentDescription: empty");
  }
}

TEST_CASE("there is at least one content, and not more than the limit") {
  SignRequest none = request();
  none.contents.clear();
  CHECK(reason(none) == "Contents: at least one is required");
  VerificationRequest nothing = verification();
  nothing.contents.clear();
  CHECK(reason(nothing) == "Contents: at least one is required");

  Rules rules;
  CHECK(rules.max_sign_contents == 100'000);
  CHECK(rules.max_verification_contents == 10'000);
  rules.max_sign_contents = rules.max_verification_contents = 2;
  SignRequest many = request();
  many.contents.resize(2, sign_content());
  CHECK(reason(many, rules) == "");
  many.contents.resize(3, sign_content());
  CHECK(reason(many, rules) == "Contents: more than 2");
  VerificationRequest much = verification();
  much.contents.resize(3, much.contents[0]);
  CHECK(reason(much, rules) == "Contents: more than 2");
}

TEST_CASE("correlation ids are unique within a request; empty ones are none") {
  SignRequest twice = request();
  twice.contents.resize(4, sign_content());
  twice.contents[0].correlation_id = twice.contents[1].correlation_id = "";
  twice.contents[2].correlation_id = "a";
  twice.contents[3].correlation_id = "A";
  CHECK(reason(twice) == "");
  twice.contents[3].correlation_id = "a";
  CHECK(reason(twice) == "Contents[3].CorrelationID: an earlier content has it too, and it must be unique within the request");
  VerificationRequest verified = verification();
  verified.contents[0].correlation_id = "b";
  verified.contents.push_back(verified.contents[0]);
  CHECK(reason(verified).starts_with("Contents[1].CorrelationID: an earlier"));
}

TEST_CASE("a hash has the length of its algorithm, and SHA-1 must be allowed") {
  Rules sha1;
  sha1.allow_sha1 = true;
  for (const std::size_t size : {28, 32, 48, 64}) {
    SignRequest hashed = request();
    hashed.contents[0].content.assign(size, 7);
    CHECK(reason(hashed) == "");
  }
  for (const std::size_t size : {0, 1, 16, 19, 21, 27, 31, 33, 47, 63, 65, 1000}) {
    SignRequest hashed = request();
    hashed.contents.insert(hashed.contents.begin(), sign_content());
    hashed.contents[1].content.assign(size, 7);
    CHECK(reason(hashed, sha1).starts_with("Contents[1].Content: not a hash"));
    VerificationRequest verified = verification();
    verified.contents[0].content = base::Bytes(size, 7);
    CHECK(reason(verified).starts_with("Contents[0].Content: not a hash"));
  }
  SignRequest old = request();
  old.contents[0].content.assign(20, 7);
  CHECK(reason(old) == "Contents[0].Content: hashes of SHA-1 (20 bytes) are not accepted; use SHA-256");
  CHECK(reason(old, sha1) == "");
  VerificationRequest verified = verification();
  verified.contents[0].content = base::Bytes(20, 7);
  CHECK(reason(verified).starts_with("Contents[0].Content: hashes of SHA-1"));
  CHECK(reason(verified, sha1) == "");
}

TEST_CASE("a hash as text is no hash, whichever length it has by that") {
  const std::string hex = "0123456789abcdef";
  for (const std::string& text : {hex + hex + hex + hex,  // SHA-256: as long as SHA-512
                                  std::string(64, 'A'),   // also in capitals
                                  hex + hex,              // MD5: as long as SHA-256
                                  hex + hex + "01234567", std::string(96, '7'), std::string(128, 'f'),  // SHA-1, SHA-384, SHA-512
                                  std::string("2jmj7l5rSw0yVb/vlWAYkK/YBwk="),  // SHA-1 in base64: as long as SHA-224
                                  std::string("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")}) {
    SignRequest posted = request();
    posted.contents[0].content.assign(text.begin(), text.end());
    CHECK(reason(posted).starts_with("Contents[0].Content: a hash as text"));
    VerificationRequest verified = verification();
    verified.contents[0].content = base::Bytes(text.begin(), text.end());
    CHECK(reason(verified).starts_with("Contents[0].Content: a hash as text"));
    posted.contents[0].content[5] = 0x1F;
    CHECK_FALSE(reason(posted).starts_with("Contents[0].Content: a hash as text"));
  }
  for (const std::size_t size : {30, 48, 1000}) {
    SignRequest posted = request();
    posted.contents[0].content.assign(size, 'a');
    CHECK_FALSE(reason(posted).starts_with("Contents[0].Content: a hash as text"));
  }
}

TEST_CASE("PDF is refused in words, and what is only for PDF has no effect on a hash") {
  SignRequest pdf = request();
  pdf.content_type = ContentType::pdf;
  pdf.contents[0].content.assign(5000, '%');
  CHECK(reason(pdf) == "ContentType: Pdf is not supported yet; send the hash of the file, with Hash");
  VerificationRequest verified = verification();
  verified.signed_content_type = ContentType::pdf;
  CHECK(reason(verified).starts_with("SignedContentType: Pdf is not supported yet"));
  SignRequest tolerated = request();
  tolerated.contents[0].multiple_signatures = true;
  tolerated.signature_reason = "Approved";
  CHECK(reason(tolerated) == "");
}

TEST_CASE("a verification needs the hash that was signed, and a signature") {
  VerificationRequest without = verification();
  without.contents[0].content.reset();
  CHECK(reason(without) == "Contents[0].Content: required: the hash that was signed");
  without = verification();
  without.contents[0].signature.clear();
  CHECK(reason(without) == "Contents[0].Signature: empty");
}

TEST_CASE("an expected signer is an IDNP, or nobody in particular") {
  ExpectedSigner signer;
  CHECK(signer_reason(signer) == "");
  signer.id = "2001234567890";
  CHECK(signer_reason(signer) == "");
  for (const char* id : {"", "200123456789", "20012345678901", "200123456789x", " 2001234567890", "2001234567890\n", "٠٠٠٠٠٠x"}) {
    signer.id = id;
    CHECK(signer_reason(signer) == "ExpectedSigner.ID: not an IDNP (13 digits)");
  }
}

TEST_CASE("a delegator has a type and an identifier that goes with it") {
  ExpectedSigner signer;
  signer.delegator_type = DelegatorType::organization;
  signer.delegator_id = "1003600012344";
  signer.delegated_role_id = 3;
  CHECK(signer_reason(signer) == "");
  signer.delegator_id = "1003600012346";
  CHECK(signer_reason(signer) == "ExpectedSigner.DelegatorID: not an IDNO (13 digits, of which the last checks the others)");
  signer.delegator_type = DelegatorType::person;
  CHECK(signer_reason(signer) == "");
  signer.delegator_id = "12345";
  CHECK(signer_reason(signer) == "ExpectedSigner.DelegatorID: not an IDNP (13 digits)");
  for (const auto type : {DelegatorType::person, DelegatorType::organization}) {
    signer.delegator_type = type;
    signer.delegator_id = "";
    CHECK(signer_reason(signer) == "ExpectedSigner.DelegatorID: required, as DelegatorType is not None");
    signer.delegator_id.reset();
    CHECK(signer_reason(signer) == "ExpectedSigner.DelegatorID: required, as DelegatorType is not None");
  }
}

TEST_CASE("nobody signs for himself where the caller named a delegator without a type") {
  ExpectedSigner signer;
  signer.delegator_id = "1003600012344";
  CHECK(signer_reason(signer) == "ExpectedSigner.DelegatorID: given, but DelegatorType is None");
  signer.delegator_id = "";
  CHECK(signer_reason(signer) == "");
  signer.delegated_role_id = 3;
  CHECK(signer_reason(signer) == "ExpectedSigner.DelegatedRoleID: given, but DelegatorType is None");
}

TEST_CASE("a request's id is opaque, but there is one, and languages that are not known do no harm") {
  CHECK_FALSE(check(GetSignResponse{"anything at all", {}}));
  CHECK_FALSE(check(GetSignResponse{"a", "fr"}));
  CHECK_FALSE(check(GetSignResponse{"a", "ro-MD"}));
  CHECK_FALSE(check(GetSignResponse{"a", ""}));
  const auto empty = check(GetSignResponse{"", {}});
  REQUIRE(empty);
  CHECK(empty->code == FaultCode::invalid_parameter);
  CHECK(empty->reason == "requestID: empty");
  const auto endless = check(GetSignResponse{std::string(100'000, 'a'), {}});
  REQUIRE(endless);
  CHECK(endless->code == FaultCode::request_not_found);
  CHECK(endless->reason == "Cannot find such request");
}

TEST_CASE("identifiers are told from what only looks like them") {
  CHECK(is_idnp("0000000000000"));
  CHECK_FALSE(is_idnp("000000000000"));
  CHECK(is_idno("1003600012344"));
  CHECK(is_idno("0000000000000"));
  CHECK_FALSE(is_idno("1003600012343"));
  CHECK_FALSE(is_idno("100360001234"));
  CHECK_FALSE(is_idno("10036000123a6"));
  CHECK_FALSE(is_idno(""));
  CHECK(is_msisdn("37369123456"));
  for (const char* number : {"", "+37369123456", "3736912345", "373691234567", "40369123456", "373 9123456", "069123456"})
    CHECK_FALSE(is_msisdn(number));
  CHECK(base::digest_algorithm_of_size(32) == base::DigestAlgorithm::sha256);
  CHECK(base::digest_algorithm_of_size(20) == base::DigestAlgorithm::sha1);
  CHECK_FALSE(base::digest_algorithm_of_size(0));
  CHECK_FALSE(base::digest_algorithm_of_size(33));
  CHECK(characters("") == 0);
  CHECK(characters("aț€🖋") == 4);
}
