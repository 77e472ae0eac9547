#include "signing/manifest.hpp"

#include <catch2/catch.hpp>

using namespace signet;
using base::ErrorCode;
using signing::Manifest;

namespace {

const base::Digest some = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("x"));
const base::Digest other = base::digest(base::DigestAlgorithm::sha512, base::as_bytes("y"));

}  // namespace

TEST_CASE("a manifest gives back what was put in, in its order") {
  Manifest manifest;
  REQUIRE(manifest.add({"1", "a.pdf", some}));
  REQUIRE(manifest.add({"2", "b.pdf", other}));
  REQUIRE(manifest.size() == 2);
  CHECK(manifest[0].name == "a.pdf");
  CHECK(manifest[1].id == "2");
  CHECK(manifest[0].digest == some);
  CHECK(manifest[1].digest == other);
}

TEST_CASE("an id stands once in a batch") {
  Manifest manifest;
  REQUIRE(manifest.add({"1", "a", some}));
  CHECK(manifest.add({"1", "b", some}).error().code == ErrorCode::id_duplicate);
  CHECK(manifest.size() == 1);
}

TEST_CASE("texts that are empty, too long or not UTF-8 are refused") {
  Manifest manifest({.max_items = 10, .max_id_bytes = 4, .max_name_bytes = 5});
  CHECK(manifest.add({"", "a", some}).error().code == ErrorCode::parameter_invalid);
  CHECK(manifest.add({"12345", "a", some}).error().code == ErrorCode::parameter_invalid);
  CHECK(manifest.add({"a\n", "a", some}).error().code == ErrorCode::parameter_invalid);
  CHECK(manifest.add({"1", "", some}).error().code == ErrorCode::parameter_invalid);
  CHECK(manifest.add({"1", "123456", some}).error().code == ErrorCode::parameter_invalid);
  CHECK(manifest.add({"1", "\xFF", some}).error().code == ErrorCode::parameter_invalid);
  CHECK(manifest.size() == 0);
}

TEST_CASE("no more items than the limit") {
  Manifest manifest({.max_items = 2});
  REQUIRE(manifest.add_all({{"1", "a", some}, {"2", "b", some}}));
  CHECK(manifest.add({"3", "c", some}).error().code == ErrorCode::batch_too_large);
}

TEST_CASE("a part with one bad item adds nothing, and its ids stay free") {
  Manifest manifest;
  REQUIRE(manifest.add({"1", "a", some}));
  CHECK(manifest.add_all({{"2", "b", some}, {"3", "c", some}, {"1", "d", some}}).error().code == ErrorCode::id_duplicate);
  CHECK(manifest.size() == 1);
  CHECK(manifest.add_all({{"2", "b", some}, {"3", "c", some}}));
  CHECK(manifest[2].name == "c");
}

TEST_CASE("the hash of a manifest changes with everything in it") {
  const auto hash_of = [](const std::vector<Manifest::Item>& items) {
    Manifest manifest;
    REQUIRE(manifest.add_all(items));
    return manifest.seal();
  };
  const base::Digest first = hash_of({{"1", "a", some}, {"2", "b", some}});
  CHECK(first == hash_of({{"1", "a", some}, {"2", "b", some}}));
  CHECK_FALSE(first == hash_of({{"2", "b", some}, {"1", "a", some}}));
  CHECK_FALSE(first == hash_of({{"1", "a", some}, {"2", "c", some}}));
  CHECK_FALSE(first == hash_of({{"1", "a", some}, {"2", "b", other}}));
  CHECK_FALSE(hash_of({{"1", "2a", some}}) == hash_of({{"12", "a", some}}));
}
