#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "lacking.hpp"
#include "pki/path.hpp"

// The Public Key Interoperability Test Suite of NIST: certificates, lists, and what is to be found of each path. SIGNET_PKITS is
// its folder, with pkits.json beside `certs` and `crls`.

using namespace signet;
using namespace signet::pki;
namespace json = boost::json;

namespace {

const base::Time at = std::chrono::sys_days{std::chrono::year{2015} / 6 / 1};

// What the suite is signed with: it tests paths, not algorithms.
const AlgorithmTable& pkits_algorithms() {
  static const AlgorithmTable table{.source = "PKITS",
                                    .digests = {{"sha1", {}}, {"sha256", {}}},
                                    .keys = {{KeyAlgorithm::rsa, 1024, {}}, {KeyAlgorithm::dsa, 1024, {}}}};
  return table;
}

enum class Class : std::uint8_t { valid, revoked, no_revocation_data, invalid };

std::ostream& operator<<(std::ostream& out, Class found) {
  constexpr const char* names[] = {"valid", "revoked", "no_revocation_data", "invalid"};
  return out << names[static_cast<int>(found)];
}

Class class_of(PathStatus status) {
  switch (status) {
    case PathStatus::valid:
      return Class::valid;
    case PathStatus::revoked:
    case PathStatus::ca_revoked:
      return Class::revoked;
    case PathStatus::no_revocation_data:
      return Class::no_revocation_data;
    default:
      return Class::invalid;
  }
}

Class class_of(const json::object& row) {
  if (!row.contains("error")) return Class::valid;
  const std::string name{row.at("error").at("class").as_string()};
  static const std::map<std::string, Class> classes{{"RevokedError", Class::revoked},
                                                    {"InsufficientRevinfoError", Class::no_revocation_data},
                                                    {"StaleRevinfoError", Class::no_revocation_data},
                                                    {"PathValidationError", Class::invalid}};
  return classes.at(name);
}

// Rows that we judge otherwise, and why. At most ten.
struct Difference {
  const char* id;
  Class ours;
  const char* reason;
};
constexpr std::size_t most_differences = 10;
const std::vector<Difference> differences{
    {"40105", Class::invalid,
     "OpenSSL 3 reads no DSA key whose parameters are left to its issuer's (RFC 3279 2.3.2): it has no path, and is refused"},
};

base::Bytes read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  INFO(file);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> strings(const json::object& row, const char* name) {
  std::vector<std::string> out;
  if (const json::value* values = row.if_contains(name)) {
    for (const json::value& one : values->as_array()) out.emplace_back(one.as_string());
  }
  return out;
}

bool flag(const json::object& row, const char* name) {
  const json::value* value = row.if_contains(name);
  return value != nullptr && value->as_bool();
}

class Suite {
 public:
  explicit Suite(std::filesystem::path folder) : folder_(std::move(folder)) {}

  Certificate certificate(const std::string& name) const { return Certificate::from_der(read(folder_ / "certs" / name)).value(); }
  Crl list(const std::string& name) const { return Crl::from_der(read(folder_ / "crls" / name)).value(); }

  PathReport report(const json::object& row) const {
    TrustMaterial trust{.anchors = {certificate("TrustAnchorRootCertificate.crt")},
                        .intermediates = {},
                        .crls = {list("TrustAnchorRootCRL.crl")}};
    for (const std::string& name : strings(row, "other_certs")) trust.intermediates.push_back(certificate(name));
    for (const std::string& name : strings(row, "crls")) trust.crls.push_back(list(name));
    PathOptions options{.at = at, .purpose = Purpose::any, .algorithms = &pkits_algorithms()};
    if (const json::value* given = row.if_contains("params")) {
      const json::object& parameters = given->as_object();
      options.initial_policies = strings(parameters, "user_initial_policy_set");
      options.explicit_policy = flag(parameters, "initial_explicit_policy");
      options.inhibit_policy_mapping = flag(parameters, "initial_policy_mapping_inhibit");
      options.inhibit_any_policy = flag(parameters, "initial_any_policy_inhibit");
    }
    return validate_path(certificate(std::string{row.at("cert").as_string()}), trust, options);
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("every path of PKITS is judged as the suite says") {
  const char* folder = std::getenv("SIGNET_PKITS");
  if (folder == nullptr || !std::filesystem::is_regular_file(std::filesystem::path(folder) / "pkits.json"))
    return test::lacking("SIGNET_PKITS is no folder with pkits.json");
  const Suite suite(folder);
  const json::value rows = json::parse(base::as_text(read(std::filesystem::path(folder) / "pkits.json")));
  REQUIRE(rows.as_array().size() == 246);
  REQUIRE(differences.size() <= most_differences);

  std::set<std::string> used;
  for (const json::value& value : rows.as_array()) {
    const json::object& row = value.as_object();
    const std::string id{row.at("id").as_string()};
    const PathReport report = suite.report(row);
    const Class ours = class_of(report.status);
    const auto listed = std::ranges::find(differences, id, &Difference::id);
    if (listed != differences.end()) used.insert(id);
    INFO(id << ' ' << row.at("name").as_string().c_str() << ": " << report.detail);
    CHECK(ours == (listed == differences.end() ? class_of(row) : listed->ours));
    if (listed != differences.end()) CHECK(ours != class_of(row));  // or the list is longer than it need be
    if (ours == Class::valid) {
      CHECK(report.chain.size() == row.at("path_len").to_number<std::size_t>());
      CHECK(report.evidence.size() == report.chain.size());
    }
  }
  CHECK(used.size() == differences.size());
}
