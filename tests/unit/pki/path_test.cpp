#include "pki/path.hpp"

#include "altered.hpp"
#include "path_status.hpp"

using namespace signet;
using namespace signet::pki;
using namespace std::chrono_literals;

namespace {

using Usage = demo::Subject::Usage;

// A root, an issuing authority under it, a person; everything that is needed to trust the person.
struct World {
  demo::Authority root{"Root", now};
  demo::Authority issuing = root.subordinate(person("Issuing CA"));
  demo::Identity ana = issuing.issue(person("Ana"));

  TrustMaterial trust() { return {one(root.root()), one(issuing.root()), {root.crl(), issuing.crl()}}; }
};

PathReport validate(const Certificate& certificate, const TrustMaterial& trust, base::Time at = now) {
  return validate_path(certificate, trust, at, Purpose::signer);
}

PathStatus status(const Certificate& certificate, const TrustMaterial& trust, base::Time at = now) {
  return validate(certificate, trust, at).status;
}

}  // namespace

TEST_CASE("a chain to an anchor with lists in force is valid, and is told from the certificate to the anchor") {
  World world;
  const PathReport report = validate(world.ana.certificate, world.trust());
  CHECK(report.status == PathStatus::valid);
  CHECK(report.detail.empty());
  CHECK(report.chain == std::vector{world.ana.certificate, world.issuing.root().certificate, world.root.root().certificate});
  CHECK_FALSE(report.revoked_at);
}

TEST_CASE("a certificate right under its root is valid") {
  demo::Authority root("Root", now);
  CHECK(status(root.issue(person("Ana")).certificate, {one(root.root()), {}, {root.crl()}}) == PathStatus::valid);
}

TEST_CASE("an RSA certificate under EC authorities is valid") {
  World world;
  const auto ana = world.issuing.issue({.common_name = "Ana", .serial_number = {}, .key = {}});
  CHECK(status(ana.certificate, world.trust()) == PathStatus::valid);
}

TEST_CASE("a signer's certificate that is itself an anchor needs no list, but must be in force") {
  const demo::Authority ana("Ana", now);
  const Certificate signer = altered(ana.root().certificate, ana.root(), EVP_sha256(), [](X509* x) {
    set_extension(x, NID_basic_constraints, "critical,CA:FALSE");
    set_extension(x, NID_key_usage, "critical,digitalSignature");
  });
  CHECK(status(signer, {{signer}, {}, {}}) == PathStatus::valid);
  CHECK(status(signer, {{signer}, {}, {}}, now + std::chrono::years{30}) == PathStatus::expired);
  CHECK(status(signer, {}) == PathStatus::no_path);
}

TEST_CASE("nothing is trusted without an anchor: neither intermediates nor what is self-signed") {
  World world;
  TrustMaterial trust = world.trust();
  trust.intermediates.push_back(world.root.root().certificate);
  trust.anchors.clear();
  const PathReport report = validate(world.ana.certificate, trust);
  CHECK(report.status == PathStatus::no_path);
  CHECK(report.chain.empty());
  trust.anchors = one(demo::Authority("Another root", now).root());
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
}

TEST_CASE("without the intermediate there is no path") {
  World world;
  TrustMaterial trust = world.trust();
  trust.intermediates.clear();
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
}

TEST_CASE("an intermediate alone is no anchor") {
  World world;
  TrustMaterial trust = world.trust();
  trust.anchors = one(world.issuing.root());
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
}

TEST_CASE("an anchor's namesake with another key gives no path") {
  World world;
  demo::Authority namesake("Root", now);
  TrustMaterial trust = world.trust();
  trust.anchors = one(namesake.root());
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
}

TEST_CASE("names and key identifiers that fit do not help a signature by another key") {
  World world;
  // Signed by a stranger, though everything in it points to the issuing authority.
  const demo::Authority stranger("Stranger", now);
  const Certificate forged = altered(world.ana.certificate, stranger.root(), EVP_sha256(), [](X509*) {});
  CHECK(status(forged, world.trust()) == PathStatus::no_path);
  const Certificate forged_ca = altered(world.issuing.root().certificate, stranger.root(), EVP_sha256(), [](X509*) {});
  TrustMaterial trust = world.trust();
  trust.intermediates = {forged_ca};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
}

TEST_CASE("a certificate is judged at the time that is asked for") {
  World world;
  auto subject = person("Ana");
  subject.starts_before_now = 1h;
  subject.ends_after_now = 1h;
  const Certificate ana = world.issuing.issue(subject).certificate;
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(48h, 48h), world.issuing.crl(48h, 48h)};
  CHECK(status(ana, trust, now - 1h - 1s) == PathStatus::not_yet_valid);
  CHECK(status(ana, trust, now - 1h) == PathStatus::valid);
  CHECK(status(ana, trust, now + 1h - 1s) == PathStatus::valid);  // OpenSSL's validity ends a second before RFC 5280's
  CHECK(status(ana, trust, now + 1h + 1s) == PathStatus::expired);
}

TEST_CASE("an expired authority makes the chain expired") {
  World world;
  auto subject = person("Short-lived CA");
  subject.ends_after_now = 1h;
  demo::Authority brief = world.root.subordinate(subject);
  const Certificate ana = brief.issue(person("Ana")).certificate;
  const TrustMaterial trust{one(world.root.root()), one(brief.root()), {world.root.crl(), brief.crl()}};
  CHECK(status(ana, trust, now) == PathStatus::valid);
  CHECK(status(ana, trust, now + 2h) == PathStatus::expired);
}

TEST_CASE("a revoked certificate is revoked from the moment of its revocation") {
  World world;
  world.issuing.revoke(world.ana.certificate, now - 30min);
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(1h), world.issuing.crl(1h)};
  const PathReport report = validate(world.ana.certificate, trust);
  CHECK(report.status == PathStatus::revoked);
  CHECK(report.revoked_at == now - 30min);
  CHECK(report.chain.size() == 3);
  CHECK(status(world.ana.certificate, trust, now - 30min) == PathStatus::revoked);
  const PathReport before = validate(world.ana.certificate, trust, now - 31min);
  CHECK(before.status == PathStatus::valid);
  CHECK_FALSE(before.revoked_at);
}

TEST_CASE("another certificate's revocation does not matter") {
  World world;
  world.issuing.revoke(world.issuing.issue(person("Ion")).certificate, now - 1h);
  CHECK(status(world.ana.certificate, world.trust()) == PathStatus::valid);
}

TEST_CASE("a revoked authority is told apart from a revoked certificate") {
  World world;
  world.root.revoke(world.issuing.root().certificate, now - 2h);
  const PathReport report = validate(world.ana.certificate, world.trust());
  CHECK(report.status == PathStatus::ca_revoked);
  CHECK(report.revoked_at == now - 2h);
}

TEST_CASE("a root that lists itself as revoked is an anchor all the same") {
  World world;
  world.root.revoke(world.root.root().certificate, now - 2h);
  CHECK(status(world.ana.certificate, world.trust()) == PathStatus::valid);
}

TEST_CASE("a certificate both revoked and expired is reported as revoked") {
  World world;
  world.issuing.revoke(world.ana.certificate, now - 1h);
  CHECK(status(world.ana.certificate, world.trust(), now + std::chrono::hours{24 * 400}) == PathStatus::revoked);
}

TEST_CASE("each certificate but the anchor needs a list") {
  World world;
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl()};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
  trust.crls = {world.issuing.crl()};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
  trust.crls.clear();
  const PathReport report = validate(world.ana.certificate, trust);
  CHECK(report.status == PathStatus::no_revocation_data);
  CHECK(report.chain.size() == 3);
}

TEST_CASE("a list that is not in force any more is no revocation data") {
  World world;
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(), world.issuing.crl(48h, -1s)};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
  trust.crls.push_back(world.issuing.crl());
  CHECK(status(world.ana.certificate, trust) == PathStatus::valid);
}

TEST_CASE("a list without nextUpdate is no revocation data") {
  World world;
  const Crl model = world.issuing.crl();
  const base::Owned<X509_CRL, X509_CRL_free> fresh{X509_CRL_new()};
  X509_CRL_set_version(fresh.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(fresh.get(), X509_CRL_get_issuer(model.native()));
  X509_CRL_set1_lastUpdate(fresh.get(), X509_CRL_get0_lastUpdate(model.native()));
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(48h), signed_again(fresh.get(), world.issuing.root(), EVP_sha256())};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
  CHECK(status(world.ana.certificate, trust, now - 24h) == PathStatus::no_revocation_data);  // nor for the time before it
}

TEST_CASE("a revocation in a list that is out of force counts, because a revocation is for ever") {
  World world;
  TrustMaterial trust = world.trust();
  const Crl clean = world.issuing.crl();
  world.issuing.revoke(world.ana.certificate, now - 72h);
  trust.crls = {world.root.crl(), clean, world.issuing.crl(48h, -24h)};
  CHECK(status(world.ana.certificate, trust) == PathStatus::revoked);
}

TEST_CASE("a list made after the time in question serves while the certificate had not expired, and its dates are compared") {
  World world;
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(1h), world.issuing.crl(1h)};
  CHECK(status(world.ana.certificate, trust, now - 2h) == PathStatus::valid);
  world.issuing.revoke(world.ana.certificate, now - 3h);
  trust.crls = {world.root.crl(1h), world.issuing.crl(1h)};
  CHECK(status(world.ana.certificate, trust, now - 2h) == PathStatus::revoked);
  CHECK(status(world.ana.certificate, trust, now - 4h) == PathStatus::valid);
}

TEST_CASE("a list made after the certificate had expired says nothing about it") {
  World world;
  auto subject = person("Ana");
  subject.ends_after_now = -2h;
  const Certificate ana = world.issuing.issue(subject).certificate;
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(1h), world.issuing.crl(1h)};
  CHECK(status(ana, trust, now - 3h) == PathStatus::no_revocation_data);
  trust.crls = {world.root.crl(1h), world.issuing.crl(2h)};
  CHECK(status(ana, trust, now - 3h) == PathStatus::valid);
}

TEST_CASE("a list signed by somebody else neither clears nor revokes, and does not displace a good one") {
  World world;
  demo::Authority stranger("Stranger", now);
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(), altered(world.issuing.crl(), stranger.root(), EVP_sha256(), [](X509_CRL*) {})};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);

  const Crl good = world.issuing.crl(2h);
  world.issuing.revoke(world.ana.certificate, now - 3h);
  const Crl forged = altered(world.issuing.crl(1h), stranger.root(), EVP_sha256(), [](X509_CRL*) {});
  trust.crls = {world.root.crl(), forged, good};
  CHECK(status(world.ana.certificate, trust) == PathStatus::valid);
}

TEST_CASE("another authority's list says nothing") {
  World world;
  demo::Authority other = world.root.subordinate(person("Other CA"));
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(), other.crl()};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
}

TEST_CASE("a list signed with SHA-1 is no revocation data") {
  World world;
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(), altered(world.issuing.crl(), world.issuing.root(), EVP_sha1(), [](X509_CRL*) {})};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
}

TEST_CASE("a list of changes only is no revocation data, though what it lists is revoked") {
  World world;
  const auto as_delta = [&](const Crl& crl) {
    return altered(crl, world.issuing.root(), EVP_sha256(), [](X509_CRL* list) {
      const base::Owned<ASN1_INTEGER, ASN1_INTEGER_free> base_number{ASN1_INTEGER_new()};
      ASN1_INTEGER_set(base_number.get(), 1);
      REQUIRE(X509_CRL_add1_ext_i2d(list, NID_delta_crl, base_number.get(), 1, 0) == 1);
    });
  };
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(), as_delta(world.issuing.crl())};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
  world.issuing.revoke(world.ana.certificate, now - 3h);
  trust.crls = {world.root.crl(), as_delta(world.issuing.crl())};
  CHECK(status(world.ana.certificate, trust) == PathStatus::revoked);
}

TEST_CASE("a list for authorities only, or with a critical extension that nobody knows, is no revocation data") {
  World world;
  const bool scoped = GENERATE(true, false);
  const Crl crl = altered(world.issuing.crl(), world.issuing.root(), EVP_sha256(), [&](X509_CRL* list) {
    if (scoped) {
      const base::Owned<ISSUING_DIST_POINT, ISSUING_DIST_POINT_free> scope{ISSUING_DIST_POINT_new()};
      scope->onlyCA = 0xff;
      REQUIRE(X509_CRL_add1_ext_i2d(list, NID_issuing_distribution_point, scope.get(), 1, 0) == 1);
    } else {
      const base::Owned<X509_EXTENSION, X509_EXTENSION_free> unknown{
          X509V3_EXT_conf_nid(nullptr, nullptr, NID_netscape_comment, "critical,x")};
      REQUIRE(X509_CRL_add_ext(list, unknown.get(), -1) == 1);
    }
  });
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(), crl};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
}

TEST_CASE("a hold that a newer list has lifted does not count") {
  World world;
  const Crl lifted = world.issuing.crl(1h);
  world.issuing.revoke(world.ana.certificate, now - 3h);
  const auto held = altered(world.issuing.crl(2h), world.issuing.root(), EVP_sha256(), [](X509_CRL* list) {
    X509_REVOKED* entry = sk_X509_REVOKED_value(X509_CRL_get_REVOKED(list), 0);
    const base::Owned<ASN1_ENUMERATED, ASN1_ENUMERATED_free> reason{ASN1_ENUMERATED_new()};
    ASN1_ENUMERATED_set(reason.get(), CRL_REASON_CERTIFICATE_HOLD);
    REQUIRE(X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason.get(), 0, 0) == 1);
  });
  TrustMaterial trust = world.trust();
  trust.crls = {world.root.crl(), held};
  CHECK(status(world.ana.certificate, trust) == PathStatus::revoked);
  trust.crls = {world.root.crl(), held, lifted};
  CHECK(status(world.ana.certificate, trust) == PathStatus::valid);
}

TEST_CASE("an issuer that may not sign lists gives no revocation data") {
  World world;
  const Certificate mute = altered(world.issuing.root().certificate, world.root.root(), EVP_sha256(),
                                   [](X509* x) { set_extension(x, NID_key_usage, "critical,keyCertSign"); });
  TrustMaterial trust = world.trust();
  trust.intermediates = {mute};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_revocation_data);
}

TEST_CASE("a person's certificate does not make its holder an authority") {
  World world;
  demo::Authority impostor(world.ana, now);
  const Certificate victim = impostor.issue(person("Ion")).certificate;
  TrustMaterial trust = world.trust();
  trust.intermediates.push_back(world.ana.certificate);
  trust.crls.push_back(impostor.crl());
  CHECK(status(victim, trust) == PathStatus::constraints);
}

TEST_CASE("an authority without basic constraints is none, whatever its key usage") {
  World world;
  const Certificate old = altered(world.issuing.root().certificate, world.root.root(), EVP_sha256(),
                                  [](X509* x) { remove_extension(x, NID_basic_constraints); });
  TrustMaterial trust = world.trust();
  trust.intermediates = {old};
  CHECK(status(world.ana.certificate, trust) == PathStatus::constraints);
}

TEST_CASE("an authority that may not sign certificates is none") {
  World world;
  const Certificate ca = altered(world.issuing.root().certificate, world.root.root(), EVP_sha256(),
                                 [](X509* x) { set_extension(x, NID_key_usage, "critical,cRLSign"); });
  TrustMaterial trust = world.trust();
  trust.intermediates = {ca};
  CHECK(status(world.ana.certificate, trust) != PathStatus::valid);
}

TEST_CASE("an authority's path length is kept") {
  World world;
  const Certificate leaf_only = altered(world.issuing.root().certificate, world.root.root(), EVP_sha256(),
                                        [](X509* x) { set_extension(x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"); });
  demo::Authority below = world.issuing.subordinate(person("Below"));
  const Certificate ana = below.issue(person("Ana")).certificate;
  TrustMaterial trust{
      one(world.root.root()), {below.root().certificate, leaf_only}, {world.root.crl(), world.issuing.crl(), below.crl()}};
  CHECK(status(ana, trust) == PathStatus::constraints);
  trust.intermediates.back() = world.issuing.root().certificate;
  CHECK(status(ana, trust) == PathStatus::valid);
}

TEST_CASE("what an authority demands of certificate policies is kept") {
  World world;
  TrustMaterial trust = world.trust();
  trust.intermediates = {altered(world.issuing.root().certificate, world.root.root(), EVP_sha256(), [](X509* x) {
    set_extension(x, NID_policy_constraints, "critical,requireExplicitPolicy:0");
    set_extension(x, NID_certificate_policies, "1.2.3.4");
  })};
  const auto with_policy = [&](const char* policy) {
    return altered(world.ana.certificate, world.issuing.root(), EVP_sha256(),
                   [&](X509* x) { set_extension(x, NID_certificate_policies, policy); });
  };
  CHECK(status(with_policy("1.2.3.4"), trust) == PathStatus::valid);
  CHECK(status(with_policy("1.2.3.5"), trust) == PathStatus::constraints);
  CHECK(status(world.ana.certificate, trust) == PathStatus::constraints);
  CHECK(status(with_policy("1.2.3.5"), world.trust()) == PathStatus::valid);
}

TEST_CASE("after a change of keys a list by the new key revokes what the old key signed") {
  // NIST PKITS 4.5.2: the person's certificate is by the old key, which the new one certifies; the list is by the new key.
  World world;
  demo::Authority renewed = world.root.subordinate(person("Issuing CA"));
  auto same_name = person("Issuing CA");
  same_name.key = world.issuing.root().key;
  const Certificate old_by_new = renewed.subordinate(same_name).root().certificate;
  TrustMaterial trust{one(world.root.root()), {old_by_new, renewed.root().certificate}, {world.root.crl(), renewed.crl()}};
  CHECK(status(world.ana.certificate, trust) == PathStatus::valid);
  renewed.revoke(world.ana.certificate, now - 1h);
  trust.crls.push_back(renewed.crl());
  CHECK(status(world.ana.certificate, trust) == PathStatus::revoked);
}

TEST_CASE("name constraints are kept") {
  World world;
  TrustMaterial trust = world.trust();
  trust.intermediates = {altered(world.issuing.root().certificate, world.root.root(), EVP_sha256(), [](X509* x) {
    set_extension(x, NID_name_constraints, "critical,permitted;email:.example.org");
  })};
  const auto with_address = [&](const char* address) {
    return altered(world.ana.certificate, world.issuing.root(), EVP_sha256(),
                   [&](X509* x) { set_extension(x, NID_subject_alt_name, address); });
  };
  CHECK(status(with_address("email:ana@mail.example.org"), trust) == PathStatus::valid);
  CHECK(status(with_address("email:ana@mail.example.net"), trust) == PathStatus::constraints);
}

TEST_CASE("an unknown critical extension is a constraint that cannot be met") {
  World world;
  const Certificate odd = altered(world.ana.certificate, world.issuing.root(), EVP_sha256(),
                                  [](X509* x) { set_extension(x, NID_netscape_comment, "critical,x"); });
  CHECK(status(odd, world.trust()) == PathStatus::constraints);
}

TEST_CASE("weak algorithms are constraints: SHA-1, MD5 and short RSA keys") {
  World world;
  const EVP_MD* digest = GENERATE(EVP_sha1(), EVP_md5());
  // An RSA authority: ECDSA with MD5 has no identifier.
  demo::Authority rsa = world.root.subordinate({.common_name = "RSA CA", .serial_number = {}, .key = {}});
  const Certificate weak = altered(rsa.issue(person("Ana")).certificate, rsa.root(), digest, [](X509*) {});
  CHECK(status(weak, {one(world.root.root()), one(rsa.root()), {world.root.crl(), rsa.crl()}}) == PathStatus::constraints);

  const Certificate small =
      world.issuing.issue({.common_name = "Ana", .serial_number = {}, .rsa_bits = 1024, .key = {}}).certificate;
  CHECK(status(small, world.trust()) == PathStatus::constraints);
}

TEST_CASE("the key usage must be for signing") {
  World world;
  auto subject = person("Ana");
  subject.usage = GENERATE(Usage::encryption_only, Usage::ca);
  CHECK(status(world.issuing.issue(subject).certificate, world.trust()) == PathStatus::constraints);
}

TEST_CASE("a time stamp's signer has the time stamping usage, critical and alone") {
  World world;
  auto subject = person("TSA");
  subject.usage = Usage::time_stamping;
  const Certificate tsa = world.issuing.issue(subject).certificate;
  const auto at_stamping = [&](const Certificate& certificate) {
    return validate_path(certificate, world.trust(), now, Purpose::time_stamping).status;
  };
  CHECK(at_stamping(tsa) == PathStatus::valid);
  CHECK(at_stamping(world.ana.certificate) == PathStatus::constraints);
  const auto with_usage = [&](const char* usage) {
    return altered(tsa, world.issuing.root(), EVP_sha256(), [&](X509* x) { set_extension(x, NID_ext_key_usage, usage); });
  };
  CHECK(at_stamping(with_usage("timeStamping")) == PathStatus::constraints);
  CHECK(at_stamping(with_usage("critical,timeStamping,emailProtection")) == PathStatus::constraints);
  CHECK(at_stamping(with_usage("critical,timeStamping,1.2.3.4")) == PathStatus::constraints);
  CHECK(at_stamping(with_usage("critical,emailProtection")) == PathStatus::constraints);
  CHECK(at_stamping(with_usage("critical,anyExtendedKeyUsage")) == PathStatus::constraints);
}

TEST_CASE("authorities that certify each other, and chains without end, are no path") {
  demo::Authority a("A", now), b("B", now);
  const Certificate a_by_b = b.subordinate({.common_name = "A", .serial_number = {}, .key = a.root().key}).root().certificate;
  const Certificate b_by_a = a.subordinate({.common_name = "B", .serial_number = {}, .key = b.root().key}).root().certificate;
  const Certificate ana = a.issue(person("Ana")).certificate;
  CHECK(status(ana, {one(demo::Authority("Root", now).root()), {a_by_b, b_by_a}, {}}) == PathStatus::no_path);

  demo::Authority root("Root", now);
  TrustMaterial trust{one(root.root()), {}, {root.crl()}};
  demo::Authority lowest = root;
  for (int i = 0; i < 20; ++i) {
    lowest = lowest.subordinate(person("CA " + std::to_string(i)));
    trust.intermediates.push_back(lowest.root().certificate);
    trust.crls.push_back(lowest.crl());
  }
  CHECK(status(lowest.issue(person("Ana")).certificate, trust) == PathStatus::no_path);
}

TEST_CASE("a certificate with any bit flipped is never valid") {
  World world;
  const TrustMaterial trust = world.trust();
  base::Bytes der = bytes_of(world.ana.certificate.der());
  for (std::size_t bit = 0; bit < der.size() * 8; ++bit) {
    der[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    const auto read = Certificate::from_der(der);
    if (read && status(*read, trust) == PathStatus::valid) FAIL_CHECK("valid with bit " << bit << " flipped");
    der[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
  }
}

TEST_CASE("a revocation list with any bit flipped is no revocation data") {
  World world;
  TrustMaterial trust = world.trust();
  base::Bytes der = bytes_of(world.issuing.crl().der());
  for (std::size_t bit = 0; bit < der.size() * 8; ++bit) {
    der[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    if (const auto read = Crl::from_der(der)) {
      trust.crls = {world.root.crl(), *read};
      if (status(world.ana.certificate, trust) == PathStatus::valid) FAIL_CHECK("valid with bit " << bit << " flipped");
    }
    der[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
  }
}

TEST_CASE("a path costs no more than it may, and what was not looked at is not taken for good") {
  World world;
  TrustMaterial trust = world.trust();
  const auto with = [&](std::size_t spent) {
    WorkBudget budget;
    CHECK(budget.take(spent));
    return validate_path(world.ana.certificate, trust, {.at = now, .budget = &budget});
  };
  CHECK(with(0).status == PathStatus::valid);
  const PathReport none = with(1'499'999'000);
  CHECK(none.status == PathStatus::no_path);
  CHECK(none.detail == "more work than the limit");
  // Enough for the chain and the first lists alone: a certificate that is revoked by a later one is not valid for that.
  world.issuing.revoke(world.ana.certificate, now - 1h);
  std::vector<Crl> lists{world.root.crl()};
  for (int i = 0; i < 20; ++i) lists.push_back(trust.crls.at(1));
  lists.push_back(world.issuing.crl());
  trust.crls = lists;
  CHECK(with(0).status == PathStatus::revoked);
  CHECK(with(1'500'000'000 - 2'000'000).status == PathStatus::no_path);
}

TEST_CASE("many anchors are searched") {
  World world;
  TrustMaterial trust = world.trust();
  trust.anchors.clear();
  for (int i = 0; i < 200; ++i) trust.anchors.push_back(demo::Authority("Root " + std::to_string(i), now).root().certificate);
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
  trust.anchors.push_back(world.root.root().certificate);
  CHECK(status(world.ana.certificate, trust) == PathStatus::valid);
}

TEST_CASE("a trusted service is an anchor though it is not self-signed, in its time and for its use") {
  World world;
  using Use = TrustedService::Use;
  TrustMaterial trust{
      {}, {}, {world.issuing.crl(48h)}, {}, {{world.issuing.root().certificate, Use::certificates, now - 24h, {}}}};
  const PathReport report = validate(world.ana.certificate, trust);
  CHECK(report.status == PathStatus::valid);
  CHECK(report.chain == std::vector{world.ana.certificate, world.issuing.root().certificate});
  CHECK(status(world.ana.certificate, trust, now - 24h) == PathStatus::valid);
  CHECK(status(world.ana.certificate, trust, now - 24h - 1s) == PathStatus::no_path);
  trust.services[0].until = now;
  CHECK(status(world.ana.certificate, trust, now - 1s) == PathStatus::valid);
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
  trust.services[0] = {world.issuing.root().certificate, Use::time_stamps, now - 24h, {}};
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
  CHECK(validate_path(world.ana.certificate, trust, {.at = now, .purpose = Purpose::any}).status == PathStatus::valid);
}

TEST_CASE("beside trusted services an intermediate alone is no anchor either") {
  World world;
  demo::Authority other("Other root", now);
  TrustMaterial trust{one(world.issuing.root()), {}, {world.issuing.crl()}, {}, {}};
  trust.services.push_back({other.root().certificate, TrustedService::Use::certificates, now - 24h, {}});
  CHECK(status(world.ana.certificate, trust) == PathStatus::no_path);
  trust.anchors = one(world.root.root());
  trust.intermediates = one(world.issuing.root());
  trust.crls.push_back(world.root.crl());
  CHECK(status(world.ana.certificate, trust) == PathStatus::valid);
}

TEST_CASE("a trusted service that does not say that it is an authority is none") {
  World world;
  const Certificate old = altered(world.issuing.root().certificate, world.root.root(), EVP_sha256(),
                                  [](X509* x) { remove_extension(x, NID_basic_constraints); });
  const TrustMaterial trust{{}, {}, {world.issuing.crl()}, {}, {{old, TrustedService::Use::certificates, now - 24h, {}}}};
  CHECK(status(world.ana.certificate, trust) == PathStatus::constraints);
}

TEST_CASE("a trusted service that is no authority vouches for itself alone") {
  World world;
  auto subject = person("TSA");
  subject.usage = Usage::time_stamping;
  const demo::Identity tsa = world.issuing.issue(subject);
  demo::Authority impostor(tsa, now);
  const Certificate below = impostor.issue(subject).certificate;
  const TrustMaterial trust{{}, {}, {impostor.crl()}, {}, {{tsa.certificate, TrustedService::Use::time_stamps, now - 24h, {}}}};
  const auto judged = [&](const Certificate& certificate) {
    return validate_path(certificate, trust, {.at = now, .purpose = Purpose::time_stamping}).status;
  };
  CHECK(judged(tsa.certificate) == PathStatus::valid);
  CHECK(judged(below) != PathStatus::valid);
}
