#include "forms.hpp"

using namespace signet;
using namespace signet::xades;

namespace {

VerifyOptions given(std::vector<GivenData> data) {
  VerifyOptions out = options({});
  out.data = std::move(data);
  return out;
}

using Status = ReferenceReport::Status;

}  // namespace

TEST_CASE("a detached object may be given by its hash, and with one of each its name does not matter") {
  const std::string document = signed_document(signer());
  for (const char* name : {"contract 0.pdf", "", "another.pdf"}) {
    CHECK(said(verified_one(document, given({{name, sha256("the contract")}}))) == "TOTAL-PASSED, valid");
    CHECK(said(verified_one(document, given({{name, bytes_of("the contract")}}))) == "TOTAL-PASSED, valid");
    CHECK(said(verified_one(document, given({{name, sha256("another")}}))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
    CHECK(said(verified_one(document, given({{name, bytes_of("another")}}))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  }
}

TEST_CASE("a hash by another algorithm says nothing of the object") {
  const auto sha512 = base::digest(base::DigestAlgorithm::sha512, base::as_bytes("the contract"));
  const auto report = verified_one(signed_document(signer()), given({{"", sha512}}));
  CHECK(said(report) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  CHECK(report.references.at(1).status == Status::refused);
}

TEST_CASE("a detached object that is not given leaves the question open; that the value itself is wrong is told apart") {
  const std::string document = signed_document(signer());
  const auto report = verified_one(document, given({}));
  CHECK(said(report) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  CHECK(report.signer == signer().certificate);
  // EN 319 102-1 5.2.7.4 looks for the data first.
  CHECK(said(verified_one(flipped(document, "-value\">"), given({}))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, invalid");
}

TEST_CASE("several objects are matched by digest, then by name") {
  const std::string document = signed_document(signer(), {.contents = {"a", "b", "c"}});
  CHECK(said(verified_one(document, given({{"", sha256("c")}, {"", sha256("a")}, {"", sha256("b")}}))) == "TOTAL-PASSED, valid");
  const auto differs =
      verified_one(document, given({{name_of(0), sha256("a")}, {name_of(1), sha256("x")}, {name_of(2), sha256("c")}}));
  CHECK(said(differs) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK(differs.references.at(2).status == Status::digest_differs);
  const auto missing = verified_one(document, given({{name_of(0), sha256("a")}, {name_of(2), sha256("c")}}));
  CHECK(said(missing) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  CHECK(missing.references.at(2).status == Status::not_found);
  CHECK(missing.references.at(2).uri == "contract%201.pdf");
}

TEST_CASE("of data that several signatures share, each finds its own by digest or name, and the others say nothing of it") {
  const std::string document = signed_document(signer(), {.contents = {"a", "b"}});
  auto shared = given({{"else.pdf", sha256("else")}, {"renamed.pdf", sha256("b")}, {name_of(0), sha256("a")}});
  shared.data_for = VerifyOptions::DataFor::any_signature;
  const auto passed = verified_one(document, shared);
  CHECK(said(passed) == "TOTAL-PASSED, valid");
  CHECK(passed.matched_data == std::vector<std::size_t>{1, 2});

  shared.data[2].content = sha256("changed");  // found by its name
  const auto differs = verified_one(document, shared);
  CHECK(said(differs) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK(differs.matched_data == std::vector<std::size_t>{1, 2});

  shared.data.erase(shared.data.begin() + 1);
  shared.data[1].content = sha256("a");
  const auto missing = verified_one(document, shared);
  CHECK(said(missing) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  CHECK(missing.matched_data == std::vector<std::size_t>{1});
}

TEST_CASE("a single datum that several signatures share is not compared with a reference of another name") {
  const std::string document = signed_document(signer());
  auto shared = given({{"another.pdf", sha256("another")}});
  shared.data_for = VerifyOptions::DataFor::any_signature;
  const auto report = verified_one(document, shared);
  CHECK(said(report) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  CHECK(report.matched_data.empty());
}

TEST_CASE("an enclosed document is found among data that several signatures share") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping});
  auto shared = given({{"else.pdf", sha256("else")}, {"contract.pdf", sha256("the contract")}});
  shared.data_for = VerifyOptions::DataFor::any_signature;
  CHECK(verified_one(document, shared).matched_data == std::vector<std::size_t>{1});
  CHECK(said(verified_one(document, shared)) == "TOTAL-PASSED, valid");
  shared.data.pop_back();
  CHECK(verified_one(document, shared).matched_data.empty());
}

TEST_CASE("what is given beyond what is signed is not passed") {
  const std::string document = signed_document(signer());
  const auto report = verified_one(document, given({{name_of(0), sha256("the contract")}, {"more.pdf", sha256("more")}}));
  CHECK(said(report) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, valid");
}

TEST_CASE("an enveloped hash must be the given one") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping});
  CHECK(said(verified_one(document, given({}))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(document, given({{"", sha256("the contract")}}))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(document, given({{"", bytes_of("the contract")}}))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(document, given({{"", sha256("another")}}))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK(said(verified_one(document, given({{"", bytes_of("another")}}))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
}

TEST_CASE("of several enveloped hashes each given one must be there") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping, .contents = {"a", "b"}});
  CHECK(said(verified_one(document, given({{"", sha256("b")}, {"", sha256("a")}}))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(document, given({{"", sha256("b")}}))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(document, given({{"", sha256("b")}, {"", sha256("x")}}))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK(verified_one(document, given({{"", sha256("b")}, {"", sha256("a")}, {"", sha256("x")}})).indication !=
        Indication::total_passed);
}

TEST_CASE("content that is enclosed by its SHA-1 alone is found, and taken only under a policy that says so") {
  // The signature itself uses SHA-256; what its Object holds is a hash that somebody else chose.
  const std::string sha1 = base::base64(base::digest(base::DigestAlgorithm::sha1, base::as_bytes("the contract")).bytes());
  Form form{.uri = "#o"};
  form.objects = "<ds:Object Id=\"o\">" + sha1 + "</ds:Object>";
  form.data = "<ds:Object" + ds_declaration + " Id=\"o\">" + sha1 + "</ds:Object>";
  auto given = options();
  CHECK(said(verified_one(made(form), given)) == "INDETERMINATE/CRYPTO_CONSTRAINTS_FAILURE_NO_POE, valid");
  given.policy = Policy::sha1_content;
  const auto report = verified_one(made(form), given);
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(warned(report) ==
        std::vector<std::string>{"weak_algorithm: the hash of the content: sha1 was acceptable until 2012-08-01"});
  given.data = {{"", bytes_of("another")}};
  CHECK(said(verified_one(made(form), given)) == "TOTAL-FAILED/HASH_FAILURE, invalid");
}
