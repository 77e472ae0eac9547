#include <future>

#include "../service/list_service.hpp"
#include "portal/judges.hpp"
#include "signing_bench.hpp"

using namespace signet;
using namespace signet::portal;
using namespace signet::portal::test;

namespace {

// People of one authority whose lists only its service has.
struct Country {
  signet::test::ListService service;
  Bench bench;

  Country() {
    bench.authority.publish_crl_at(service.url + "/list.crl");
    bench.signer = bench.authority.issue({.common_name = "Ana Test", .serial_number = ana, .key_type = pki::KeyType::ec_p256});
    bench.tsa =
        demo::TimeStampResponder(bench.authority.issue({.common_name = "TSA", .usage = demo::Subject::Usage::time_stamping}), {});
    service.files["/list.crl"] = signet::test::text_of(bench.authority.crl());
  }
};

struct Bank {
  signet::test::RunningContext context;
  service::RevocationLists lists;
  Judges judges{context.io().get_executor(), lists};

  explicit Bank(service::RevocationLists::Options options)
      : lists(context.io().get_executor(), options, [](auto, const auto&) {}) {
    context.start();
  }
  ~Bank() { context.join(); }
  static service::RevocationLists::Options with_private(std::chrono::milliseconds timeout) {
    service::RevocationLists::Options options;
    options.private_addresses = true;
    options.timeout = timeout;
    return options;
  }
  auto verify(const std::string& signature) {
    VerificationContent content;
    const auto bytes = base::as_bytes(signature);
    const auto digest = digest_of("a");
    content.content = base::Bytes(digest.bytes().begin(), digest.bytes().end());
    content.signature = base::Bytes(bytes.begin(), bytes.end());
    return boost::asio::co_spawn(context.io(), judges.verify(std::move(content), Language::en), boost::asio::use_future);
  }
};

}  // namespace

TEST_CASE("where only lists are missing they are fetched, and the verdict is another one") {
  Country country;
  Bank bank(Bank::with_private(10s));
  bank.judges.trust({.anchors = {country.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  const std::string signature = country.bench.sign();
  CHECK(bank.verify(signature).get().signatures_valid);
  const auto accepted =
      bank.context.await(bank.judges.accept({{signature, country.bench.wanted(ana)}, {signature, country.bench.wanted(ana)}}));
  CHECK(accepted.at(0));
  CHECK(accepted.at(1));
  CHECK(country.service.count("/list.crl") == 1);
}

TEST_CASE("a certificate that its service's list revokes is refused") {
  Country country;
  country.bench.authority.revoke(country.bench.signer.certificate, now - 1h);
  country.service.files["/list.crl"] = signet::test::text_of(country.bench.authority.crl());
  Bank bank(Bank::with_private(10s));
  bank.judges.trust({.anchors = {country.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  const auto accepted = bank.context.await(bank.judges.accept({{country.bench.sign(), country.bench.wanted(ana)}}));
  REQUIRE_FALSE(accepted.at(0));
  CHECK(accepted.at(0).error() == Refusal::certificate_refused);
}

TEST_CASE("who needs no list, or a quick service's, does not wait for a slow one") {
  Country slow, quick;
  slow.service.delay = 20s;
  Bank bank(Bank::with_private(4s));
  bank.judges.trust({.anchors = {slow.bench.authority.root().certificate, quick.bench.authority.root().certificate},
                     .intermediates = {},
                     .crls = {}});
  auto waiting = bank.verify(slow.bench.sign());
  for (int i = 0; i < 5; ++i) CHECK(bank.verify(quick.bench.sign()).get().signatures_valid);
  CHECK(bank.context.await(bank.judges.accept({{quick.bench.sign(), quick.bench.wanted(ana)}})).at(0));
  CHECK(waiting.wait_for(0s) == std::future_status::timeout);
  const auto late = waiting.get();
  CHECK_FALSE(late.signatures_valid);
  CHECK(late.message.find("cannot be told now") != std::string::npos);
}

TEST_CASE("a signature of nobody whose issuer is trusted makes nobody call its service") {
  Country stranger;
  Bank bank(Bank::with_private(10s));
  CHECK_FALSE(bank.verify(stranger.bench.sign()).get().signatures_valid);
  CHECK(stranger.service.count("/list.crl") == 0);
}
