#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "pki/certificate.hpp"

namespace signet::pki {

enum class KeyAlgorithm : std::uint8_t { rsa, rsa_pss, dsa, ecdsa, eddsa };
std::string_view name(KeyAlgorithm algorithm);  // "rsa", "rsa-pss"

// Which algorithms were acceptable until when (EN 319 102-1 5.2.8: cryptographic constraints). What is not listed never was.
struct AlgorithmTable {
  struct Digest {
    std::string name;                 // as base::name() has it: "sha256", "sha3-256", "md5"
    std::optional<base::Time> until;  // not acceptable at that time and later; none: no end is known
  };
  // Keys of `bits` and more, up to the next row of the algorithm. `bits` of an RSA modulus, of DSA's p, of a curve's order.
  struct Key {
    KeyAlgorithm algorithm;
    int bits;
    std::optional<base::Time> until;
  };
  std::string source;
  std::vector<Digest> digests;
  std::vector<Key> keys;
};

// The default: ETSI TS 119 312 V1.5.1, where its rows come from is said at each (algorithms.cpp). Lives as long as the process.
const AlgorithmTable& ts_119_312();

// Why something was not acceptable at `at`, in words for developers ("sha1 was acceptable until 2012-08-01"); none: it was. Any
// thread.
std::optional<std::string> weakness(const AlgorithmTable& table, std::string_view digest, base::Time at);
std::optional<std::string> weakness(const AlgorithmTable& table, base::DigestAlgorithm digest, base::Time at);
std::optional<std::string> weakness(const AlgorithmTable& table, KeyAlgorithm key, int bits, base::Time at);
// Its own public key, whoever certified it.
std::optional<std::string> weakness(const AlgorithmTable& table, const Certificate& certificate, base::Time at);

}  // namespace signet::pki
