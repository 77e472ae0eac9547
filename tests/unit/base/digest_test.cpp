#include "base/digest.hpp"

#include <catch2/catch.hpp>

using namespace signet::base;

TEST_CASE("digests of \"abc\" are those of FIPS 180-4's examples") {
  const auto [algorithm, expected] = GENERATE(table<DigestAlgorithm, std::string>(
      {{DigestAlgorithm::sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
       {DigestAlgorithm::sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
       {DigestAlgorithm::sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
       {DigestAlgorithm::sha384,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
       {DigestAlgorithm::sha512,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94f"
        "a54ca49f"}}));
  CHECK(hex(digest(algorithm, as_bytes("abc")).bytes()) == expected);
}

TEST_CASE("a digest algorithm is known by its common spellings") {
  CHECK(digest_algorithm("sha256") == DigestAlgorithm::sha256);
  CHECK(digest_algorithm("SHA-384") == DigestAlgorithm::sha384);
  CHECK(digest_algorithm("SHA512") == DigestAlgorithm::sha512);
  CHECK_FALSE(digest_algorithm("md5"));
  CHECK_FALSE(digest_algorithm(""));
}

TEST_CASE("a digest of a wrong length is refused") {
  CHECK(Digest::of_value(DigestAlgorithm::sha256, Bytes(31)).error().code == ErrorCode::digest_length);
  CHECK(Digest::of_value(DigestAlgorithm::sha256, Bytes(33)).error().code == ErrorCode::digest_length);
  CHECK(parse_digest("sha256:00").error().code == ErrorCode::digest_length);
  CHECK(parse_digest("md5:00").error().code == ErrorCode::algorithm_unknown);
  CHECK(parse_digest("00").error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("digests are equal when algorithm and value are") {
  const Digest a = digest(DigestAlgorithm::sha256, as_bytes("a"));
  CHECK(a == parse_digest("sha256:" + hex(a.bytes())).value());
  CHECK_FALSE(a == digest(DigestAlgorithm::sha256, as_bytes("b")));
  CHECK_FALSE(a == digest(DigestAlgorithm::sha512, as_bytes("a")));
}

TEST_CASE("a prefix gives the digest of the whole, any number of times") {
  for (const auto algorithm : {DigestAlgorithm::sha256, DigestAlgorithm::sha384, DigestAlgorithm::sha512}) {
    const DigestPrefix prefix(algorithm, as_bytes("what many have in common, "));
    CHECK(prefix.with(as_bytes("one")) == digest(algorithm, as_bytes("what many have in common, one")));
    CHECK(prefix.with({}) == digest(algorithm, as_bytes("what many have in common, ")));
    CHECK(prefix.with(as_bytes("two")) == digest(algorithm, as_bytes("what many have in common, two")));
  }
}
