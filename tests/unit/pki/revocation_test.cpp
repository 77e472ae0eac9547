#include "altered.hpp"
#include "path_status.hpp"
#include "pki/path.hpp"

// What RFC 5280 6.3.3 knows beyond a list of all: partitions, indirect lists, lists of changes. PKITS has more of each
// (tests/conformance); here is what must not be believed.

using namespace signet;
using namespace signet::pki;
using namespace std::chrono_literals;

namespace {

struct World {
  demo::Authority root{"Root", now};
  demo::Authority issuing = root.subordinate(person("Issuing CA"));
  demo::Authority lists = root.subordinate(person("Lists"));  // who signs them for others
  demo::Identity ana = issuing.issue(person("Ana"));

  TrustMaterial trust(std::vector<Crl> crls) {
    TrustMaterial out{one(root.root()), {issuing.root().certificate, lists.root().certificate}, {root.crl()}};
    out.crls.insert(out.crls.end(), crls.begin(), crls.end());
    return out;
  }
  PathStatus status(const Certificate& certificate, std::vector<Crl> crls, base::Time at = now) {
    return validate_path(certificate, trust(std::move(crls)), {.at = at}).status;
  }
};

struct ScopeOf {
  const char* full_name = nullptr;  // URI
  bool indirect = false;
  std::vector<int> only_reasons = {};
};

void add_scope(X509_CRL* list, const ScopeOf& wanted) {
  const base::Owned<ISSUING_DIST_POINT, ISSUING_DIST_POINT_free> scope{ISSUING_DIST_POINT_new()};
  if (wanted.indirect) scope->indirectCRL = 0xff;
  if (wanted.full_name != nullptr) {
    scope->distpoint = DIST_POINT_NAME_new();
    scope->distpoint->type = 0;
    scope->distpoint->name.fullname = GENERAL_NAMES_new();
    GENERAL_NAME* one = GENERAL_NAME_new();
    ASN1_IA5STRING* uri = ASN1_IA5STRING_new();
    ASN1_STRING_set(uri, wanted.full_name, -1);
    GENERAL_NAME_set0_value(one, GEN_URI, uri);
    sk_GENERAL_NAME_push(scope->distpoint->name.fullname, one);
  }
  if (!wanted.only_reasons.empty()) {
    scope->onlysomereasons = ASN1_BIT_STRING_new();
    for (const int bit : wanted.only_reasons) ASN1_BIT_STRING_set_bit(scope->onlysomereasons, bit, 1);
  }
  REQUIRE(X509_CRL_add1_ext_i2d(list, NID_issuing_distribution_point, scope.get(), 1, 0) == 1);
}

Crl scoped(const Crl& list, const demo::Identity& signer, const ScopeOf& scope) {
  return altered(list, signer, EVP_sha256(), [&](X509_CRL* x) { add_scope(x, scope); });
}

// The certificate's issuer says that its revocations are with that authority.
Certificate with_list_issuer(const World& world, const Certificate& certificate, const Certificate& list_issuer) {
  return altered(certificate, world.issuing.root(), EVP_sha256(), [&](X509* x) {
    const base::Owned<CRL_DIST_POINTS, CRL_DIST_POINTS_free> points{CRL_DIST_POINTS_new()};
    DIST_POINT* point = DIST_POINT_new();
    point->CRLissuer = GENERAL_NAMES_new();
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, X509_NAME_dup(X509_get_subject_name(list_issuer.native())));
    sk_GENERAL_NAME_push(point->CRLissuer, name);
    sk_DIST_POINT_push(points.get(), point);
    REQUIRE(X509_add1_ext_i2d(x, NID_crl_distribution_points, points.get(), 0, 0) == 1);
  });
}

// An entry for another issuer's certificate.
Crl with_entry_for(const Crl& list, const demo::Identity& signer, const Certificate& certificate) {
  return altered(list, signer, EVP_sha256(), [&](X509_CRL* x) {
    base::Owned<X509_REVOKED, X509_REVOKED_free> entry{X509_REVOKED_new()};
    X509_REVOKED_set_serialNumber(entry.get(), X509_get_serialNumber(certificate.native()));
    const base::Owned<ASN1_TIME, ASN1_TIME_free> when{ASN1_TIME_set(nullptr, (now - 3h).time_since_epoch().count())};
    X509_REVOKED_set_revocationDate(entry.get(), when.get());
    const base::Owned<GENERAL_NAMES, GENERAL_NAMES_free> issuer{GENERAL_NAMES_new()};
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, X509_NAME_dup(X509_get_issuer_name(certificate.native())));
    sk_GENERAL_NAME_push(issuer.get(), name);
    REQUIRE(X509_REVOKED_add1_ext_i2d(entry.get(), NID_certificate_issuer, issuer.get(), 1, 0) == 1);
    REQUIRE(X509_CRL_add0_revoked(x, entry.get()) == 1);
    (void)entry.release();
  });
}

Crl changes_since(const Crl& list, const demo::Identity& signer, long number, long since) {
  return altered(list, signer, EVP_sha256(), [&](X509_CRL* x) {
    const base::Owned<ASN1_INTEGER, ASN1_INTEGER_free> integer{ASN1_INTEGER_new()};
    ASN1_INTEGER_set(integer.get(), since);
    REQUIRE(X509_CRL_add1_ext_i2d(x, NID_delta_crl, integer.get(), 1, 0) == 1);
    ASN1_INTEGER_set(integer.get(), number);
    REQUIRE(X509_CRL_add1_ext_i2d(x, NID_crl_number, integer.get(), 0, X509V3_ADD_REPLACE) == 1);
  });
}

Crl numbered(const Crl& list, const demo::Identity& signer, long number) {
  return altered(list, signer, EVP_sha256(), [&](X509_CRL* x) {
    const base::Owned<ASN1_INTEGER, ASN1_INTEGER_free> integer{ASN1_INTEGER_new()};
    ASN1_INTEGER_set(integer.get(), number);
    REQUIRE(X509_CRL_add1_ext_i2d(x, NID_crl_number, integer.get(), 0, X509V3_ADD_REPLACE) == 1);
  });
}

}  // namespace

TEST_CASE("a list of another place than the certificate's does not clear it") {
  World world;
  const Certificate ana = altered(world.ana.certificate, world.issuing.root(), EVP_sha256(), [](X509* x) {
    set_extension(x, NID_crl_distribution_points, "URI:http://lists.example.org/1");
  });
  const auto at = [&](const char* place) { return scoped(world.issuing.crl(), world.issuing.root(), {.full_name = place}); };
  CHECK(world.status(ana, {at("http://lists.example.org/1")}) == PathStatus::valid);
  CHECK(world.status(ana, {at("http://lists.example.org/2")}) == PathStatus::no_revocation_data);
  CHECK(world.status(ana, {world.issuing.crl()}) == PathStatus::valid);
  CHECK(world.status(world.ana.certificate, {at("http://lists.example.org/1")}) == PathStatus::no_revocation_data);
}

TEST_CASE("lists for some reasons clear a certificate only where they are for all together, and are all told") {
  World world;
  const Crl some = scoped(world.issuing.crl(), world.issuing.root(), {.only_reasons = {1, 2}});
  const Crl others = scoped(world.issuing.crl(), world.issuing.root(), {.only_reasons = {3, 4, 5, 6, 7, 8}});
  CHECK(world.status(world.ana.certificate, {some}) == PathStatus::no_revocation_data);
  CHECK(world.status(world.ana.certificate, {some, some}) == PathStatus::no_revocation_data);
  const PathReport report = validate_path(world.ana.certificate, world.trust({some, others}), {.at = now});
  CHECK(report.status == PathStatus::valid);
  CHECK(report.evidence[0].crls.size() == 2);
}

TEST_CASE("an indirect list counts where the certificate names who signs it, in both directions") {
  World world;
  const Certificate list_issuer = world.lists.root().certificate;
  const Certificate ana = with_list_issuer(world, world.ana.certificate, list_issuer);
  const Crl list = scoped(world.lists.crl(), world.lists.root(), {.indirect = true});
  const PathReport report = validate_path(ana, world.trust({list}), {.at = now});
  CHECK(report.status == PathStatus::valid);
  CHECK(report.evidence[0].signers == std::vector{list_issuer, world.root.root().certificate});
  const Crl with_ana = with_entry_for(list, world.lists.root(), ana);
  CHECK(world.status(ana, {with_ana}) == PathStatus::revoked);
  // A namesake of another authority, with the same number: not the one that is listed.
  const Certificate by_root = altered(ana, world.root.root(), EVP_sha256(), [&](X509* x) {
    X509_set_issuer_name(x, X509_get_subject_name(world.root.root().certificate.native()));
    remove_extension(x, NID_authority_key_identifier);
  });
  CHECK(world.status(by_root, {with_ana}) == PathStatus::valid);
}

TEST_CASE("nobody's indirect list counts who is not named, or who does not say that it is one") {
  World world;
  const Crl list = scoped(world.lists.crl(), world.lists.root(), {.indirect = true});
  CHECK(world.status(world.ana.certificate, {list}) == PathStatus::no_revocation_data);
  CHECK(world.status(world.ana.certificate, {with_entry_for(list, world.lists.root(), world.ana.certificate)}) ==
        PathStatus::no_revocation_data);
  CHECK(world.status(world.ana.certificate, {world.issuing.crl(), with_entry_for(list, world.lists.root(),
                                                                                 world.ana.certificate)}) == PathStatus::valid);
  const Certificate ana = with_list_issuer(world, world.ana.certificate, world.lists.root().certificate);
  CHECK(world.status(ana, {world.lists.crl()}) == PathStatus::no_revocation_data);
}

TEST_CASE("an authority above signs no list for the one below it, neither in its name nor unasked") {
  World world;
  const Crl in_its_name = altered(world.issuing.crl(), world.root.root(), EVP_sha256(), [](X509_CRL*) {});
  CHECK(world.status(world.ana.certificate, {in_its_name}) == PathStatus::no_revocation_data);
  const Crl unasked =
      with_entry_for(scoped(world.root.crl(), world.root.root(), {.indirect = true}), world.root.root(), world.ana.certificate);
  CHECK(world.status(world.ana.certificate, {world.issuing.crl(), unasked}) == PathStatus::valid);
  const Certificate asked = with_list_issuer(world, world.ana.certificate, world.root.root().certificate);
  CHECK(world.status(asked, {world.issuing.crl(), unasked}) == PathStatus::revoked);
}

TEST_CASE("who signs lists for others must have a path to the same anchor, in force and not revoked") {
  World world;
  const Certificate list_issuer = world.lists.root().certificate;
  const Certificate ana = with_list_issuer(world, world.ana.certificate, list_issuer);
  const Crl list = scoped(world.lists.crl(), world.lists.root(), {.indirect = true});
  CHECK(world.status(ana, {list}) == PathStatus::valid);

  // Of another anchor, that is trusted too.
  demo::Authority other_root("Other root", now);
  demo::Authority other = other_root.subordinate({.common_name = "Lists", .serial_number = {}, .key = world.lists.root().key});
  TrustMaterial trust = world.trust({list, other_root.crl()});
  trust.anchors.push_back(other_root.root().certificate);
  trust.intermediates = {world.issuing.root().certificate, other.root().certificate};
  CHECK(validate_path(ana, trust, {.at = now}).status == PathStatus::no_revocation_data);
  // Without a path, or itself without revocation data, or not for lists.
  trust = world.trust({list});
  trust.intermediates = {world.issuing.root().certificate, demo::Authority(world.lists.root(), now).root().certificate};
  CHECK(validate_path(ana, trust, {.at = now}).status == PathStatus::valid);
  trust.intermediates.pop_back();
  CHECK(validate_path(ana, trust, {.at = now}).status == PathStatus::no_revocation_data);
  trust.intermediates.push_back(altered(list_issuer, world.root.root(), EVP_sha256(),
                                        [](X509* x) { set_extension(x, NID_key_usage, "critical,keyCertSign"); }));
  CHECK(validate_path(ana, trust, {.at = now}).status == PathStatus::no_revocation_data);
  // To sign lists for others must be said.
  trust.intermediates.back() =
      altered(list_issuer, world.root.root(), EVP_sha256(), [](X509* x) { remove_extension(x, NID_key_usage); });
  CHECK(validate_path(ana, trust, {.at = now}).status == PathStatus::no_revocation_data);

  world.root.revoke(list_issuer, now - 1h);
  CHECK(world.status(ana, {list}) == PathStatus::no_revocation_data);
}

TEST_CASE("the list of an authority's namesake tells of nobody but its own") {
  World world;
  const Certificate& ana = world.ana.certificate;
  TrustMaterial trust = world.trust({});
  const auto status = [&](const Certificate& signer, const Crl& list) {
    TrustMaterial with = trust;
    with.intermediates.push_back(signer);
    with.crls.push_back(list);
    return validate_path(ana, with, {.at = now}).status;
  };
  const auto status_by = [&](demo::Authority authority) { return status(authority.root().certificate, authority.crl()); };
  const auto none = PathStatus::no_revocation_data;
  CHECK(status_by(world.issuing) == PathStatus::valid);
  // Certified by the same root, and by another below it.
  CHECK(status_by(world.root.subordinate(person("Issuing CA"))) == none);
  trust.crls.push_back(world.lists.crl());
  demo::Authority below = world.lists.subordinate(person("Issuing CA"));
  CHECK(status_by(below) == none);
  // An end entity, and one of which its certificate does not say what it is for.
  CHECK(status_by(demo::Authority(world.root.issue(person("Issuing CA")), now)) == none);
  const demo::Identity plain = world.lists.issue(person("Issuing CA"));
  const demo::Identity vague{
      altered(plain.certificate, world.lists.root(), EVP_sha256(), [](X509* x) { remove_extension(x, NID_key_usage); }),
      plain.key};
  CHECK(status(vague.certificate, altered(world.issuing.crl(), vague, EVP_sha256(), [](X509_CRL*) {})) == none);
  // One that certifies a key of its own is self-issued, and so is its list's signer; but not by the authority in question.
  trust.intermediates.push_back(below.root().certificate);
  trust.crls.push_back(below.crl());
  CHECK(status_by(below.subordinate(person("Issuing CA"))) == none);
  // It does not make anybody revoked either, and its list is none to fetch.
  below.revoke(ana, now - 3h);
  trust.crls.push_back(world.issuing.crl());
  CHECK(status_by(below) == PathStatus::valid);
}

TEST_CASE("an authority's namesake above it, in its path, signs no list for it") {
  World world;
  demo::Authority above = world.root.subordinate(person("Twice"));
  demo::Authority between = above.subordinate(person("Between"));
  demo::Authority issuing = between.subordinate(person("Twice"));
  const Certificate ana = issuing.issue(person("Ana")).certificate;
  TrustMaterial trust = world.trust({above.crl(), between.crl()});
  trust.intermediates = {above.root().certificate, between.root().certificate, issuing.root().certificate};
  const PathReport report = validate_path(ana, trust, {.at = now});
  CHECK(report.status == PathStatus::no_revocation_data);
  CHECK(report.evidence[0].source == RevocationEvidence::Source::none);
  CHECK(report.evidence[1].source == RevocationEvidence::Source::crl);
  const auto wanted = lists_wanted(report);
  REQUIRE(wanted.size() == 4);
  CHECK_FALSE(is_wanted(above.crl(), wanted[0]));
  CHECK(is_wanted(above.crl(), wanted[2]));
  CHECK(is_wanted(issuing.crl(), wanted[0]));
  trust.crls.push_back(issuing.crl());
  CHECK(validate_path(ana, trust, {.at = now}).status == PathStatus::valid);
}

TEST_CASE("after a change of keys an authority's other key signs its lists, once one has certified the other") {
  World world;
  const Certificate& ana = world.ana.certificate;
  demo::Authority renewed = world.issuing.subordinate(person("Issuing CA"));
  TrustMaterial trust = world.trust({});
  const auto status = [&](const Crl& list) {
    TrustMaterial with = trust;
    with.crls.push_back(list);
    return validate_path(ana, with, {.at = now}).status;
  };
  // Who certified the new key must be believed to be in force: by its own list, of that certificate alone.
  trust.crls.push_back(scoped(world.issuing.crl(), world.issuing.root(), {.full_name = "http://lists.example.org/renewed"}));
  const Certificate renewal = altered(renewed.root().certificate, world.issuing.root(), EVP_sha256(), [](X509* x) {
    set_extension(x, NID_crl_distribution_points, "URI:http://lists.example.org/renewed");
  });
  CHECK(status(renewed.crl()) == PathStatus::no_revocation_data);
  trust.intermediates.push_back(renewal);
  CHECK(status(renewed.crl()) == PathStatus::valid);
  const auto naming = [&](const demo::Authority& authority) {
    return altered(renewed.crl(), renewed.root(), EVP_sha256(), [&](X509_CRL* x) {
      const base::Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free> key{AUTHORITY_KEYID_new()};
      key->keyid = ASN1_OCTET_STRING_dup(X509_get0_subject_key_id(authority.root().certificate.native()));
      REQUIRE(X509_CRL_add1_ext_i2d(x, NID_authority_key_identifier, key.get(), 0, X509V3_ADD_REPLACE) == 1);
    });
  };
  CHECK(status(naming(renewed)) == PathStatus::valid);
  CHECK(status(naming(world.issuing)) == PathStatus::no_revocation_data);
  // Changes are of the key whose list they change, though lists need not say whose that is.
  const auto unnamed = [&](const Crl& list, const demo::Identity& by) {
    return altered(list, by, EVP_sha256(), [](X509_CRL* x) {
      base::Owned<X509_EXTENSION, X509_EXTENSION_free>{
          X509_CRL_delete_ext(x, X509_CRL_get_ext_by_NID(x, NID_authority_key_identifier, -1))};
    });
  };
  trust.crls.push_back(unnamed(numbered(world.issuing.crl(48h, -1h), world.issuing.root(), 10), world.issuing.root()));
  const auto changes_by = [&](demo::Authority authority) {
    return unnamed(changes_since(authority.crl(2h), authority.root(), 12, 10), authority.root());
  };
  CHECK(status(changes_by(world.issuing)) == PathStatus::valid);
  CHECK(status(changes_by(renewed)) == PathStatus::no_revocation_data);
  trust.crls.pop_back();

  renewed.revoke(ana, now - 3h);
  CHECK(status(renewed.crl()) == PathStatus::revoked);
}

TEST_CASE("a key for lists alone, certified by the same authority, signs them for one who does not") {
  World world;
  const auto with_usage = [&](const Certificate& certificate, const char* usage) {
    return altered(certificate, world.root.root(), EVP_sha256(), [&](X509* x) { set_extension(x, NID_key_usage, usage); });
  };
  const Certificate issuing = with_usage(world.issuing.root().certificate, "critical,keyCertSign");
  demo::Authority lists = world.root.subordinate(person("Issuing CA"));
  const auto status = [&](const Certificate& issuer, const Certificate& signer) {
    TrustMaterial trust = world.trust({lists.crl()});
    trust.intermediates = {issuer, signer};
    return validate_path(world.ana.certificate, trust, {.at = now}).status;
  };
  const Certificate for_lists = with_usage(lists.root().certificate, "critical,cRLSign");
  CHECK(status(issuing, for_lists) == PathStatus::valid);
  CHECK(status(issuing, lists.root().certificate) == PathStatus::no_revocation_data);
  CHECK(status(world.issuing.root().certificate, for_lists) == PathStatus::no_revocation_data);
  // Certified by another authority, with the same name.
  demo::Authority elsewhere = world.lists.subordinate(person("Issuing CA"));
  TrustMaterial trust = world.trust({world.lists.crl(), elsewhere.crl()});
  trust.intermediates = {issuing, world.lists.root().certificate,
                         altered(elsewhere.root().certificate, world.lists.root(), EVP_sha256(),
                                 [](X509* x) { set_extension(x, NID_key_usage, "critical,cRLSign"); })};
  CHECK(validate_path(world.ana.certificate, trust, {.at = now}).status == PathStatus::no_revocation_data);
}

TEST_CASE("changes bring a list up to date that has ended, if they are of that list") {
  World world;
  const demo::Identity& by = world.issuing.root();
  const Crl ended = numbered(world.issuing.crl(48h, -1h), by, 10);
  const auto changes = [&](long number, long since) { return changes_since(world.issuing.crl(2h), by, number, since); };
  CHECK(world.status(world.ana.certificate, {ended}) == PathStatus::no_revocation_data);
  CHECK(world.status(world.ana.certificate, {changes(12, 10)}) == PathStatus::no_revocation_data);
  const PathReport report = validate_path(world.ana.certificate, world.trust({ended, changes(12, 10)}), {.at = now});
  CHECK(report.status == PathStatus::valid);
  CHECK(report.evidence[0].crls.size() == 2);
  CHECK(report.evidence[0].produced == now - 2h);
  CHECK(world.status(world.ana.certificate, {ended, changes(12, 9)}) == PathStatus::valid);
  CHECK(world.status(world.ana.certificate, {ended, changes(12, 11)}) == PathStatus::no_revocation_data);
  CHECK(world.status(world.ana.certificate, {ended, changes(10, 9)}) == PathStatus::no_revocation_data);
  CHECK(world.status(world.ana.certificate, {ended, scoped(changes(12, 10), by, {.only_reasons = {1}})}) ==
        PathStatus::no_revocation_data);
  const Crl old_changes = changes_since(world.issuing.crl(24h, -2h), by, 12, 10);
  CHECK(world.status(world.ana.certificate, {ended, old_changes}) == PathStatus::no_revocation_data);
  world.issuing.revoke(world.ana.certificate, now - 3h);
  CHECK(world.status(world.ana.certificate, {ended, changes(12, 10)}) == PathStatus::revoked);
}

TEST_CASE("a hold that later changes take back does not count, unless the hold is the later one") {
  World world;
  world.issuing.revoke(world.ana.certificate, now - 4h);
  const demo::Identity& by = world.issuing.root();
  const auto with_reason = [&](const Crl& list, int value) {
    return altered(list, by, EVP_sha256(), [value](X509_CRL* x) {
      const base::Owned<ASN1_ENUMERATED, ASN1_ENUMERATED_free> reason{ASN1_ENUMERATED_new()};
      ASN1_ENUMERATED_set(reason.get(), value);
      REQUIRE(X509_REVOKED_add1_ext_i2d(sk_X509_REVOKED_value(X509_CRL_get_REVOKED(x), 0), NID_crl_reason, reason.get(), 0, 0) ==
              1);
    });
  };
  const auto held = [&](std::chrono::hours ago) {
    return numbered(with_reason(world.issuing.crl(ago), CRL_REASON_CERTIFICATE_HOLD), by, 10);
  };
  const Crl taken_back = changes_since(with_reason(world.issuing.crl(2h), CRL_REASON_REMOVE_FROM_CRL), by, 12, 10);
  CHECK(world.status(world.ana.certificate, {held(3h)}) == PathStatus::revoked);
  CHECK(world.status(world.ana.certificate, {held(3h), taken_back}) == PathStatus::valid);
  CHECK(world.status(world.ana.certificate, {held(1h), taken_back}) == PathStatus::revoked);
  // What was revoked for good is not taken back.
  CHECK(world.status(world.ana.certificate, {world.issuing.crl(3h), taken_back}) == PathStatus::revoked);
}

TEST_CASE("a list with a critical extension that nobody knows tells of nobody, nor does one whose entry has it") {
  World world;
  world.issuing.revoke(world.issuing.issue(person("Ion")).certificate, now - 3h);
  const Crl list = altered(world.issuing.crl(), world.issuing.root(), EVP_sha256(), [](X509_CRL* x) {
    const base::Owned<X509_EXTENSION, X509_EXTENSION_free> unknown{
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_netscape_comment, "critical,x")};
    REQUIRE(X509_REVOKED_add_ext(sk_X509_REVOKED_value(X509_CRL_get_REVOKED(x), 0), unknown.get(), -1) == 1);
  });
  CHECK(world.status(world.ana.certificate, {list}) == PathStatus::no_revocation_data);
  CHECK(world.status(world.ana.certificate, {world.issuing.crl()}) == PathStatus::valid);
}

TEST_CASE("a list made after the certificate had expired counts where it says that it goes back so far") {
  World world;
  auto brief = person("Ana");
  brief.ends_after_now = -2h;
  const Certificate ana = world.issuing.issue(brief).certificate;
  const auto going_back_to = [&](const char* time) {
    return altered(world.issuing.crl(1h), world.issuing.root(), EVP_sha256(), [&](X509_CRL* x) {
      const base::Owned<ASN1_OBJECT, ASN1_OBJECT_free> object{OBJ_txt2obj("2.5.29.60", 1)};
      const base::Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> value{ASN1_OCTET_STRING_new()};
      const std::string der = std::string("\x18\x0f") + time;
      ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size()));
      const base::Owned<X509_EXTENSION, X509_EXTENSION_free> extension{
          X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 0, value.get())};
      REQUIRE(X509_CRL_add_ext(x, extension.get(), -1) == 1);
    });
  };
  CHECK(world.status(ana, {world.issuing.crl(1h)}, now - 3h) == PathStatus::no_revocation_data);
  CHECK(world.status(ana, {going_back_to("20260301100000Z")}, now - 3h) == PathStatus::valid);
  CHECK(world.status(ana, {going_back_to("20260301100001Z")}, now - 3h) == PathStatus::no_revocation_data);
}
