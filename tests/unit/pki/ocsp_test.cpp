#include "pki/ocsp.hpp"

#include "altered.hpp"
#include "demo/ocsp.hpp"
#include "path_status.hpp"
#include "pki/path.hpp"

using namespace signet;
using namespace signet::pki;
using namespace std::chrono_literals;
using demo::OcspSaid;
using demo::Subject;
using Value = OcspStatus::Value;
using Source = RevocationEvidence::Source;

namespace {

struct World {
  demo::Authority root{"Root", now};
  demo::Authority issuing = root.subordinate(person("Issuing CA"));
  demo::Identity ana = issuing.issue(person("Ana"));

  Certificate issuer() const { return issuing.root().certificate; }
  OcspSaid about_ana() const {
    return {.certificate = ana.certificate, .issuer = issuer(), .at = now - 1h, .next_update = now + 1h};
  }
  demo::Identity responder(std::string name = "Responder") {
    Subject subject = person(std::move(name));
    subject.usage = Subject::Usage::ocsp_signing;
    return issuing.issue(subject);
  }
  // Ana's by OCSP alone.
  PathReport judged(std::vector<OcspResponse> responses, std::vector<Crl> lists = {}, base::Time at = now) {
    TrustMaterial trust{one(root.root()), one(issuing.root()), {root.crl(48h)}, std::move(responses)};
    trust.crls.insert(trust.crls.end(), lists.begin(), lists.end());
    return validate_path(ana.certificate, trust, {.at = at});
  }
  PathStatus status(std::vector<OcspResponse> responses, base::Time at = now) {
    return judged(std::move(responses), {}, at).status;
  }
};

}  // namespace

TEST_CASE("an OCSP response signed by the issuer clears a certificate, and the report says so") {
  World world;
  const OcspResponse response = ocsp_response(world.issuing.root(), {world.about_ana()});
  const PathReport report = world.judged({response});
  CHECK(report.status == PathStatus::valid);
  REQUIRE(report.evidence.size() == 3);
  CHECK(report.evidence[0].source == Source::ocsp);
  CHECK(report.evidence[0].ocsp == response);
  CHECK(report.evidence[0].produced == now - 1h);
  CHECK(report.evidence[0].next_update == now + 1h);
  CHECK(report.evidence[0].signers.empty());
  CHECK(report.evidence[1].source == Source::crl);
  CHECK(report.evidence[1].crls.size() == 1);
  CHECK(report.evidence[1].produced == now - 48h);
  CHECK(report.evidence[2].source == Source::anchor);
}

TEST_CASE("OCSP goes before a list, and a list serves where OCSP says nothing") {
  World world;
  const Crl list = world.issuing.crl();
  CHECK(world.judged({ocsp_response(world.issuing.root(), {world.about_ana()})}, {list}).evidence[0].source == Source::ocsp);
  OcspSaid unknown = world.about_ana();
  unknown.value = Value::unknown;
  const PathReport report = world.judged({ocsp_response(world.issuing.root(), {unknown})}, {list});
  CHECK(report.status == PathStatus::valid);
  CHECK(report.evidence[0].source == Source::crl);
  CHECK(world.status({ocsp_response(world.issuing.root(), {unknown})}) == PathStatus::no_revocation_data);
}

TEST_CASE("a revocation by OCSP counts from its date, also against a list") {
  World world;
  OcspSaid said = world.about_ana();
  said.value = Value::revoked;
  said.revoked_at = now - 2h;
  const OcspResponse response = ocsp_response(world.issuing.root(), {said});
  const PathReport report = world.judged({response}, {world.issuing.crl()});
  CHECK(report.status == PathStatus::revoked);
  CHECK(report.revoked_at == now - 2h);
  CHECK(report.evidence[0].source == Source::ocsp);
  CHECK(world.status({response}, now - 2h) == PathStatus::revoked);
  CHECK(world.status({response}, now - 2h - 1s) == PathStatus::valid);
}

TEST_CASE("a list's revocation counts against a good OCSP response") {
  World world;
  world.issuing.revoke(world.ana.certificate, now - 3h);
  const PathReport report = world.judged({ocsp_response(world.issuing.root(), {world.about_ana()})}, {world.issuing.crl()});
  CHECK(report.status == PathStatus::revoked);
  CHECK(report.evidence[0].source == Source::crl);
}

TEST_CASE("an OCSP response out of force neither clears nor is forgotten") {
  World world;
  OcspSaid old = world.about_ana();
  old.next_update = now;
  CHECK(world.status({ocsp_response(world.issuing.root(), {old})}) == PathStatus::no_revocation_data);
  CHECK(world.status({ocsp_response(world.issuing.root(), {old})}, now - 1s) == PathStatus::valid);
  old.value = Value::revoked;
  CHECK(world.status({ocsp_response(world.issuing.root(), {old})}) == PathStatus::revoked);
}

TEST_CASE("without nextUpdate a response is good for an hour, and for any time before it") {
  World world;
  OcspSaid said = world.about_ana();
  said.next_update.reset();
  const OcspResponse response = ocsp_response(world.issuing.root(), {said});
  CHECK(world.status({response}, now - 1s) == PathStatus::valid);
  CHECK(world.status({response}, now) == PathStatus::no_revocation_data);
  CHECK(world.status({response}, now - 24h) == PathStatus::valid);
}

TEST_CASE("a response made after the certificate had expired counts only with archiveCutoff") {
  World world;
  auto brief = person("Brief");
  brief.ends_after_now = -2h;
  world.ana = world.issuing.issue(brief);
  OcspSaid said = world.about_ana();
  const auto at = now - 3h;
  CHECK(world.status({ocsp_response(world.issuing.root(), {said})}, at) == PathStatus::no_revocation_data);
  said.archive_cutoff = now - 2h;
  CHECK(world.status({ocsp_response(world.issuing.root(), {said})}, at) == PathStatus::valid);
  said.archive_cutoff = now - 2h + 1s;
  CHECK(world.status({ocsp_response(world.issuing.root(), {said})}, at) == PathStatus::no_revocation_data);
}

TEST_CASE("the certificate is matched by SHA-1 and SHA-2 of its issuer, and by its number") {
  World world;
  for (const auto digest : {base::DigestAlgorithm::sha1, base::DigestAlgorithm::sha224, base::DigestAlgorithm::sha256,
                            base::DigestAlgorithm::sha384, base::DigestAlgorithm::sha512}) {
    OcspSaid said = world.about_ana();
    said.id_digest = digest;
    CHECK(world.status({ocsp_response(world.issuing.root(), {said})}) == PathStatus::valid);
  }
  OcspSaid another = world.about_ana();
  another.certificate = world.issuing.issue(person("Ion")).certificate;
  CHECK(world.status({ocsp_response(world.issuing.root(), {another})}) == PathStatus::no_revocation_data);
  // The same name and number by another authority's key.
  OcspSaid elsewhere = world.about_ana();
  elsewhere.issuer = world.root.subordinate(person("Issuing CA")).root().certificate;
  CHECK(world.status({ocsp_response(world.issuing.root(), {elsewhere})}) == PathStatus::no_revocation_data);
}

TEST_CASE("of several statuses in a response each certificate has its own, and the worst of several") {
  World world;
  OcspSaid other = world.about_ana();
  other.certificate = world.issuing.issue(person("Ion")).certificate;
  other.value = Value::revoked;
  const OcspResponse response = ocsp_response(world.issuing.root(), {other, world.about_ana()});
  CHECK(response.size() == 2);
  CHECK(world.status({response}) == PathStatus::valid);
  CHECK(response.status_of(other.certificate, world.issuer())->value == Value::revoked);
  OcspSaid revoked = world.about_ana();
  revoked.value = Value::revoked;
  CHECK(world.status({ocsp_response(world.issuing.root(), {world.about_ana(), revoked})}) == PathStatus::revoked);
}

TEST_CASE("a responder that the issuer certified for it speaks for it, named by its name or its key") {
  World world;
  const auto responder = world.responder();
  OcspSaid said = world.about_ana();
  said.responder_id = GENERATE(OcspSaid::ResponderId::name, OcspSaid::ResponderId::key);
  const PathReport report = world.judged({ocsp_response(responder, {said})});
  CHECK(report.status == PathStatus::valid);
  REQUIRE(report.evidence.size() == 3);
  CHECK(report.evidence[0].signers == std::vector{responder.certificate});
}

TEST_CASE("nobody else speaks for the issuer") {
  World world;
  const auto said = world.about_ana();
  const auto responder = world.responder();
  const auto with = [&](auto change) {
    return demo::Identity{altered(responder.certificate, world.issuing.root(), EVP_sha256(), change), responder.key};
  };
  CHECK(world.status({ocsp_response(with([](X509*) {}), {said})}) == PathStatus::valid);

  // Whoever has a certificate of the issuer's, without the usage or with every usage.
  CHECK(world.status({ocsp_response(world.issuing.issue(person("Ion")), {said})}) == PathStatus::no_revocation_data);
  CHECK(world.status({ocsp_response(with([](X509* x) { set_extension(x, NID_ext_key_usage, "anyExtendedKeyUsage"); }),
                                    {said})}) == PathStatus::no_revocation_data);
  CHECK(world.status({ocsp_response(with([](X509* x) { remove_extension(x, NID_ext_key_usage); }), {said})}) ==
        PathStatus::no_revocation_data);
  CHECK(world.status({ocsp_response(with([](X509* x) { set_extension(x, NID_key_usage, "critical,keyEncipherment"); }),
                                    {said})}) == PathStatus::no_revocation_data);
  CHECK(world.status({ocsp_response(with([](X509* x) { set_extension(x, NID_netscape_comment, "critical,x"); }), {said})}) ==
        PathStatus::no_revocation_data);
  // A responder of another authority, though it is of the same path, or of the same name.
  Subject usage = person("Responder");
  usage.usage = Subject::Usage::ocsp_signing;
  CHECK(world.status({ocsp_response(world.root.issue(usage), {said})}) == PathStatus::no_revocation_data);
  demo::Authority namesake = world.root.subordinate(person("Issuing CA"));
  CHECK(world.status({ocsp_response(namesake.issue(usage), {said})}) == PathStatus::no_revocation_data);
  CHECK(world.status({ocsp_response(world.root.root(), {said})}) == PathStatus::no_revocation_data);
  CHECK(world.status({ocsp_response(demo::Authority("Stranger", now).root(), {said})}) == PathStatus::no_revocation_data);
  // One that the issuer's key certified under another name.
  CHECK(world.status({ocsp_response(
            with([&](X509* x) { X509_set_issuer_name(x, X509_get_subject_name(world.root.root().certificate.native())); }),
            {said})}) == PathStatus::no_revocation_data);
  // One whose certificate somebody else signed.
  const demo::Authority stranger("Stranger", now);
  const demo::Identity forged{altered(responder.certificate, stranger.root(), EVP_sha256(), [](X509*) {}), responder.key};
  CHECK(world.status({ocsp_response(forged, {said})}) == PathStatus::no_revocation_data);
}

TEST_CASE("a responder's certificate must have been in force when it answered") {
  World world;
  Subject brief = person("Responder");
  brief.usage = Subject::Usage::ocsp_signing;
  brief.starts_before_now = 3h;
  brief.ends_after_now = -2h;
  const auto responder = world.issuing.issue(brief);
  OcspSaid said = world.about_ana();
  said.next_update = now + 24h;
  CHECK(world.status({ocsp_response(responder, {said})}) == PathStatus::no_revocation_data);
  said.at = now - 4h;
  CHECK(world.status({ocsp_response(responder, {said})}) == PathStatus::no_revocation_data);
  said.at = now - 150min;
  CHECK(world.status({ocsp_response(responder, {said})}) == PathStatus::valid);
}

TEST_CASE("a responder without nocheck is asked about in turn, and never at itself") {
  World world;
  const auto checked = world.responder();
  const demo::Identity responder{altered(checked.certificate, world.issuing.root(), EVP_sha256(),
                                         [](X509* x) { remove_extension(x, NID_id_pkix_OCSP_noCheck); }),
                                 checked.key};
  OcspSaid itself = world.about_ana();
  itself.certificate = responder.certificate;
  const OcspResponse response = ocsp_response(responder, {world.about_ana(), itself});
  CHECK(world.status({response}) == PathStatus::no_revocation_data);
  // The issuer's own word about it, or a list.
  CHECK(world.status({response, ocsp_response(world.issuing.root(), {itself})}) == PathStatus::valid);
  const Crl clean = world.issuing.crl();
  CHECK(world.judged({response}, {clean}).evidence[0].source == Source::ocsp);
  // Not another responder's.
  CHECK(world.status({response, ocsp_response(world.responder("Other"), {itself})}) == PathStatus::no_revocation_data);
  // Once it is revoked the list has the last word: of the certificate it says nothing bad.
  world.issuing.revoke(responder.certificate, now - 2h);
  const PathReport report = world.judged({response}, {world.issuing.crl()});
  CHECK(report.status == PathStatus::valid);
  CHECK(report.evidence[0].source == Source::crl);
  OcspSaid revoked = itself;
  revoked.value = Value::revoked;
  CHECK(world.status({response, ocsp_response(world.issuing.root(), {revoked})}) == PathStatus::no_revocation_data);
}

TEST_CASE("a response signed with a weak digest says nothing") {
  World world;
  OcspSaid said = world.about_ana();
  said.signature_digest = EVP_sha1();
  CHECK(world.status({ocsp_response(world.issuing.root(), {said})}) == PathStatus::no_revocation_data);
  said.value = Value::revoked;
  CHECK(world.status({ocsp_response(world.issuing.root(), {said})}) == PathStatus::no_revocation_data);
  const auto responder = world.responder();
  const demo::Identity weak{altered(responder.certificate, world.issuing.root(), EVP_sha1(), [](X509*) {}), responder.key};
  CHECK(world.status({ocsp_response(weak, {world.about_ana()})}) == PathStatus::no_revocation_data);
}

TEST_CASE("a hold is lifted by a newer good response, not by an older one") {
  World world;
  OcspSaid held = world.about_ana();
  held.value = Value::revoked;
  held.on_hold = true;
  held.at = now - 2h;
  const OcspResponse hold = ocsp_response(world.issuing.root(), {held});
  CHECK(world.status({hold}) == PathStatus::revoked);
  CHECK(world.status({hold, ocsp_response(world.issuing.root(), {world.about_ana()})}) == PathStatus::valid);
  OcspSaid before = world.about_ana();
  before.at = now - 3h;
  CHECK(world.status({hold, ocsp_response(world.issuing.root(), {before})}) == PathStatus::revoked);
  held.on_hold = false;
  CHECK(world.status({ocsp_response(world.issuing.root(), {held}), ocsp_response(world.issuing.root(), {world.about_ana()})}) ==
        PathStatus::revoked);
}

TEST_CASE("the authority's certificate is asked about at its own issuer") {
  World world;
  OcspSaid about_ca = world.about_ana();
  about_ca.certificate = world.issuer();
  about_ca.issuer = world.root.root().certificate;
  TrustMaterial trust{one(world.root.root()), one(world.issuing.root()), {}, {}};
  trust.ocsp = {ocsp_response(world.issuing.root(), {world.about_ana()}), ocsp_response(world.root.root(), {about_ca})};
  CHECK(validate_path(world.ana.certificate, trust, {.at = now}).status == PathStatus::valid);
  about_ca.value = Value::revoked;
  trust.ocsp.back() = ocsp_response(world.root.root(), {about_ca});
  CHECK(validate_path(world.ana.certificate, trust, {.at = now}).status == PathStatus::ca_revoked);
}

TEST_CASE("a request asks about one certificate with a nonce, and is answered with it") {
  World world;
  const OcspRequest request = make_ocsp_request(world.ana.certificate, world.issuer());
  CHECK(request.nonce.size() == 32);
  CHECK(make_ocsp_request(world.ana.certificate, world.issuer()).nonce != request.nonce);
  OcspSaid said = world.about_ana();
  said.nonce = request.nonce;
  const auto read = [&](const OcspSaid& answer, NonceRule rule) {
    return read_ocsp_response(ocsp_response(world.issuing.root(), {answer}).der(), request, world.ana.certificate, world.issuer(),
                              rule);
  };
  REQUIRE(read(said, NonceRule::same));
  CHECK(read(said, NonceRule::same)->nonce() == request.nonce);
  CHECK(read(said, NonceRule::same_or_absent));
  said.nonce.clear();
  CHECK_FALSE(read(said, NonceRule::same));
  CHECK(read(said, NonceRule::same_or_absent));
  said.nonce = request.nonce;
  said.nonce.back() ^= 1;
  CHECK_FALSE(read(said, NonceRule::same));
  CHECK_FALSE(read(said, NonceRule::same_or_absent));
  said.nonce = request.nonce;
  said.certificate = world.issuing.issue(person("Ion")).certificate;
  CHECK_FALSE(read(said, NonceRule::same));
}

TEST_CASE("what a responder refuses is an error with its word") {
  const base::Owned<OCSP_RESPONSE, OCSP_RESPONSE_free> later{OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, nullptr)};
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(later.get(), &der);
  const base::Owned<unsigned char, free_bytes> owner{der};
  const auto read = OcspResponse::from_der({der, static_cast<std::size_t>(size)});
  REQUIRE_FALSE(read);
  CHECK(read.error().detail == "the OCSP responder refused: trylater");
}

TEST_CASE("what is no OCSP response is refused: rubbish, a part, something after it, too much") {
  World world;
  base::Bytes der = bytes_of(ocsp_response(world.issuing.root(), {world.about_ana()}).der());
  CHECK(OcspResponse::from_der(der));
  for (std::size_t size = 0; size < der.size(); ++size) CHECK_FALSE(OcspResponse::from_der(base::BytesView(der).first(size)));
  base::Bytes longer = der;
  longer.push_back(0);
  CHECK_FALSE(OcspResponse::from_der(longer));
  CHECK_FALSE(OcspResponse::from_der(base::Bytes((std::size_t{1} << 20) + 1, 0x30)));
  std::vector<OcspSaid> many(64, world.about_ana());
  CHECK_NOTHROW(ocsp_response(world.issuing.root(), many));
  many.push_back(world.about_ana());
  CHECK_THROWS(ocsp_response(world.issuing.root(), many));
  for (const auto oddity : {OcspSaid::Oddity::in_response, OcspSaid::Oddity::in_status}) {
    OcspSaid odd = world.about_ana();
    odd.oddity = oddity;
    CHECK_THROWS(ocsp_response(world.issuing.root(), {odd}));
  }
  OcspSaid chain = world.about_ana();
  chain.certificates.assign(16, world.issuer());  // and the responder's own
  CHECK_THROWS(ocsp_response(world.issuing.root(), {chain}));
}

TEST_CASE("an OCSP response with any bit flipped is no revocation data") {
  World world;
  base::Bytes der = bytes_of(ocsp_response(world.responder(), {world.about_ana()}).der());
  std::size_t read = 0;
  for (std::size_t bit = 0; bit < der.size() * 8; ++bit) {
    der[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    if (const auto response = OcspResponse::from_der(der)) {
      ++read;
      if (world.status({*response}) == PathStatus::valid) FAIL_CHECK("valid with bit " << bit << " flipped");
    }
    der[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
  }
  CHECK(read > 1'000);
}
