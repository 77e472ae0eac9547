#include <future>

#include "../service/list_service.hpp"
#include "../trust/openssl_responder.hpp"
#include "portal/judges.hpp"
#include "signing_bench.hpp"
#include "xades/stamp.hpp"

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
  service::RevocationServices services;
  Judges judges;

  explicit Bank(service::RevocationServices::Options options, Judges::Limits limits = {})
      : services(context.io().get_executor(), options, [](auto, const auto&) {}), judges(services, limits) {
    context.start();
  }
  ~Bank() { context.join(); }
  static service::RevocationServices::Options with_private(std::chrono::milliseconds timeout) {
    service::RevocationServices::Options options;
    options.private_addresses = true;
    options.timeout = timeout;
    return options;
  }
  using Verified = std::optional<std::vector<VerificationResult>>;
  std::future<Verified> verifying(const std::string& signature, Judges::Asker asker, std::size_t times = 1) {
    std::vector<VerificationContent> contents;
    for (std::size_t i = 0; i < times; ++i) {
      const auto digest = digest_of("a");
      const auto bytes = base::as_bytes(signature);
      contents.push_back({.content = base::Bytes(digest.bytes().begin(), digest.bytes().end()),
                          .correlation_id = std::to_string(i),
                          .signature = base::Bytes(bytes.begin(), bytes.end())});
    }
    return boost::asio::co_spawn(context.io(), judges.verify(std::move(contents), Language::en, asker), boost::asio::use_future);
  }
  VerificationResult verify(const std::string& signature) {
    auto results = verifying(signature, Judges::Asker::consumer).get();
    REQUIRE(results);
    return std::move(results->at(0));
  }
};

}  // namespace

TEST_CASE("where only lists are missing they are fetched, and the verdict is another one") {
  Country country;
  Bank bank(Bank::with_private(10s));
  bank.judges.trust({.anchors = {country.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  const std::string signature = country.bench.sign();
  CHECK(bank.verify(signature).signatures_valid);
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

TEST_CASE("a signature that brings a list from before its signer was revoked makes nobody believe it") {
  Country country;
  const std::string plain = country.bench.sign(country.bench.signer, {.time_stamp = false});
  const std::string carries = xades::with_validation_data(plain, {{}, {country.bench.authority.crl(72h)}}, {}, {}).value();
  Bank bank(Bank::with_private(10s));
  bank.judges.trust({.anchors = {country.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  CHECK(bank.verify(carries).signatures_valid);
  CHECK(country.service.count("/list.crl") == 1);  // newer than what it brings

  country.bench.authority.revoke(country.bench.signer.certificate, now - 1h);
  country.service.put("/list.crl", signet::test::text_of(country.bench.authority.crl(0s)));
  Bank later(Bank::with_private(10s));
  later.judges.trust({.anchors = {country.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  const auto result = later.verify(carries);
  CHECK_FALSE(result.signatures_valid);
  CHECK(result.message.find("revoked") != std::string::npos);
  // Who cannot be asked changes nothing.
  country.service.put("/list.crl", std::nullopt);
  Bank alone(Bank::with_private(10s));
  alone.judges.trust({.anchors = {country.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  CHECK(alone.verify(carries).signatures_valid);
}

TEST_CASE("who needs no list, or a quick service's, does not wait for a slow one") {
  Country slow, quick;
  slow.service.delay = 20s;
  Bank bank(Bank::with_private(4s));
  bank.judges.trust({.anchors = {slow.bench.authority.root().certificate, quick.bench.authority.root().certificate},
                     .intermediates = {},
                     .crls = {}});
  auto waiting = bank.verifying(slow.bench.sign(), Judges::Asker::consumer);
  for (int i = 0; i < 5; ++i) CHECK(bank.verify(quick.bench.sign()).signatures_valid);
  CHECK(bank.context.await(bank.judges.accept({{quick.bench.sign(), quick.bench.wanted(ana)}})).at(0));
  CHECK(waiting.wait_for(0s) == std::future_status::timeout);
  const auto late = waiting.get().value().at(0);
  CHECK_FALSE(late.signatures_valid);
  CHECK(late.message.find("cannot be told now") != std::string::npos);
}

TEST_CASE("a signature of nobody whose issuer is trusted makes nobody call its service") {
  Country stranger;
  Bank bank(Bank::with_private(10s));
  CHECK_FALSE(bank.verify(stranger.bench.sign()).signatures_valid);
  CHECK(stranger.service.count("/list.crl") == 0);
}

TEST_CASE("a wrong list that its service gave is not believed, and the right one is once it is there") {
  Country country, stranger;
  country.service.files["/list.crl"] = signet::test::text_of(stranger.bench.authority.crl());
  auto options = Bank::with_private(10s);
  options.left_alone = 0s;
  Bank bank(options);
  bank.judges.trust({.anchors = {country.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  const std::string signature = country.bench.sign();
  CHECK_FALSE(bank.verify(signature).signatures_valid);
  country.service.put("/list.crl", signet::test::text_of(country.bench.authority.crl()));
  CHECK(bank.verify(signature).signatures_valid);
}

TEST_CASE("contents of one caller are judged in their order") {
  Country country;
  Bank bank(Bank::with_private(10s));
  bank.judges.trust(country.bench.trust());
  const auto results = bank.verifying(country.bench.sign(), Judges::Asker::consumer, 3).get();
  REQUIRE(results);
  REQUIRE(results->size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(results->at(i).correlation_id == std::to_string(i));
    CHECK(results->at(i).signatures_valid);
  }
}

TEST_CASE("so many may wait for a verdict, consumers and strangers apart; more are told at once") {
  Country slow;
  slow.service.delay = 20s;
  Bank bank(Bank::with_private(4s), {.consumers = 1, .strangers = 2});
  bank.judges.trust({.anchors = {slow.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  const std::string signature = slow.bench.sign();
  auto first = bank.verifying(signature, Judges::Asker::stranger), second = bank.verifying(signature, Judges::Asker::stranger);
  CHECK_FALSE(bank.verifying(signature, Judges::Asker::stranger).get());
  auto consumer = bank.verifying(signature, Judges::Asker::consumer);
  CHECK_FALSE(bank.verifying(signature, Judges::Asker::consumer).get());
  for (auto* const waiting : {&first, &second, &consumer}) CHECK(waiting->wait_for(0s) == std::future_status::timeout);
  for (auto* const waiting : {&first, &second, &consumer}) CHECK(waiting->get());
  CHECK(bank.verifying(signature, Judges::Asker::stranger).get());  // there is room again
}

TEST_CASE("a consumer does not wait for what strangers want verified") {
  Country country;
  Bank bank(Bank::with_private(10s));
  bank.judges.trust(country.bench.trust());
  const std::string signature = country.bench.sign(), long_one = "<a>" + std::string(1'000'000, ' ') + signature;
  std::vector<std::future<Bank::Verified>> strangers;
  for (int i = 0; i < 30; ++i) strangers.push_back(bank.verifying(long_one, Judges::Asker::stranger));
  CHECK(bank.verify(signature).signatures_valid);
  CHECK(strangers.back().wait_for(0s) == std::future_status::timeout);
  for (auto& one : strangers) CHECK(one.get());
}

TEST_CASE("what has not begun when all stops is not worked off") {
  Country country;
  Bank bank(Bank::with_private(10s));
  bank.judges.trust(country.bench.trust());
  const std::string long_one = "<a>" + std::string(1'000'000, ' ') + country.bench.sign();
  std::vector<std::future<Bank::Verified>> all;
  for (int i = 0; i < 30; ++i) all.push_back(bank.verifying(long_one, Judges::Asker::stranger));
  all.front().wait();
  const auto begun = std::chrono::steady_clock::now();
  bank.verifying(long_one, Judges::Asker::consumer).get();
  const auto one_takes = std::chrono::steady_clock::now() - begun;
  bank.context.join();
  const auto stopped = std::chrono::steady_clock::now();
  bank.judges.join();
  CHECK(std::chrono::steady_clock::now() - stopped < 6 * one_takes);
}

TEST_CASE("a responder of others is asked about the signer, and what it says counts") {
  Country country;
  const bool delegated = GENERATE(true, false);
  signet::test::OpensslResponder responder(
      country.bench.authority.root().certificate,
      delegated ? country.bench.authority.issue({.common_name = "OCSP", .usage = demo::Subject::Usage::ocsp_signing})
                : country.bench.authority.root());
  country.bench.authority.publish_crl_at("");
  country.bench.authority.answer_ocsp_at(responder.url());
  const auto issued = [&](const char* name) {
    return country.bench.authority.issue({.common_name = name, .serial_number = ana, .key_type = pki::KeyType::ec_p256});
  };
  const demo::Identity good = issued("Good"), revoked = issued("Revoked"), unknown = issued("Unknown");
  const demo::Identity tsa = country.bench.authority.issue({.common_name = "TSA", .usage = demo::Subject::Usage::time_stamping});
  country.bench.tsa = demo::TimeStampResponder(tsa, {});
  responder.list({{good.certificate}, {tsa.certificate}, {revoked.certificate, now - 1h}});
  Bank bank(Bank::with_private(10s));
  bank.judges.trust({.anchors = {country.bench.authority.root().certificate}, .intermediates = {}, .crls = {}});
  const auto sign = [&](const demo::Identity& signer) { return country.bench.sign(signer, {.time_stamp = true}); };
  CHECK(bank.verify(sign(good)).signatures_valid);
  CHECK(bank.context.await(bank.judges.accept({{sign(good), country.bench.wanted(ana)}})).at(0));
  CHECK(bank.verify(sign(revoked)).message.find("revoked") != std::string::npos);
  const auto refused = bank.context.await(bank.judges.accept({{sign(revoked), country.bench.wanted(ana)}}));
  REQUIRE_FALSE(refused.at(0));
  CHECK(refused.at(0).error() == Refusal::certificate_refused);
  CHECK(bank.verify(sign(unknown)).message.find("cannot be told now") != std::string::npos);
}
