#include "demo/tsa.hpp"

#include <openssl/cms.h>
#include <openssl/ts.h>

#include <catch2/catch.hpp>
#include <thread>

#include "base/owned.hpp"
#include "pki/time_stamp.hpp"

using namespace signet;
using namespace signet::demo;
using namespace std::chrono_literals;

namespace {

const base::Time now = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h;

TimeStampResponder responder() {
  Authority root("Root", now);
  return {root.issue({.common_name = "TSA",
                      .serial_number = {},
                      .key_type = pki::KeyType::ec_p256,
                      .usage = Subject::Usage::time_stamping,
                      .key = {}}),
          {}};
}

pki::TimeStampRequest request(base::DigestAlgorithm algorithm = base::DigestAlgorithm::sha256) {
  return pki::make_time_stamp_request(base::digest(algorithm, base::as_bytes("x")));
}

long status_of(const base::Bytes& answer) {
  const unsigned char* in = answer.data();
  const base::Owned<TS_RESP, TS_RESP_free> response{d2i_TS_RESP(nullptr, &in, static_cast<long>(answer.size()))};
  REQUIRE(response);
  return ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(response.get())));
}

}  // namespace

TEST_CASE("the responder's token has the time it is told, and each its own serial number") {
  const auto tsa = responder();
  const auto asked = request();
  const base::Bytes first = tsa.answer(asked.der, TsaFault::none, now);
  CHECK(status_of(first) == TS_STATUS_GRANTED);
  CHECK(pki::read_time_stamp_response(first, asked).value().time == now);
  CHECK(first != tsa.answer(asked.der, TsaFault::none, now));
}

TEST_CASE("an answer is in DER, whatever key signs it and whatever was asked for") {
  Authority root("Root whose certificate is not the shorter one", now);
  const auto type = GENERATE(pki::KeyType::rsa, pki::KeyType::ec_p256, pki::KeyType::ec_p384);
  const TimeStampResponder tsa(
      root.issue(
          {.common_name = "TSA", .serial_number = {}, .key_type = type, .usage = Subject::Usage::time_stamping, .key = {}}),
      {root.root().certificate});
  for (const base::Time when : {now, now + 24h * 365 * 30}) {  // 2056 is a GeneralizedTime
    const auto asked = request();
    const base::Bytes answer = tsa.answer(asked.der, TsaFault::none, when);
    CHECK(pki::read_time_stamp_response(answer, asked).value().time == when);
    const auto token = pki::read_time_stamp_response(answer, asked).value().der;
    const unsigned char* in = token.data();
    const base::Owned<CMS_ContentInfo, CMS_ContentInfo_free> read{
        d2i_CMS_ContentInfo(nullptr, &in, static_cast<long>(token.size()))};
    REQUIRE(read);
    base::Bytes again(static_cast<std::size_t>(i2d_CMS_ContentInfo(read.get(), nullptr)));
    unsigned char* out = again.data();
    i2d_CMS_ContentInfo(read.get(), &out);
    CHECK(again == token);
  }
}

TEST_CASE("requests that are no good are rejected") {
  const auto tsa = responder();
  const base::Bytes good = request().der;
  base::Bytes longer = good, wrong_version = good;
  longer.push_back(0);
  wrong_version[4] = 2;
  const base::Bytes bad = GENERATE_COPY(base::Bytes{}, base::Bytes{'x', 'y'}, longer, wrong_version,
                                        base::Bytes(good.begin(), good.end() - 5), request(base::DigestAlgorithm::sha1).der);
  CHECK(status_of(tsa.answer(bad, TsaFault::none, now)) == TS_STATUS_REJECTION);
}

TEST_CASE("the faults of a server are not the responder's") {
  const auto tsa = responder();
  const auto fault = GENERATE(TsaFault::http_500, TsaFault::http_429, TsaFault::silent, TsaFault::wrong_usage);
  CHECK_THROWS_AS(tsa.answer(request().der, fault, now), std::logic_error);
}

TEST_CASE("every other fault gives an answer that is refused") {
  const auto tsa = responder();
  const auto asked = request();
  const auto fault =
      GENERATE(TsaFault::wrong_imprint, TsaFault::wrong_nonce, TsaFault::bad_signature, TsaFault::rejected, TsaFault::garbage);
  CHECK_FALSE(pki::read_time_stamp_response(tsa.answer(asked.der, fault, now), asked));
}

TEST_CASE("several threads are answered at once") {
  const auto tsa = responder();
  std::atomic<int> good = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 25; ++j) {
        const auto asked = request();
        good += pki::read_time_stamp_response(tsa.answer(asked.der, TsaFault::none, now), asked).has_value() ? 1 : 0;
      }
    });
  }
  threads.clear();
  CHECK(good == 100);
}
