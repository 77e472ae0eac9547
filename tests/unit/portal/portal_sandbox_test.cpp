#include <algorithm>
#include <catch2/catch.hpp>

#include "../agent/temporary_folder.hpp"
#include "portal/program/sandbox.hpp"
#include "service/files.hpp"

using namespace signet;
using namespace signet::portal;
using namespace std::chrono_literals;

namespace {

const base::Time begun = base::from_rfc3339("2026-11-22T10:00:00Z").value();
const base::Digest digest = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("a"));
constexpr const char* ana = "2001234567892";

std::string signed_by(Sandbox& sandbox, base::Time now) {
  auto made = sandbox.sign({{ana, digest, "a"}}, now);
  REQUIRE(made);
  return made->front();
}

std::optional<Refusal> judged(const std::string& signature, const pki::TrustMaterial& trust, base::Time now) {
  const auto verdict = accept(signature, {.digest = digest, .signer_idnp = ana, .issuers = {}, .posted_at = now}, trust, now);
  if (verdict) return {};
  return verdict.error();
}

std::unique_ptr<Sandbox> opened(const std::filesystem::path& folder, base::Time now) {
  auto sandbox = Sandbox::open(folder, now);
  REQUIRE(sandbox);
  return std::move(*sandbox);
}

}  // namespace

TEST_CASE("a sandbox that runs for years signs as on its first day") {
  const test::TemporaryFolder folder;
  const auto sandbox = opened(folder / "sandbox", begun);
  for (int day = 0; day < 3 * 366; day += 6) {  // renewed each second time
    const base::Time now = begun + std::chrono::hours(24 * day);
    REQUIRE(sandbox->renew(now));
    CHECK_FALSE(judged(signed_by(*sandbox, now), sandbox->trust(), now));
  }
  // What would be without it.
  const auto never_renewed = opened(folder / "other", begun);
  const base::Time later = begun + 40 * 24h;
  CHECK(judged(signed_by(*never_renewed, later), never_renewed->trust(), later) == Refusal::revocation_unknown);
}

TEST_CASE("what is made anew is made seldom, and also when the clock was put back") {
  const test::TemporaryFolder folder;
  const auto sandbox = opened(folder / "sandbox", begun);
  CHECK(sandbox->renew(begun) == false);
  CHECK(sandbox->renew(begun + 6 * 24h) == false);
  CHECK(sandbox->renew(begun + 8 * 24h) == true);
  CHECK(sandbox->renew(begun + 8 * 24h) == false);
  CHECK(sandbox->renew(begun - 60 * 24h) == true);
  CHECK_FALSE(judged(signed_by(*sandbox, begun - 60 * 24h), sandbox->trust(), begun - 60 * 24h));
}

TEST_CASE("a sandbox on an old folder signs, and what was signed before verifies for as long as its time stamp does") {
  const test::TemporaryFolder folder;
  const std::string before = signed_by(*opened(folder / "sandbox", begun), begun);
  const base::Time later = begun + 300 * 24h, much_later = begun + 800 * 24h;
  const auto sandbox = opened(folder / "sandbox", later);
  CHECK_FALSE(judged(signed_by(*sandbox, later), sandbox->trust(), later));
  const auto reports =
      xades::verify(base::as_bytes(before), {.trust = sandbox->trust(), .at = later, .data = {{"", digest}}, .limits = {}});
  REQUIRE(reports);
  CHECK(reports->front().indication == xades::Indication::total_passed);
  const auto again = opened(folder / "sandbox", much_later);
  CHECK_FALSE(judged(signed_by(*again, much_later), again->trust(), much_later));
}

TEST_CASE("the list for others' tools is the one in force, and no list of system certificates") {
  const test::TemporaryFolder folder;
  const auto sandbox = opened(folder / "sandbox", begun);
  REQUIRE(sandbox->renew(begun + 20 * 24h) == true);
  const auto lists = service::read_trust(folder / "sandbox" / "lists");
  REQUIRE(lists);
  REQUIRE(lists->crls.size() == 1);
  CHECK(std::ranges::equal(lists->crls[0].der(), sandbox->trust().crls.at(0).der()));
  const auto beside_the_ca = service::read_trust(folder / "sandbox");
  REQUIRE(beside_the_ca);
  CHECK(beside_the_ca->anchors.size() == 1);
  CHECK(beside_the_ca->crls.empty());
}

TEST_CASE("everything that a sandbox makes says TEST") {
  const test::TemporaryFolder folder;
  const auto sandbox = opened(folder / "sandbox", begun);
  const auto trust = sandbox->trust();
  REQUIRE(trust.anchors.size() == 1);
  CHECK(is_sandbox_anchor(trust.anchors[0]));
  CHECK(is_test_anchor(trust.anchors[0]));
  const auto verdict = accept(signed_by(*sandbox, begun), {.digest = digest, .signer_idnp = ana, .issuers = {}}, trust, begun);
  REQUIRE(verdict);
  CHECK(verdict->signer.common_name().starts_with("TEST "));
  const auto reports = xades::verify(base::as_bytes(signed_by(*sandbox, begun)),
                                     {.trust = trust, .at = begun, .data = {{"", digest}}, .limits = {}});
  REQUIRE(reports);
  REQUIRE(reports->front().time_stamps.size() == 1);
  CHECK(reports->front().time_stamps[0].signer.value().common_name() == "Signet Sandbox TEST TSA");
}
