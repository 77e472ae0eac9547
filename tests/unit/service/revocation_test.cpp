#include "service/revocation.hpp"

#include <catch2/catch.hpp>
#include <future>

#include "demo/pki.hpp"
#include "list_service.hpp"

using namespace signet;
using namespace std::chrono_literals;
using service::RevocationLists;

namespace {

const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

struct Authority {
  demo::Authority authority;
  pki::Certificate certificate;

  Authority(const std::string& name, const std::string& url) : authority(name, now), certificate(issued(authority, url)) {}
  static pki::Certificate issued(demo::Authority& authority, const std::string& url) {
    authority.publish_crl_at(url);
    return authority.issue({.common_name = "Somebody", .key_type = pki::KeyType::ec_p256}).certificate;
  }
};

// The lists, on a thread of their own, and what they told.
struct Lists {
  test::RunningContext context;
  std::vector<std::string> told;
  std::optional<RevocationLists> lists;

  explicit Lists(RevocationLists::Options options = with_private()) {
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
  static RevocationLists::Options with_private() {
    RevocationLists::Options options;
    options.private_addresses = true;
    return options;
  }
  bool fetch(std::vector<pki::Certificate> certificates) { return context.await(lists->fetch(std::move(certificates), now)); }
  std::size_t known() {
    return context.on_thread([this] { return lists->known()->size(); });
  }
};

}  // namespace

TEST_CASE("a list is fetched once, and is there for the next who needs it") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl");
  service.files["/a.crl"] = test::text_of(authority.authority.crl());
  Lists lists;
  CHECK(lists.fetch({authority.certificate}));
  CHECK(lists.known() == 1);
  CHECK(lists.fetch({authority.certificate}));
  CHECK(service.count("/a.crl") == 1);
  pki::TrustMaterial trust{.anchors = {authority.authority.root().certificate}, .intermediates = {}, .crls = {}};
  CHECK(pki::validate_path(authority.certificate, trust, now, pki::Purpose::signer).status ==
        pki::PathStatus::no_revocation_data);
  trust.crls = *lists.context.on_thread([&] { return lists.lists->known(); });
  CHECK(pki::validate_path(authority.certificate, trust, now, pki::Purpose::signer).status == pki::PathStatus::valid);
}

TEST_CASE("several who need one list at once cause one request") {
  test::ListService service;
  service.delay = 300ms;
  Authority authority("A CA", service.url + "/a.crl");
  service.files["/a.crl"] = test::text_of(authority.authority.crl());
  Lists lists;
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(
        boost::asio::co_spawn(lists.context.io(), lists.lists->fetch({authority.certificate}, now), boost::asio::use_future));
  for (auto& one : all) CHECK(one.get());
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
  auto waiting =
      boost::asio::co_spawn(lists.context.io(), lists.lists->fetch({patient.certificate}, now), boost::asio::use_future);
  CHECK(lists.fetch({other.certificate}));
  CHECK(waiting.wait_for(0s) == std::future_status::timeout);  // it still waits, alone
  CHECK_FALSE(waiting.get());
  CHECK_FALSE(lists.fetch({patient.certificate}));
  CHECK(slow.count("/a.crl") == 1);
  CHECK(lists.known() == 1);
  CHECK(lists.told.back().starts_with("revocation_list_failed host=127.0.0.1:"));
}

TEST_CASE("what is no list in force is not kept") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl");
  const auto refused = [&](const std::string& body) {
    service.files["/a.crl"] = body;
    Lists lists;
    return !lists.fetch({authority.certificate}) && lists.known() == 0;
  };
  CHECK(refused(""));
  CHECK(refused("no list"));
  CHECK(refused(test::text_of(authority.authority.crl(48h, -24h))));
  CHECK(refused(demo::pem(authority.certificate)));
  service.files.clear();
  Lists nothing_there;
  CHECK_FALSE(nothing_there.fetch({authority.certificate}));
  auto options = Lists::with_private();
  options.most_bytes = 100;
  Lists small(options);
  service.files["/a.crl"] = test::text_of(authority.authority.crl());
  CHECK_FALSE(small.fetch({authority.certificate}));
}

TEST_CASE("a certificate does not make the service call this machine or its network") {
  test::ListService service;
  Authority authority("A CA", service.url + "/a.crl");
  service.files["/a.crl"] = test::text_of(authority.authority.crl());
  Lists lists{RevocationLists::Options{}};
  CHECK_FALSE(lists.fetch({authority.certificate}));
  CHECK(service.count("/a.crl") == 0);
  auto off = Lists::with_private();
  off.fetch = false;
  Lists none(off);
  CHECK_FALSE(none.fetch({authority.certificate}));
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
  CHECK(lists.fetch({first.certificate}));
  CHECK(lists.fetch({second.certificate}));
  REQUIRE(lists.known() == 1);
  const auto left = lists.context.on_thread([&] { return lists.lists->known(); });
  CHECK(test::text_of(left->front()) == service.files["/b.crl"]);
}
