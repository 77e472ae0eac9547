#include "pki/algorithms.hpp"

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "base/text.hpp"
#include "openssl.hpp"
#include "signature_algorithm.hpp"

namespace signet::pki {
namespace {

using std::chrono::year;
using Day = std::chrono::year_month_day;

constexpr std::optional<Day> no_end{};

struct DigestRow {
  const char* name;
  std::optional<Day> until;
};
struct KeyRow {
  KeyAlgorithm algorithm;
  int bits;
  std::optional<Day> until;
};

// The dates are those by which EU DSS 6.4 renders, in its default policy, ETSI TS 119 312 V1.5.1 (2024) and, marked *, its
// forerunner TS 102 176-1 V2.1.1 (2011). They were read there, not in the standards themselves.
constexpr const char* table_source = "ETSI TS 119 312 V1.5.1 and TS 102 176-1 V2.1.1, as rendered by EU DSS 6.4";
constexpr DigestRow digest_rows[] = {
    {"md5", year{2004} / 8 / 1},  // *
    {"sha1", year{2012} / 8 / 1},
    {"ripemd160", year{2014} / 8 / 1},
    {"whirlpool", year{2020} / 12 / 1},
    {"sha224", year{2029} / 1 / 1},
    {"sha256", no_end},
    {"sha384", no_end},
    {"sha512", no_end},
    {"sha3-256", no_end},
    {"sha3-384", no_end},
    {"sha3-512", no_end},
};
constexpr KeyRow key_rows[] = {
    {KeyAlgorithm::rsa, 786, year{2010} / 8 / 1},
    {KeyAlgorithm::rsa, 1024, year{2019} / 10 / 1},
    {KeyAlgorithm::rsa, 1900, year{2029} / 1 / 1},
    {KeyAlgorithm::rsa, 3000, year{2029} / 1 / 1},  // PKCS#1 v1.5, whatever its size
    {KeyAlgorithm::rsa_pss, 786, year{2010} / 8 / 1},
    {KeyAlgorithm::rsa_pss, 1024, year{2019} / 10 / 1},
    {KeyAlgorithm::rsa_pss, 1900, year{2029} / 1 / 1},
    {KeyAlgorithm::rsa_pss, 3000, no_end},
    {KeyAlgorithm::dsa, 1024, year{2015} / 12 / 1},
    {KeyAlgorithm::dsa, 1900, year{2029} / 1 / 1},
    {KeyAlgorithm::dsa, 3000, no_end},
    {KeyAlgorithm::ecdsa, 160, year{2012} / 8 / 1},  // *
    {KeyAlgorithm::ecdsa, 224, year{2021} / 10 / 1},
    {KeyAlgorithm::ecdsa, 256, no_end},
    // Not in the standard, and refused by DSS: our own word. No baseline signature is made with it; certificates are.
    {KeyAlgorithm::eddsa, 253, no_end},
};

std::optional<base::Time> time_of_day(const std::optional<Day>& day) {
  if (!day) return std::nullopt;
  return base::Time{std::chrono::sys_days{*day}};
}

AlgorithmTable default_table() {
  AlgorithmTable table;
  table.source = table_source;
  for (const DigestRow& row : digest_rows) table.digests.push_back({row.name, time_of_day(row.until)});
  for (const KeyRow& row : key_rows) table.keys.push_back({row.algorithm, row.bits, time_of_day(row.until)});
  return table;
}

std::optional<std::string> ended(const std::string& what, const std::optional<base::Time>& until, base::Time at) {
  if (!until || at < *until) return std::nullopt;
  return what + " was acceptable until " + base::rfc3339(*until).substr(0, 10);
}

std::optional<KeyAlgorithm> algorithm_of(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return KeyAlgorithm::rsa;
    case EVP_PKEY_RSA_PSS:
      return KeyAlgorithm::rsa_pss;
    case EVP_PKEY_DSA:
      return KeyAlgorithm::dsa;
    case EVP_PKEY_EC:
      return KeyAlgorithm::ecdsa;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
      return KeyAlgorithm::eddsa;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> key_weakness(const AlgorithmTable& table, std::optional<KeyAlgorithm> algorithm, const EVP_PKEY* key,
                                        base::Time at) {
  if (key == nullptr || !algorithm) return "a key of an unknown algorithm";
  // Curve parameters that somebody wrote out are not a curve that anybody has judged.
  char group[80] = {};
  if (*algorithm == KeyAlgorithm::ecdsa && EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) != 1)
    return "a curve without a name";
  return weakness(table, *algorithm, EVP_PKEY_get_bits(key), at);
}

// RFC 4055 3.1: without a word of it the digest of RSASSA-PSS is SHA-1.
int pss_digest(const X509_ALGOR* algorithm) {
  int parameter_type = V_ASN1_UNDEF;
  const void* parameter = nullptr;
  X509_ALGOR_get0(nullptr, &parameter_type, &parameter, algorithm);
  if (parameter_type != V_ASN1_SEQUENCE) return NID_undef;
  const auto* sequence = static_cast<const ASN1_STRING*>(parameter);
  const base::BytesView der{ASN1_STRING_get0_data(sequence), static_cast<std::size_t>(ASN1_STRING_length(sequence))};
  const auto parameters = decoded<RSA_PSS_PARAMS_free>(d2i_RSA_PSS_PARAMS, der);
  if (!parameters) return NID_undef;
  if (parameters->hashAlgorithm == nullptr) return NID_sha1;
  const ASN1_OBJECT* digest = nullptr;
  X509_ALGOR_get0(&digest, nullptr, nullptr, parameters->hashAlgorithm);
  return OBJ_obj2nid(digest);
}

}  // namespace

std::string_view name(KeyAlgorithm algorithm) {
  switch (algorithm) {
    case KeyAlgorithm::rsa:
      return "rsa";
    case KeyAlgorithm::rsa_pss:
      return "rsa-pss";
    case KeyAlgorithm::dsa:
      return "dsa";
    case KeyAlgorithm::ecdsa:
      return "ecdsa";
    case KeyAlgorithm::eddsa:
      break;
  }
  return "eddsa";
}

const AlgorithmTable& ts_119_312() {
  static const AlgorithmTable table = default_table();
  return table;
}

std::optional<std::string> weakness(const AlgorithmTable& table, std::string_view digest, base::Time at) {
  const auto row = std::ranges::find(table.digests, digest, &AlgorithmTable::Digest::name);
  if (row == table.digests.end()) return std::string(digest) + " is not an acceptable digest algorithm";
  return ended(row->name, row->until, at);
}

std::optional<std::string> weakness(const AlgorithmTable& table, base::DigestAlgorithm digest, base::Time at) {
  return weakness(table, base::name(digest), at);
}

std::optional<std::string> weakness(const AlgorithmTable& table, KeyAlgorithm key, int bits, base::Time at) {
  const AlgorithmTable::Key* fits = nullptr;
  for (const AlgorithmTable::Key& row : table.keys) {
    if (row.algorithm == key && row.bits <= bits && (fits == nullptr || row.bits > fits->bits)) fits = &row;
  }
  const std::string what = std::string(name(key)) + " of " + std::to_string(bits) + " bits";
  if (fits == nullptr) return what + " is not acceptable";
  return ended(what, fits->until, at);
}

std::optional<std::string> weakness(const AlgorithmTable& table, const Certificate& certificate, base::Time at) {
  const ErrorQueue queue;
  const EVP_PKEY* key = X509_get0_pubkey(certificate.native());
  return key_weakness(table, key == nullptr ? std::nullopt : algorithm_of(key), key, at);
}

std::optional<std::string> signature_weakness(const AlgorithmTable& table, const X509_ALGOR* algorithm, const EVP_PKEY* key,
                                              base::Time at) {
  const ErrorQueue queue;
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  int digest = NID_undef;
  if (OBJ_find_sigid_algs(OBJ_obj2nid(object), &digest, nullptr) != 1) return "an unknown signature algorithm";
  std::optional<KeyAlgorithm> scheme = key == nullptr ? std::nullopt : algorithm_of(key);
  if (OBJ_obj2nid(object) == NID_rsassaPss) {
    scheme = KeyAlgorithm::rsa_pss;
    digest = pss_digest(algorithm);
  }
  if (scheme != KeyAlgorithm::eddsa) {  // which names no digest
    if (digest == NID_undef) return "an unknown digest algorithm";
    if (auto weak = weakness(table, base::lower(OBJ_nid2sn(digest)), at)) return weak;
  }
  return key_weakness(table, scheme, key, at);
}

}  // namespace signet::pki
