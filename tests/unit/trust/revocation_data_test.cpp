#include "trust/revocation_data.hpp"

#include <openssl/x509v3.h>

#include <catch2/catch.hpp>

#include "../pki/path_status.hpp"
#include "../service/list_service.hpp"
#include "base/owned.hpp"
#include "demo/ocsp.hpp"
#include "folder.hpp"
#include "openssl_responder.hpp"

using namespace signet;
using namespace std::chrono_literals;
using demo::OcspSaid;
using pki::PathStatus;
using test::OpensslResponder;
using trust::Fetching;
using trust::RevocationSource;
using Source = pki::RevocationEvidence::Source;

namespace {

// The true time: `openssl ocsp` has no other.
const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

demo::Subject person(std::string name) {
  return {.common_name = std::move(name), .serial_number = {}, .key_type = pki::KeyType::ec_p256, .key = {}};
}

struct World {
  demo::Authority root{"Root", now};
  test::ListService service;

  demo::Identity responder() {
    demo::Subject subject = person("Responder");
    subject.usage = demo::Subject::Usage::ocsp_signing;
    return root.issue(subject);
  }
  pki::Certificate issued(const std::string& ocsp, const std::string& list) {
    root.answer_ocsp_at(ocsp);
    root.publish_crl_at(list);
    return root.issue(person("Ana")).certificate;
  }
  pki::TrustMaterial trust() { return {{root.root().certificate}, {}, {}}; }
  pki::ListWanted wanted(const pki::Certificate& certificate) { return {certificate, {root.root().certificate}}; }
  std::string list_url() { return service.url + "/list.crl"; }
};

Fetching private_too() {
  Fetching fetching;
  fetching.private_addresses = true;
  return fetching;
}

pki::PathReport judged(World& world, const pki::Certificate& certificate, const RevocationSource& source, base::Time at = now,
                       base::Time clock = now) {
  return trust::validate_path(certificate, world.trust(), {.at = at}, source, clock);
}

// Answers every OCSP request with a redirection.
class Redirecting {
 public:
  explicit Redirecting(std::string target) : target_(std::move(target)) {
    net::HttpHandlers handlers;
    handlers.request = [this](net::HttpRequest) -> boost::asio::awaitable<net::HttpResponse> {
      net::HttpResponse response;
      response.status = 302;
      response.headers.emplace_back("location", target_);
      co_return response;
    };
    server_ = std::make_unique<net::HttpServer>(context_.io().get_executor(), std::move(handlers));
    url = "http://127.0.0.1:" + std::to_string(server_->listen({boost::asio::ip::address_v4::loopback(), 0}).value());
    context_.start();
  }
  ~Redirecting() {
    context_.await(server_->stop(0ms));
    context_.join();
  }
  std::string url;

 private:
  std::string target_;
  test::RunningContext context_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace

TEST_CASE("openssl's responder says good, revoked and unknown, and is believed") {
  World world;
  const bool delegated = GENERATE(true, false);
  const demo::Identity signer = delegated ? world.responder() : world.root.root();
  OpensslResponder responder(world.root.root().certificate, signer);
  const pki::Certificate good = world.issued(responder.url(), ""), bad = world.issued(responder.url(), "");
  responder.list({{good}, {bad, now - 1h}});
  const RevocationSource source(private_too(), {}, pki::NonceRule::same);
  const pki::PathReport report = judged(world, good, source);
  CHECK(report.status == PathStatus::valid);
  REQUIRE(report.evidence.size() == 2);
  CHECK(report.evidence[0].source == Source::ocsp);
  CHECK(report.evidence[0].signers.size() == (delegated ? 1 : 0));
  CHECK(report.evidence[0].next_update);
  CHECK(judged(world, bad, source).status == PathStatus::revoked);
  CHECK(judged(world, bad, source).revoked_at == now - 1h);

  // Who is unknown there is looked up in the list.
  const pki::Certificate strange = world.issued(responder.url(), world.list_url());
  CHECK(judged(world, strange, source).status == PathStatus::no_revocation_data);
  world.service.put("/list.crl", test::text_of(world.root.crl()));
  CHECK(judged(world, strange, source).evidence.at(0).source == Source::crl);
  world.root.revoke(strange, now - 1h);
  world.service.put("/list.crl", test::text_of(world.root.crl()));
  CHECK(judged(world, strange, source).status == PathStatus::revoked);
}

TEST_CASE("OCSP goes before lists, which are not fetched then") {
  World world;
  const pki::Certificate ana = world.issued(world.service.url + "/ocsp", world.list_url());
  OcspSaid said{.certificate = ana, .issuer = world.root.root().certificate, .at = now - 1min, .next_update = now + 1h};
  const auto answer = [&] {
    world.service.put("/ocsp", std::string(base::as_text(ocsp_response(world.responder(), {said}).der())));
  };
  world.service.put("/list.crl", test::text_of(world.root.crl()));
  answer();
  const RevocationSource source(private_too());
  CHECK(judged(world, ana, source).status == PathStatus::valid);
  CHECK(world.service.count("/ocsp") == 1);
  CHECK(world.service.count("/list.crl") == 0);
  said.value = pki::OcspStatus::Value::revoked;
  answer();
  CHECK(judged(world, ana, source).status == PathStatus::revoked);
  CHECK(world.service.count("/list.crl") == 0);
}

TEST_CASE("a response that has ended, without the nonce that is demanded, or by a stranger gives way to the list") {
  World world;
  const pki::Certificate ana = world.issued(world.service.url + "/ocsp", world.list_url());
  OcspSaid said{.certificate = ana, .issuer = world.root.root().certificate, .at = now - 2h, .next_update = now + 1h};
  const auto by = [&](const demo::Identity& signer) {
    world.service.put("/ocsp", std::string(base::as_text(ocsp_response(signer, {said}).der())));
  };
  const auto source_of = [&](pki::NonceRule rule) { return judged(world, ana, RevocationSource(private_too(), {}, rule)); };
  by(world.root.root());
  CHECK(source_of(pki::NonceRule::same_or_absent).status == PathStatus::valid);
  CHECK(source_of(pki::NonceRule::same).status == PathStatus::no_revocation_data);
  by(demo::Authority("Stranger", now).root());
  CHECK(source_of(pki::NonceRule::same_or_absent).status == PathStatus::no_revocation_data);
  said.next_update = now;
  by(world.root.root());
  CHECK(source_of(pki::NonceRule::same_or_absent).status == PathStatus::no_revocation_data);
  world.service.put("/list.crl", test::text_of(world.root.crl()));
  CHECK(source_of(pki::NonceRule::same_or_absent).evidence.at(0).source == Source::crl);
  const auto data = RevocationSource(private_too()).fetch({world.wanted(ana)}, now);
  REQUIRE(data.failures.size() == 1);
  CHECK(data.failures[0].why == "what it gave has ended");
}

TEST_CASE("a responder that must be looked up itself is, in the list") {
  World world;
  demo::Subject subject = person("Responder");
  subject.usage = demo::Subject::Usage::ocsp_signing;
  demo::Identity responder = world.root.issue(subject);
  const base::Owned<X509, X509_free> copy{X509_dup(responder.certificate.native())};
  base::Owned<X509_EXTENSION, X509_EXTENSION_free>{
      X509_delete_ext(copy.get(), X509_get_ext_by_NID(copy.get(), NID_id_pkix_OCSP_noCheck, -1))};
  REQUIRE(X509_sign(copy.get(), world.root.root().key.get(), EVP_sha256()) > 0);
  base::Bytes der(static_cast<std::size_t>(i2d_X509(copy.get(), nullptr)));
  unsigned char* out = der.data();
  i2d_X509(copy.get(), &out);
  responder.certificate = pki::Certificate::from_der(der).value();

  const pki::Certificate ana = world.issued(world.service.url + "/ocsp", world.list_url());
  const OcspSaid said{.certificate = ana, .issuer = world.root.root().certificate, .at = now - 1min, .next_update = now + 1h};
  world.service.put("/ocsp", std::string(base::as_text(ocsp_response(responder, {said}).der())));
  world.service.put("/list.crl", test::text_of(world.root.crl()));
  const pki::PathReport report = judged(world, ana, RevocationSource(private_too()));
  CHECK(report.status == PathStatus::valid);
  CHECK(report.evidence.at(0).source == Source::ocsp);
  CHECK(world.service.count("/list.crl") == 1);
}

TEST_CASE("lists over HTTP in both directions: good, revoked, ended, another's") {
  World world;
  const pki::Certificate ana = world.issued("", world.list_url());
  const RevocationSource source(private_too());
  CHECK(judged(world, ana, source).status == PathStatus::no_revocation_data);
  const auto with = [&](const std::string& body) {
    world.service.put("/list.crl", body);
    return judged(world, ana, source).status;
  };
  CHECK(with(test::text_of(world.root.crl())) == PathStatus::valid);
  CHECK(with(demo::pem(world.root.crl())) == PathStatus::valid);
  CHECK(with(test::text_of(world.root.crl(48h, -1s))) == PathStatus::no_revocation_data);
  CHECK(with(test::text_of(demo::Authority("Root", now).crl())) == PathStatus::no_revocation_data);
  CHECK(with("no list") == PathStatus::no_revocation_data);
  CHECK(with(demo::pem(ana)) == PathStatus::no_revocation_data);
  world.root.revoke(ana, now - 30min);
  CHECK(with(test::text_of(world.root.crl())) == PathStatus::revoked);
  CHECK(judged(world, ana, source, now - 31min).status == PathStatus::valid);
}

TEST_CASE("nobody in the own network is called unless that is allowed, by whatever name") {
  World world;
  const std::string port = world.service.url.substr(world.service.url.rfind(':'));
  world.service.put("/list.crl", test::text_of(world.root.crl()));
  for (const std::string& host : {std::string("127.0.0.1"), std::string("localhost"), std::string("[::1]"),
                                  std::string("[::ffff:127.0.0.1]"), std::string("0x7f000001"), std::string("0.0.0.0")}) {
    const pki::Certificate ana = world.issued("http://" + host + port + "/ocsp", "http://" + host + port + "/list.crl");
    CHECK(judged(world, ana, RevocationSource(Fetching{})).status == PathStatus::no_revocation_data);
  }
  CHECK(world.service.count("/ocsp") == 0);
  CHECK(world.service.count("/list.crl") == 0);
}

TEST_CASE("what stands elsewhere now is had from there") {
  World world;
  world.service.put("/list.crl", test::text_of(world.root.crl()));
  const Redirecting redirecting(world.list_url());
  const pki::Certificate ana = world.issued(redirecting.url + "/ocsp", redirecting.url + "/list.crl");
  const RevocationSource source(private_too());
  CHECK(judged(world, ana, source).evidence.at(0).source == Source::crl);
  const auto data = source.fetch({world.wanted(ana)}, now);
  CHECK(data.crls.size() == 1);
  CHECK(data.failures.size() == 1);  // what its responder has become is none
  CHECK(judged(world, ana, RevocationSource(Fetching{})).status == PathStatus::no_revocation_data);
}

TEST_CASE("what is kept serves without asking, is asked for anew after its time, and offline nobody is asked") {
  World world;
  test::Folder folder;
  const auto cache = trust::Cache::open(folder.path / "cache").value();
  Fetching fetching = private_too();
  const RevocationSource source(fetching, cache);
  fetching.offline = true;
  const RevocationSource offline(fetching, cache);
  const pki::Certificate ana = world.issued(world.service.url + "/ocsp", world.list_url());
  const pki::Certificate by_list = world.issued("", world.list_url());
  const OcspSaid said{.certificate = ana, .issuer = world.root.root().certificate, .at = now - 1min, .next_update = now + 3h};
  world.service.put("/ocsp", std::string(base::as_text(ocsp_response(world.responder(), {said}).der())));
  world.service.put("/list.crl", test::text_of(world.root.crl(1h, 3h)));

  CHECK(judged(world, ana, offline).status == PathStatus::no_revocation_data);
  CHECK(world.service.count("/ocsp") + world.service.count("/list.crl") == 0);
  for (int i = 0; i < 2; ++i) {
    CHECK(judged(world, ana, source).evidence.at(0).source == Source::ocsp);
    CHECK(judged(world, by_list, source).evidence.at(0).source == Source::crl);
  }
  CHECK(world.service.count("/ocsp") == 1);
  CHECK(world.service.count("/list.crl") == 1);
  CHECK(judged(world, ana, offline).status == PathStatus::valid);
  CHECK(judged(world, by_list, offline).status == PathStatus::valid);

  // An hour later it is asked for anew; where nobody answers the old one serves until it ends.
  CHECK(judged(world, by_list, source, now + 1h, now + 1h).status == PathStatus::valid);
  CHECK(world.service.count("/list.crl") == 2);
  world.service.put("/ocsp", std::nullopt);
  world.service.put("/list.crl", std::nullopt);
  CHECK(judged(world, ana, source, now + 2h, now + 2h).status == PathStatus::valid);
  CHECK(judged(world, by_list, source, now + 2h, now + 2h).status == PathStatus::valid);
  CHECK(judged(world, ana, source, now + 3h, now + 3h).status == PathStatus::no_revocation_data);
  CHECK(judged(world, by_list, source, now + 3h, now + 3h).status == PathStatus::no_revocation_data);
  // For a time at which it was in force it serves all the same, offline too.
  CHECK(judged(world, by_list, offline, now, now + 3h).status == PathStatus::valid);
}

TEST_CASE("about a time that is proven what was kept before it is asked for anew") {
  World world;
  test::Folder folder;
  const RevocationSource source(private_too(), trust::Cache::open(folder.path / "cache").value());
  const pki::Certificate ana = world.issued("", world.list_url());
  world.service.put("/list.crl", test::text_of(world.root.crl(1h)));
  pki::ListWanted wanted = world.wanted(ana);
  CHECK(source.fetch({wanted}, now).crls.size() == 1);
  CHECK(source.fetch({wanted}, now + 10min).crls.size() == 1);
  CHECK(world.service.count("/list.crl") == 1);
  wanted.asked_after = now - 1min;  // the list is older than that, and it was the newest since
  CHECK(source.fetch({wanted}, now + 10min).crls.size() == 1);
  CHECK(world.service.count("/list.crl") == 1);
  world.root.revoke(ana, now - 30min);
  world.service.put("/list.crl", test::text_of(world.root.crl(0s)));
  wanted.asked_after = now + 5min;
  const auto data = source.fetch({world.wanted(ana), wanted}, now + 10min);
  REQUIRE(data.crls.size() == 1);
  CHECK(data.crls.front().this_update() == now);
  CHECK(world.service.count("/list.crl") == 2);
}

TEST_CASE("everybody of many signatures is asked about, and each once") {
  World world;
  std::vector<pki::ListWanted> wanted;
  for (int i = 0; i < 40; ++i) {
    const std::string path = "/ocsp/" + std::to_string(i);
    const pki::Certificate one = world.issued(world.service.url + path, "");
    const OcspSaid good{.certificate = one, .issuer = world.root.root().certificate, .at = now - 1min, .next_update = now + 1h};
    world.service.put(path, std::string(base::as_text(ocsp_response(world.root.root(), {good}).der())));
    wanted.insert(wanted.end(), 3, world.wanted(one));
  }
  const auto data = RevocationSource(private_too()).fetch(wanted, now);
  CHECK(data.ocsp.size() == 40);
  CHECK(data.failures.empty());
  for (int i = 0; i < 40; ++i) CHECK(world.service.count("/ocsp/" + std::to_string(i)) == 1);
}

TEST_CASE("an older list does not replace the one that is kept, and what is kept is not believed by itself") {
  World world;
  test::Folder folder;
  const auto cache = trust::Cache::open(folder.path / "cache").value();
  Fetching fetching = private_too();
  fetching.fresh_for = 0s;
  const RevocationSource source(fetching, cache);
  const pki::Certificate ana = world.issued("", world.list_url());
  const std::string before = test::text_of(world.root.crl(2h));
  world.root.revoke(ana, now - 90min);
  world.service.put("/list.crl", test::text_of(world.root.crl(1h)));
  CHECK(judged(world, ana, source).status == PathStatus::revoked);
  world.service.put("/list.crl", before);
  CHECK(judged(world, ana, source).status == PathStatus::revoked);
  // A stranger's list, put into the cache under its name.
  for (const auto& entry : std::filesystem::directory_iterator(folder.path / "cache")) {
    std::ifstream in(entry.path());
    std::string head;
    std::getline(in, head);
    in.close();
    std::ofstream(entry.path(), std::ios::trunc) << head << '\n' << test::text_of(demo::Authority("Root", now).crl());
  }
  world.service.put("/list.crl", std::nullopt);
  CHECK(judged(world, ana, source).status == PathStatus::no_revocation_data);
  // Nor does it keep anybody from asking, however new it seems.
  world.service.put("/list.crl", test::text_of(world.root.crl(1h)));
  CHECK(judged(world, ana, RevocationSource(private_too(), cache)).status == PathStatus::revoked);
}

TEST_CASE("an answer over the limit is refused, and one call takes no longer than its time") {
  World world;
  world.service.delay = 3s;
  const pki::Certificate ana = world.issued(world.service.url + "/ocsp", world.list_url());
  Fetching fetching = private_too();
  fetching.timeout = 300ms;
  const auto begin = std::chrono::steady_clock::now();
  const auto data = RevocationSource(fetching).fetch({world.wanted(ana), world.wanted(ana), world.wanted(ana)}, now);
  CHECK(std::chrono::steady_clock::now() - begin < 2s);
  CHECK(data.failures.size() == 2);  // its responder and its list, each once
  CHECK(data.ocsp.empty());

  World other;
  const pki::Certificate ion = other.issued("", other.list_url());
  const std::string list = test::text_of(other.root.crl());
  other.service.put("/list.crl", list);
  fetching = private_too();
  fetching.most_list_bytes = list.size();
  CHECK(RevocationSource(fetching).fetch({other.wanted(ion)}, now).crls.size() == 1);
  fetching.most_list_bytes = list.size() - 1;
  CHECK(RevocationSource(fetching).fetch({other.wanted(ion)}, now).crls.empty());
}
