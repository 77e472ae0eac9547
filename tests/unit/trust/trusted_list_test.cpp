#include "trust/trusted_list.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "../service/list_service.hpp"
#include "demo/trusted_list.hpp"
#include "folder.hpp"

using namespace signet;
using namespace std::chrono_literals;
using demo::ListedScheme;
using demo::ListedService;
using trust::read_trusted_list;
using trust::TrustedListOptions;
using trust::TrustService;
using Use = pki::TrustedService::Use;

namespace {

const base::Time now = base::from_rfc3339("2026-03-01T12:00:00Z").value();

demo::Subject person(std::string name) {
  return {.common_name = std::move(name), .serial_number = {}, .key_type = pki::KeyType::ec_p256, .key = {}};
}

struct World {
  demo::Authority root{"Root", now};
  demo::Authority issuing = root.subordinate(person("Issuing CA"));
  demo::Identity ana = issuing.issue(person("Ana"));
  demo::Identity tsa = issuing.issue({.common_name = "TSA",
                                      .serial_number = {},
                                      .key_type = pki::KeyType::ec_p256,
                                      .usage = demo::Subject::Usage::time_stamping,
                                      .key = {}});
  demo::Authority state{"State", now};
  demo::Identity signer = state.issue(person("List signer"));

  ListedScheme scheme() {
    return {.sequence_number = 7,
            .issued = now - 24h,
            .next_update = now + 24h,
            .services = {{.certificates = {issuing.root().certificate}, .from = now - 240h},
                         {.type = "TSA/QTST", .certificates = {tsa.certificate}, .from = now - 240h}}};
  }
  TrustedListOptions options() const { return {.signers = {signer.certificate}, .at = now}; }
  base::Result<trust::TrustedList> read(const std::string& document) const {
    return read_trusted_list(base::as_bytes(document), options());
  }
  std::string refusal(const std::string& document) const {
    const auto read_one = read(document);
    return read_one ? "read" : read_one.error().detail;
  }
};

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  REQUIRE(at != text.npos);
  return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("a list signed by its signer is read: scheme, services, and who signed") {
  World world;
  const auto list = world.read(demo::trusted_list(world.scheme(), world.signer));
  REQUIRE(list);
  CHECK(list->version == 6);
  CHECK(list->sequence_number == 7);
  CHECK(list->territory == "MD");
  CHECK(list->scheme_operator == "An operator");
  CHECK(list->issued == now - 24h);
  CHECK(list->next_update == now + 24h);
  CHECK(list->signer == world.signer.certificate);
  REQUIRE(list->services.size() == 2);
  const TrustService& ca = list->services[0];
  CHECK(ca.type == TrustService::Type::ca_qc);
  CHECK(ca.name == "A service");
  CHECK(ca.provider == "A provider");
  CHECK(ca.certificates == std::vector{world.issuing.root().certificate});
  REQUIRE(ca.periods.size() == 1);
  CHECK(ca.periods[0].granted);
  CHECK(ca.periods[0].from == now - 240h);
  CHECK_FALSE(ca.periods[0].until);
  CHECK(list->services[1].type == TrustService::Type::tsa_qtst);
  CHECK(list->unread_certificates == 0);
}

TEST_CASE("paths end at the list's services, each for its use") {
  World world;
  const auto list = world.read(demo::trusted_list(world.scheme(), world.signer)).value();
  pki::TrustMaterial trust{
      .anchors = {}, .intermediates = {}, .crls = {world.issuing.crl()}, .ocsp = {}, .services = services_of(list)};
  const auto judged = [&](const pki::Certificate& certificate, pki::Purpose purpose) {
    return pki::validate_path(certificate, trust, {.at = now, .purpose = purpose}).status;
  };
  CHECK(judged(world.ana.certificate, pki::Purpose::signer) == pki::PathStatus::valid);
  CHECK(judged(world.tsa.certificate, pki::Purpose::time_stamping) == pki::PathStatus::valid);
  // The CA is not listed as one of time stamps: another TSA of its own is none.
  const auto other = world.issuing.issue({.common_name = "TSA",
                                          .serial_number = {},
                                          .key_type = pki::KeyType::ec_p256,
                                          .usage = demo::Subject::Usage::time_stamping,
                                          .key = {}});
  CHECK(judged(other.certificate, pki::Purpose::time_stamping) == pki::PathStatus::no_path);
}

TEST_CASE("a service that was withdrawn is trusted for the time before, and one under supervision before eIDAS") {
  World world;
  ListedScheme scheme = world.scheme();
  const base::Time granted = base::from_rfc3339("2016-07-01T00:00:00Z").value();
  const base::Time supervised = base::from_rfc3339("2010-01-01T00:00:00Z").value();
  ListedService& service = scheme.services[0];
  service.status = "withdrawn";
  service.from = now - 48h;
  service.history = {{"granted", granted}, {"undersupervision", supervised}};
  scheme.services.resize(1);
  const auto services = services_of(world.read(demo::trusted_list(scheme, world.signer)).value());
  REQUIRE(services.size() == 2);
  CHECK(services[0].from == granted);
  CHECK(services[0].until == now - 48h);
  CHECK(services[1].from == supervised);
  CHECK(services[1].until == granted);
  service.history = {{"undersupervision", granted}};  // eIDAS knows no such status
  CHECK(services_of(world.read(demo::trusted_list(scheme, world.signer)).value()).empty());
}

TEST_CASE("a period ends where the service was listed as another, and none counts with a critical extension nobody knows") {
  World world;
  ListedScheme scheme = world.scheme();
  const auto year = [](int number) { return base::Time(std::chrono::sys_days{std::chrono::year{number} / 1 / 1}); };
  ListedService& service = scheme.services[0];
  service.from = year(2024);
  service.history = {{"granted", year(2021), "CA/PKC"}, {"granted", year(2018)}, {"granted", year(2017), "TSA/QTST"}};
  scheme.services.resize(1);
  const auto services = [&] { return services_of(world.read(demo::trusted_list(scheme, world.signer)).value()); };
  auto found = services();
  REQUIRE(found.size() == 3);
  CHECK(found[0].from == year(2024));
  CHECK_FALSE(found[0].until);
  CHECK(found[1].from == year(2018));
  CHECK(found[1].until == year(2021));
  CHECK(found[1].use == Use::certificates);
  CHECK(found[2].from == year(2017));
  CHECK(found[2].use == Use::time_stamps);
  service.history[1].extensions = "<Extension Critical=\"true\"><Other></Other></Extension>";
  found = services();
  REQUIRE(found.size() == 2);
  CHECK(found[1].until == year(2018));
  service.extensions = service.history[1].extensions;  // now: of what was before nothing is taken either
  CHECK(services().empty());
}

TEST_CASE("other kinds of services are listed and not trusted, nor is one with a critical extension that nobody knows") {
  World world;
  ListedScheme scheme = world.scheme();
  scheme.services.resize(1);
  ListedService& service = scheme.services[0];
  for (const char* type : {"CA/PKC", "TSA", "unspecified", "CA/QC/", "../Svctype/CA/QC"}) {
    service.type = type;
    const auto list = world.read(demo::trusted_list(scheme, world.signer)).value();
    CHECK(list.services.size() == 1);
    CHECK(services_of(list).empty());
  }
  service.type = "CA/QC";
  const auto with_extension = [&](const std::string& extension) {
    service.extensions = extension;
    return services_of(world.read(demo::trusted_list(scheme, world.signer)).value()).size();
  };
  CHECK(with_extension(
            "<Extension Critical=\"true\"><AdditionalServiceInformation></AdditionalServiceInformation></Extension>") == 1);
  CHECK(with_extension("<Extension Critical=\"false\"><Other></Other></Extension>") == 1);
  CHECK(with_extension("<Extension Critical=\"true\"><Other></Other></Extension>") == 0);
  CHECK(with_extension("<Extension Critical=\"1\"><Other></Other></Extension>") == 0);
}

TEST_CASE("a list by anybody else is refused, also by one whom the signer certified or who certified it") {
  World world;
  const auto refused = [&](const demo::Identity& by) { return !world.read(demo::trusted_list(world.scheme(), by)); };
  CHECK_FALSE(refused(world.signer));
  CHECK(refused(world.state.issue(person("List signer"))));
  CHECK(refused(world.state.root()));
  CHECK(refused(demo::Authority("Stranger", now).issue(person("List signer"))));
  // An authority's certificate that may sign: whom it certified is still another.
  demo::Authority below(world.signer, now);
  CHECK(refused(below.issue(person("Below"))));
  // The right certificate with another key.
  CHECK(refused({world.signer.certificate, demo::make_key(pki::KeyType::ec_p256)}));
}

TEST_CASE("a signer whose certificate is not in force signs no list") {
  World world;
  demo::Subject brief = person("List signer");
  brief.ends_after_now = -1h;
  world.signer = world.state.issue(brief);
  CHECK(world.refusal(demo::trusted_list(world.scheme(), world.signer)).find("OUT_OF_BOUNDS") != std::string::npos);
}

TEST_CASE("a list without a signature, with two, or with a changed content is refused") {
  World world;
  const std::string plain = demo::unsigned_trusted_list(world.scheme());
  CHECK_FALSE(world.read(plain));
  const std::string good = demo::trusted_list(world.scheme(), world.signer);
  CHECK(world.read(good));
  CHECK_FALSE(world.read(replaced(good, "/granted", "/Granted")));
  CHECK_FALSE(world.read(replaced(good, "<TSLSequenceNumber>7", "<TSLSequenceNumber>8")));
  CHECK(world.refusal(demo::with_enveloped_signature(good, world.signer, now, "", good)) ==
        "the trusted list has not one signature");
}

TEST_CASE("a signature over a part of the list, or within another element of it, is refused") {
  World world;
  const std::string list = demo::unsigned_trusted_list(world.scheme());
  // The signed part is a harmless one, with an Id.
  const std::string with_id = replaced(list, "<SchemeInformation>", "<SchemeInformation Id=\"part\">");
  const std::size_t begin = with_id.find("<SchemeInformation");
  const std::size_t end = with_id.find("</SchemeInformation>") + 20;
  const std::string part = replaced(with_id.substr(begin, end - begin), "<SchemeInformation",
                                    "<SchemeInformation xmlns=\"http://uri.etsi.org/02231/v2#\"");
  CHECK(world.refusal(demo::with_enveloped_signature(with_id, world.signer, now, "#part", part)) ==
        "the trusted list's signature is not over all of it");
  // All of it, but the signature stands elsewhere.
  const std::string good = demo::trusted_list(world.scheme(), world.signer);
  const std::size_t from = good.find("<ds:Signature ");
  const std::string signature = good.substr(from, good.find("</ds:Signature>") + 15 - from);
  const std::string moved = replaced(replaced(good, signature, ""), "</SchemeTerritory>", "</SchemeTerritory>" + signature);
  CHECK(world.refusal(moved) == "the trusted list's signature is not where it belongs");
}

TEST_CASE("what a comment hides is not read otherwise than it was signed") {
  World world;
  const std::string good = demo::trusted_list(world.scheme(), world.signer);
  // Canonical form leaves comments out: the signature holds, and the text is what it was.
  const auto list = world.read(replaced(good, "/granted<", "/gran<!-- with -->ted<"));
  REQUIRE(list);
  CHECK(list->services[0].periods[0].granted);
}

TEST_CASE("a list has its time: its NextUpdate, its issue, and the number before it") {
  World world;
  ListedScheme scheme = world.scheme();
  const auto refusal = [&] { return world.refusal(demo::trusted_list(scheme, world.signer)); };
  scheme.next_update = now;
  CHECK(refusal() == "the trusted list has ended: its NextUpdate was 2026-03-01T12:00:00Z");
  scheme.next_update = now + 1s;
  CHECK(refusal() == "read");
  scheme.next_update.reset();  // closed
  CHECK(refusal() == "read");
  scheme.issued = now + 10min;
  CHECK(refusal() == "the trusted list is from the future");
  scheme.issued = now - 24h;
  scheme.version = 4;
  CHECK(refusal() == "a trusted list of version 4");
  scheme.version = 5;
  CHECK(refusal() == "read");
  TrustedListOptions options = world.options();
  options.least_sequence_number = 8;
  const std::string document = demo::trusted_list(scheme, world.signer);
  CHECK_FALSE(read_trusted_list(base::as_bytes(document), options));
  options.least_sequence_number = 7;
  CHECK(read_trusted_list(base::as_bytes(document), options));
}

TEST_CASE("where other lists are and who signs them is read") {
  World world;
  ListedScheme scheme = world.scheme();
  scheme.other_signers = {world.state.root().certificate};
  const auto list = world.read(demo::trusted_list(scheme, world.signer)).value();
  REQUIRE(list.others.size() == 1);
  CHECK(list.others[0].url == "https://lists.example.org/other.xml");
  CHECK(list.others[0].signers == scheme.other_signers);
}

TEST_CASE("what is no list is refused: rubbish, a document type, another document, services without form, too many") {
  World world;
  CHECK_FALSE(world.read(""));
  CHECK_FALSE(world.read("<a></a>"));
  const std::string other = "<a xmlns=\"urn:a\"></a>";
  CHECK(world.refusal(demo::with_enveloped_signature(other, world.signer, now, "", other)) == "not a trusted list");
  const std::string good = demo::trusted_list(world.scheme(), world.signer);
  CHECK_FALSE(world.read("<!DOCTYPE a [<!ENTITY b \"c\">]>" + good));
  for (std::size_t size = 0; size < good.size(); size += 97) CHECK_FALSE(world.read(good.substr(0, size)));
  const auto signed_again = [&](const std::string& list) {
    return world.refusal(demo::with_enveloped_signature(list, world.signer, now, "", list));
  };
  const std::string list = demo::unsigned_trusted_list(world.scheme());
  CHECK(signed_again(list) == "read");
  CHECK(signed_again(replaced(list, "<StatusStartingTime>", "<StatusStartingTime>x")) ==
        "a service of the trusted list is not of the form");
  CHECK(signed_again(replaced(list, "<TSLSequenceNumber>7", "<TSLSequenceNumber>-7")) ==
        "the trusted list's scheme information is not of the form");
  const std::size_t at = list.find("<SchemeInformation>");
  const std::string scheme = list.substr(at, list.find("</SchemeInformation>") + 20 - at);
  CHECK(signed_again(replaced(list, scheme, scheme + scheme)) == "the trusted list's scheme information is not of the form");
  TrustedListOptions options = world.options();
  options.most_services = 1;
  CHECK(read_trusted_list(base::as_bytes(good), options).error().code == base::ErrorCode::message_too_large);
}

TEST_CASE("an identity that is no certificate is left out and counted") {
  World world;
  const std::string list = replaced(demo::unsigned_trusted_list(world.scheme()), "<X509Certificate>", "<X509Certificate>AAAA");
  const auto read = world.read(demo::with_enveloped_signature(list, world.signer, now, "", list));
  REQUIRE(read);
  CHECK(read->unread_certificates == 1);
  CHECK(read->services[0].certificates.empty());
}

TEST_CASE("a list is fetched, kept, and served from what is kept until its NextUpdate") {
  World world;
  test::Folder folder;
  test::ListService service;
  const auto cache = trust::Cache::open(folder.path / "cache").value();
  ListedScheme scheme = world.scheme();
  service.files["/list.xml"] = demo::trusted_list(scheme, world.signer);
  trust::Fetching fetching{.private_addresses = true};
  const auto at = [&](base::Time time, trust::Fetching how) {
    TrustedListOptions options = world.options();
    options.at = time;
    return trust::trusted_list_at(service.url + "/list.xml", options, how, cache);
  };
  trust::Fetching offline = fetching;
  offline.offline = true;
  CHECK(at(now, offline).error().code == base::ErrorCode::network_failed);
  CHECK(at(now, fetching));
  CHECK(at(now + 59min, fetching));
  CHECK(service.count("/list.xml") == 1);
  CHECK(at(now + 61min, offline));
  CHECK(service.count("/list.xml") == 1);
  CHECK(at(now + 61min, fetching));
  CHECK(service.count("/list.xml") == 2);
  // Nothing there any more: the kept one, until it ends.
  service.put("/list.xml", std::nullopt);
  CHECK(at(now + 3h, fetching)->sequence_number == 7);
  CHECK_FALSE(at(now + 24h, fetching));
  CHECK_FALSE(at(now + 24h, offline));
  // An older one does not replace it; nor does it when the kept one has ended.
  scheme.sequence_number = 6;
  scheme.next_update = now + 72h;
  service.put("/list.xml", demo::trusted_list(scheme, world.signer));
  CHECK(at(now + 3h, fetching)->sequence_number == 7);
  CHECK_FALSE(at(now + 25h, fetching));
  scheme.sequence_number = 8;
  service.put("/list.xml", demo::trusted_list(scheme, world.signer));
  CHECK(at(now + 25h, fetching)->sequence_number == 8);
  // What somebody put into the cache is verified like what comes.
  for (const auto& entry : std::filesystem::directory_iterator(folder.path / "cache")) {
    std::ifstream in(entry.path());
    const std::string text(std::istreambuf_iterator<char>(in), {});
    std::ofstream(entry.path(), std::ios::trunc) << replaced(text, "/granted", "/withdrawn");
  }
  CHECK_FALSE(at(now + 25h, offline));
}

TEST_CASE("a list is not fetched from a private address unless that is allowed, and no redirect is followed") {
  World world;
  test::ListService service;
  service.files["/list.xml"] = demo::trusted_list(world.scheme(), world.signer);
  CHECK(trust::trusted_list_at(service.url + "/list.xml", world.options(), {}).error().code == base::ErrorCode::network_failed);
  CHECK(service.count("/list.xml") == 0);
}
