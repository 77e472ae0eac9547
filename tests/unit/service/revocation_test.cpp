#include "service/revocation.hpp"

#include <catch2/catch.hpp>
#include <ctime>
#include <future>

#include "demo/ocsp.hpp"
#include "demo/pki.hpp"
#include "list_service.hpp"

using namespace signet;
using namespace std::chrono_literals;
using service::RevocationServices;

namespace {

using Fetched = std::future<RevocationServices::Came>;

const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

struct Authority {
  demo::Authority authority;
  pki::Certificate certificate;

  Authority(const std::string& name, const std::string& url) : authority(name, now), certificate(issued(authority, url)) {}
  pki::ListWanted wanted() const { return {certificate, {authority.root().certificate}}; }
  static pki::Certificate issued(demo::Authority& authority, const std::string& url) {
    authority.publish_crl_at(url);
    return authority.issue({.common_name = "Somebody", .key_type = pki::KeyType::ec_p256}).certificate;
  }
};

// The lists, on a thread of their own, and what they told.
struct Lists {
  test::RunningContext context;
  std::vector<std::string> told;
  std::optional<RevocationServices> lists;

  explicit Lists(RevocationServices::Options options = with_private()) {
    lists.emplace(context.io().get_executor(), options, [this](std::string_view event, const service::EventFields& fields) {
      std::string line(event);
      for (const auto& [key, value] : fields) line += " " + std::string(key) + "=" + value;
      told.push_back(line);
    });
    context.start();
  }
  ~Lists() {
    context.join();
    lists.reset();
  }
  static RevocationServices::Options with_private() {
    RevocationServices::Options options;
    options.private_addresses = true;
    return options;
  }
  bool fetch(const Authority& authority, base::Time at = now) {
    return context.await(lists->fetch({authority.wanted()}, at)).list;
  }
  Fetched fetching(const Authority& authority) {
    return boost::asio::co_spawn(context.io(), lists->fetch({authority.wanted()}, now), boost::asio::use_future);
  }
  std::vector<pki::Crl> known(base::Time at = now) {
    return context.on_thread([&] { return *lists->known(at); });
  }
  std::chrono::nanoseconds processor_time() {
    return context.on_thread([] {
      timespec used{};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
      return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
    });
  }
};

}  // namespace

TEST_CASE("a list is fetched once, and is there for the next who needs it") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl");
  service.files["/a.crl"] = test::text_of(authority.authority.crl());
  Lists lists;
  CHECK(lists.fetch(authority));
  CHECK(lists.known().size() == 1);
  CHECK(lists.fetch(authority));
  CHECK(service.count("/a.crl") == 1);
  pki::TrustMaterial trust{.anchors = {authority.authority.root().certificate}, .intermediates = {}, .crls = {}};
  CHECK(pki::validate_path(authority.certificate, trust, now, pki::Purpose::signer).status ==
        pki::PathStatus::no_revocation_data);
  trust.crls = lists.known();
  CHECK(pki::validate_path(authority.certificate, trust, now, pki::Purpose::signer).status == pki::PathStatus::valid);
}

TEST_CASE("several who need one list at once cause one request") {
  test::ListService service;
  service.delay = 300ms;
  Authority authority("A CA", service.url + "/a.crl");
  service.files["/a.crl"] = test::text_of(authority.authority.crl());
  Lists lists;
  std::vector<Fetched> all;
  for (int i = 0; i < 20; ++i) all.push_back(lists.fetching(authority));
  for (auto& one : all) CHECK(one.get().list);
  CHECK(service.count("/a.crl") == 1);
}

TEST_CASE("a service that is slow keeps nobody else waiting, and is left alone for a while") {
  test::ListService slow, quick;
  slow.delay = 20s;
  Authority patient("Slow CA", slow.url + "/a.crl"), other("Quick CA", quick.url + "/a.crl");
  quick.files["/a.crl"] = test::text_of(other.authority.crl());
  auto options = Lists::with_private();
  options.timeout = 3s;
  Lists lists(options);
  auto waiting = lists.fetching(patient);
  CHECK(lists.fetch(other));
  CHECK(waiting.wait_for(0s) == std::future_status::timeout);  // it still waits, alone
  CHECK_FALSE(waiting.get().list);
  CHECK_FALSE(lists.fetch(patient));
  CHECK(slow.count("/a.crl") == 1);
  CHECK(lists.known().size() == 1);
  CHECK(lists.told.back().starts_with("revocation_list_failed host=127.0.0.1:"));
}

TEST_CASE("what is no list in force is not kept") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl");
  const auto refused = [&](const std::string& body) {
    service.files["/a.crl"] = body;
    Lists lists;
    return !lists.fetch(authority) && lists.known().size() == 0;
  };
  CHECK(refused(""));
  CHECK(refused("no list"));
  CHECK(refused(test::text_of(authority.authority.crl(48h, -24h))));
  CHECK(refused(demo::pem(authority.certificate)));
  service.files.clear();
  Lists nothing_there;
  CHECK_FALSE(nothing_there.fetch(authority));
  auto options = Lists::with_private();
  options.most_bytes = 100;
  Lists small(options);
  service.files["/a.crl"] = test::text_of(authority.authority.crl());
  CHECK_FALSE(small.fetch(authority));
}

TEST_CASE("a certificate does not make the service call this machine or its network") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl");
  service.files["/a.crl"] = test::text_of(authority.authority.crl());
  Lists lists{RevocationServices::Options{}};
  CHECK_FALSE(lists.fetch(authority));
  CHECK(service.count("/a.crl") == 0);
  auto off = Lists::with_private();
  off.fetch = false;
  Lists none(off);
  CHECK_FALSE(none.fetch(authority));
  CHECK(service.count("/a.crl") == 0);
}

TEST_CASE("what is kept has a limit: the list that ends first goes") {
  test::ListService service;
  Authority first("A CA", service.url + "/a.crl"), second("B CA", service.url + "/b.crl");
  service.files["/a.crl"] = test::text_of(first.authority.crl(1h, 1h));
  service.files["/b.crl"] = test::text_of(second.authority.crl(1h, 2h));
  auto options = Lists::with_private();
  options.most_bytes_kept = service.files["/a.crl"].size() + 10;
  Lists lists(options);
  CHECK(lists.fetch(first));
  CHECK(lists.fetch(second));
  REQUIRE(lists.known().size() == 1);
  CHECK(test::text_of(lists.known().front()) == service.files["/b.crl"]);
}

TEST_CASE("a list that another authority signed is not kept, and hides the right one for no longer than a failure does") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl"), other("B CA", service.url + "/b.crl"),
      namesake("A CA", service.url + "/a.crl");
  auto options = Lists::with_private();
  options.left_alone = 0s;
  Lists lists(options);
  for (const Authority* const wrong : {&other, &namesake}) {
    demo::Authority signs = wrong->authority;
    service.put("/a.crl", test::text_of(signs.crl()));
    CHECK_FALSE(lists.fetch(authority));
    CHECK(lists.known().empty());
  }
  service.put("/a.crl", demo::pem(other.authority.crl()) + demo::pem(authority.authority.crl()));
  CHECK(lists.fetch(authority));
  REQUIRE(lists.known().size() == 1);
  CHECK(pki::is_wanted(lists.known().front(), authority.wanted()));
}

TEST_CASE("two authorities of one name at one address have each the list that it signed") {
  test::ListService service;
  Authority first("A CA", service.url + "/a.crl"), second("A CA", service.url + "/a.crl");
  service.files["/a.crl"] = demo::pem(first.authority.crl()) + demo::pem(second.authority.crl());
  Lists lists;
  CHECK(lists.fetch(first));
  CHECK(lists.fetch(second));
  REQUIRE(lists.known().size() == 2);
}

TEST_CASE("a list is asked for anew after an hour; the old one is used on where that fails, and no older one is taken") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl");
  const std::string before = test::text_of(authority.authority.crl(2h)), old = test::text_of(authority.authority.crl(1h));
  service.put("/a.crl", old);
  auto options = Lists::with_private();
  options.left_alone = 0s;
  Lists lists(options);
  REQUIRE(lists.fetch(authority));
  CHECK(lists.known(now + 59min).size() == 1);
  CHECK(lists.fetch(authority, now + 59min));
  CHECK(service.count("/a.crl") == 1);

  service.put("/a.crl", {});
  const base::Time later = now + 61min;
  CHECK(lists.known(later).empty());
  CHECK(lists.fetch(authority, later));
  CHECK(service.count("/a.crl") == 2);
  CHECK(lists.known(later + 1min).size() == 1);
  CHECK(lists.fetch(authority, later + 1min));
  CHECK(service.count("/a.crl") == 2);

  service.put("/a.crl", before);
  CHECK(lists.fetch(authority, later + 1h));
  CHECK(service.count("/a.crl") == 3);
  CHECK(test::text_of(lists.known(later + 1h).at(0)) == old);

  authority.authority.revoke(authority.certificate, now);
  const std::string newer = test::text_of(authority.authority.crl(0s));
  service.put("/a.crl", newer);
  CHECK(lists.fetch(authority, later + 2h));
  CHECK(test::text_of(lists.known(later + 2h).at(0)) == newer);

  const base::Time ended = now + std::chrono::days{31};
  service.put("/a.crl", {});
  CHECK(lists.known(ended).empty());
  CHECK_FALSE(lists.fetch(authority, ended));
  CHECK(lists.known(ended).empty());
}

TEST_CASE("who waits for a turn waits without work, and gets it when another has ended") {
  test::ListService service;
  service.delay = 700ms;
  std::vector<Authority> authorities;
  for (int i = 0; i < 6; ++i) {
    const std::string path = "/" + std::to_string(i) + ".crl";
    authorities.emplace_back("CA " + std::to_string(i), service.url + path);
    service.files[path] = test::text_of(authorities.back().authority.crl());
  }
  Lists lists;
  const auto before = lists.processor_time();
  std::vector<Fetched> all;
  for (const Authority& one : authorities) all.push_back(lists.fetching(one));
  for (auto& one : all) CHECK(one.get().list);
  CHECK(lists.processor_time() - before < 100ms);  // of two seconds
  CHECK(lists.known().size() == 6);
}

TEST_CASE("nobody waits longer than the time-out: not for a turn and an answer, and not for several addresses") {
  test::ListService service;
  service.delay = 20s;
  auto options = Lists::with_private();
  options.timeout = 2s;
  Lists lists(options);
  std::vector<Authority> authorities;
  for (int i = 0; i < 5; ++i) {
    const std::string path = "/" + std::to_string(i) + ".crl";
    authorities.emplace_back("CA " + std::to_string(i), service.url + path + ",URI:" + service.url + "/also" + path);
  }
  REQUIRE(authorities.front().certificate.crl_urls().size() == 2);
  const auto begun = std::chrono::steady_clock::now();
  std::vector<Fetched> all;
  for (const Authority& one : authorities) all.push_back(lists.fetching(one));
  for (auto& one : all) CHECK_FALSE(one.get().list);
  CHECK(std::chrono::steady_clock::now() - begun < 3'500ms);
}

TEST_CASE("what goes wrong while a list is loaded leaves nobody waiting") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl");
  test::RunningContext context;
  auto options = Lists::with_private();
  options.timeout = 60s;
  RevocationServices lists(context.io().get_executor(), options,
                           [](auto, const auto&) { throw std::runtime_error("no memory for the log"); });
  context.start();
  std::vector<Fetched> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(boost::asio::co_spawn(context.io(), lists.fetch({authority.wanted()}, now), boost::asio::use_future));
  for (auto& one : all) {
    REQUIRE(one.wait_for(10s) == std::future_status::ready);
    CHECK_FALSE(one.get().list);
  }
  context.join();
}

TEST_CASE("lists that are waited for when all ends are left behind") {
  test::ListService service;
  service.delay = 20s;
  std::vector<Authority> authorities;
  for (int i = 0; i < 5; ++i) authorities.emplace_back("CA", service.url + "/" + std::to_string(i) + ".crl");
  std::vector<Fetched> all;
  {
    Lists lists;
    for (const Authority& one : authorities) all.push_back(lists.fetching(one));
    while (service.count("/0.crl") + service.count("/1.crl") < 2) std::this_thread::yield();
  }
  for (auto& one : all) CHECK_THROWS_AS(one.get(), std::future_error);
}

namespace {

// Somebody whose authority answers at /ocsp and has a list at /a.crl.
struct Asked {
  test::ListService service;
  demo::Authority authority{"A CA", now};
  pki::Certificate certificate = issued();
  pki::ListWanted wanted{certificate, {authority.root().certificate}};

  pki::Certificate issued() {
    authority.answer_ocsp_at(service.url + "/ocsp");
    authority.publish_crl_at(service.url + "/a.crl");
    return authority.issue({.common_name = "Somebody", .key_type = pki::KeyType::ec_p256}).certificate;
  }
  void answers(demo::OcspSaid said) { answers(std::move(said), authority.root()); }
  void answers(demo::OcspSaid said, const demo::Identity& responder) {
    service.put("/ocsp", std::string(base::as_text(demo::ocsp_response(responder, {std::move(said)}).der())));
  }
  demo::OcspSaid good(base::Time at = now) const {
    return {.certificate = certificate, .issuer = authority.root().certificate, .at = at};
  }
};

using Ask = RevocationServices::Ask;

}  // namespace

TEST_CASE("a responder is asked first, once, and its answer is there for the next") {
  Asked asked;
  asked.service.put("/a.crl", test::text_of(asked.authority.crl()));
  asked.answers(asked.good());
  Lists lists;
  const auto fetch = [&](Ask ask) { return lists.context.await(lists.lists->fetch({asked.wanted}, now, ask)); };
  for (int i = 0; i < 2; ++i) {
    const auto came = fetch(Ask::lists_after_ocsp);
    REQUIRE(came.responses.size() == 1);
    CHECK_FALSE(came.list);
    CHECK(pki::validate_path(
              asked.certificate,
              {.anchors = {asked.authority.root().certificate}, .intermediates = {}, .crls = {}, .ocsp = came.responses}, now,
              pki::Purpose::signer)
              .status == pki::PathStatus::valid);
  }
  CHECK(asked.service.count("/ocsp") == 1);
  CHECK(asked.service.count("/a.crl") == 0);
  CHECK(lists.told == std::vector<std::string>{"ocsp_response_fetched host=" + asked.service.url.substr(7)});
  // Of many signatures each asks for its own time: the certificate is the same.
  pki::ListWanted later = asked.wanted;
  later.asked_after = now;
  CHECK(lists.context.await(lists.lists->fetch({asked.wanted, later, later}, now)).responses.size() == 1);
  const auto both = fetch(Ask::both);
  CHECK(both.responses.size() == 1);
  CHECK(both.list);
  CHECK(asked.service.count("/a.crl") == 1);
}

TEST_CASE("where a responder has no answer that counts, the list is fetched") {
  Asked asked;
  asked.service.put("/a.crl", test::text_of(asked.authority.crl()));
  const auto takes_the_list = [&] {
    Lists lists;
    const auto came = lists.context.await(lists.lists->fetch({asked.wanted}, now));
    return came.list && came.responses.empty() && lists.told.front().starts_with("ocsp_response_failed");
  };
  CHECK(takes_the_list());  // 404
  asked.service.put("/ocsp", "no response");
  CHECK(takes_the_list());
  auto said = asked.good();
  said.value = pki::OcspStatus::Value::unknown;
  asked.answers(said);
  CHECK(takes_the_list());
  asked.answers(asked.good(now - 2h));  // without nextUpdate good for an hour
  CHECK(takes_the_list());
  asked.answers(asked.good(), demo::Authority("A CA", now).root());
  CHECK(takes_the_list());
  said = asked.good();
  said.certificate = asked.issued();
  asked.answers(said);
  CHECK(takes_the_list());
}

TEST_CASE("a response is asked for anew after an hour, and used on until its end where that fails") {
  Asked asked;
  auto said = asked.good();
  said.next_update = now + 3h;
  asked.answers(said);
  auto options = Lists::with_private();
  options.left_alone = 0s;
  Lists lists(options);
  const auto came = [&](base::Time at) { return !lists.context.await(lists.lists->fetch({asked.wanted}, at)).responses.empty(); };
  CHECK(came(now));
  CHECK(came(now + 59min));
  CHECK(asked.service.count("/ocsp") == 1);
  asked.service.put("/ocsp", {});
  CHECK(came(now + 2h));
  CHECK(asked.service.count("/ocsp") == 2);
  CHECK_FALSE(came(now + 4h));
}
