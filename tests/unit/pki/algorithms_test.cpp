#include "pki/algorithms.hpp"

#include "altered.hpp"
#include "pki/path.hpp"

using namespace signet;
using namespace signet::pki;
using namespace std::chrono_literals;

namespace {

base::Time day(int y, unsigned m, unsigned d) {
  return std::chrono::sys_days{std::chrono::year{y} / std::chrono::month{m} / std::chrono::day{d}};
}

}  // namespace

TEST_CASE("a digest algorithm is acceptable until its day, and says which that was") {
  const AlgorithmTable& table = ts_119_312();
  CHECK_FALSE(weakness(table, "sha1", day(2012, 8, 1) - 1s));
  CHECK(weakness(table, "sha1", day(2012, 8, 1)) == "sha1 was acceptable until 2012-08-01");
  CHECK(weakness(table, "md5", day(2004, 8, 1)));
  CHECK_FALSE(weakness(table, base::DigestAlgorithm::sha224, now));
  CHECK(weakness(table, base::DigestAlgorithm::sha224, day(2029, 1, 1)));
  CHECK_FALSE(weakness(table, base::DigestAlgorithm::sha256, day(2100, 1, 1)));
  CHECK_FALSE(weakness(table, "sha3-256", now));
}

TEST_CASE("what the table does not list never was acceptable") {
  CHECK(weakness(ts_119_312(), "md4", day(1990, 1, 1)) == "md4 is not an acceptable digest algorithm");
  CHECK(weakness(ts_119_312(), KeyAlgorithm::rsa, 512, day(1990, 1, 1)) == "rsa of 512 bits is not acceptable");
  CHECK(weakness(AlgorithmTable{}, "sha256", now));
  CHECK(weakness(AlgorithmTable{}, KeyAlgorithm::ecdsa, 521, now));
}

TEST_CASE("a key is judged by the row of the largest size that it reaches") {
  struct Row {
    KeyAlgorithm algorithm;
    int bits;
    base::Time until;
  };
  for (const Row& row : {Row{KeyAlgorithm::rsa, 1023, day(2010, 8, 1)}, Row{KeyAlgorithm::rsa, 1024, day(2019, 10, 1)},
                         Row{KeyAlgorithm::rsa, 2048, day(2029, 1, 1)}, Row{KeyAlgorithm::rsa, 4096, day(2029, 1, 1)},
                         Row{KeyAlgorithm::rsa_pss, 2048, day(2029, 1, 1)}, Row{KeyAlgorithm::dsa, 2048, day(2029, 1, 1)},
                         Row{KeyAlgorithm::ecdsa, 192, day(2012, 8, 1)}, Row{KeyAlgorithm::ecdsa, 224, day(2021, 10, 1)}}) {
    CHECK_FALSE(weakness(ts_119_312(), row.algorithm, row.bits, row.until - 1s));
    CHECK(weakness(ts_119_312(), row.algorithm, row.bits, row.until));
  }
  CHECK_FALSE(weakness(ts_119_312(), KeyAlgorithm::rsa_pss, 3072, day(2100, 1, 1)));
  CHECK_FALSE(weakness(ts_119_312(), KeyAlgorithm::ecdsa, 256, day(2100, 1, 1)));
  CHECK_FALSE(weakness(ts_119_312(), KeyAlgorithm::eddsa, 253, day(2100, 1, 1)));
}

TEST_CASE("a certificate's own key is judged") {
  demo::Authority root("Root", now);
  const auto of = [&](demo::Subject subject) { return root.issue(subject).certificate; };
  const Certificate small = of({.common_name = "Ana", .serial_number = {}, .rsa_bits = 1024, .key = {}});
  CHECK_FALSE(weakness(ts_119_312(), of(person("Ana")), now));
  CHECK(weakness(ts_119_312(), small, now) == "rsa of 1024 bits was acceptable until 2019-10-01");
  CHECK_FALSE(weakness(ts_119_312(), small, day(2019, 9, 30)));
}

TEST_CASE("a path under another table is judged by that, and says what was weak") {
  demo::Authority root("Root", now);
  demo::Authority rsa = root.subordinate({.common_name = "RSA CA", .serial_number = {}, .key = {}});
  const Certificate sha1 = altered(rsa.issue(person("Ana")).certificate, rsa.root(), EVP_sha1(), [](X509*) {});
  const TrustMaterial trust{one(root.root()), one(rsa.root()), {root.crl(), rsa.crl()}};
  const PathReport refused = validate_path(sha1, trust, {.at = now});
  CHECK(refused.status == PathStatus::constraints);
  CHECK(refused.weak_algorithm == "sha1 was acceptable until 2012-08-01, at depth 0");
  AlgorithmTable lenient = ts_119_312();
  for (auto& row : lenient.digests) row.until.reset();
  const PathReport taken = validate_path(sha1, trust, {.at = now, .algorithms = &lenient});
  CHECK(taken.status == PathStatus::valid);
  CHECK_FALSE(taken.weak_algorithm);
  // Not only the digest: the authority's key, and the anchor's.
  AlgorithmTable no_rsa = lenient;
  std::erase_if(no_rsa.keys, [](const auto& row) { return row.algorithm == KeyAlgorithm::rsa; });
  CHECK(validate_path(sha1, trust, {.at = now, .algorithms = &no_rsa}).status == PathStatus::constraints);
  AlgorithmTable no_ec = lenient;
  std::erase_if(no_ec.keys, [](const auto& row) { return row.algorithm == KeyAlgorithm::ecdsa; });
  CHECK(validate_path(rsa.issue({.common_name = "Ion", .serial_number = {}, .key = {}}).certificate, trust,
                      {.at = now, .algorithms = &no_ec})
            .status == PathStatus::constraints);
}
