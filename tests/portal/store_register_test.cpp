#include <catch2/catch.hpp>

#include "test_database.hpp"

using namespace signet;
using namespace signet::portal;
using base::ErrorCode;
using test::at;

namespace {

Consumer shop(const std::string& id = "shop") {
  Consumer consumer;
  consumer.id = id;
  consumer.name = "The shop's \u0219 name '); DROP TABLE consumers; --";
  consumer.environment = Environment::production;
  consumer.active = true;
  consumer.certificates = {{"1a" + base::hex(base::as_bytes(id)), std::string(64, 'b'), at(5000)},
                           {"2c" + base::hex(base::as_bytes(id)), std::string(64, 'd'), {}}};
  consumer.addresses = {*address_range("192.0.2.0/24"), *address_range("2001:db8::1")};
  consumer.return_urls = {"https://shop.example/back", "https://shop.example:8443/"};
  return consumer;
}

}  // namespace

TEST_CASE("a consumer is registered, replaced and removed") {
  test::OpenStore at_work;
  CHECK(at_work.answer(at_work.store->consumers()).empty());
  at_work.answer(at_work.store->put_consumer(shop("shop")));
  at_work.answer(at_work.store->put_consumer(shop("bank")));
  auto all = at_work.answer(at_work.store->consumers());
  REQUIRE(all.size() == 2);
  CHECK(all[0].id == "bank");
  CHECK(all[1].id == "shop");
  CHECK(all[1].name == shop().name);
  CHECK(all[1].environment == Environment::production);
  CHECK(all[1].active);
  REQUIRE(all[1].certificates.size() == 2);
  CHECK(all[1].certificates[0].serial_hex == shop().certificates[0].serial_hex);
  CHECK(all[1].certificates[0].issuer_sha256 == std::string(64, 'b'));
  CHECK(all[1].certificates[0].not_after == at(5000));
  CHECK(!all[1].certificates[1].not_after);
  REQUIRE(all[1].addresses.size() == 2);
  CHECK(all[1].addresses[0].text() == "192.0.2.0/24");
  CHECK(all[1].addresses[1].text() == "2001:db8::1");
  CHECK(all[1].return_urls == shop().return_urls);

  Consumer changed = shop();
  changed.active = false;
  changed.certificates.resize(1);
  changed.addresses.clear();
  changed.return_urls = {"https://other.example/"};
  at_work.answer(at_work.store->put_consumer(changed));
  all = at_work.answer(at_work.store->consumers());
  CHECK(!all[1].active);
  CHECK(all[1].certificates.size() == 1);
  CHECK(all[1].addresses.empty());
  CHECK(all[1].return_urls == changed.return_urls);

  CHECK(at_work.answer(at_work.store->remove_consumer("shop")));
  CHECK(!at_work.answer(at_work.store->remove_consumer("shop")));
  CHECK(!at_work.answer(at_work.store->remove_consumer(std::string("\0", 1))));
  CHECK(at_work.answer(at_work.store->consumers()).size() == 1);
  CHECK(at_work.database.number("SELECT count(*) FROM consumer_certificates") == 2);
  CHECK(at_work.database.number("SELECT count(*) FROM consumer_return_urls") == 2);
}

TEST_CASE("each change of the register changes its version, on all instances") {
  test::OpenStore at_work;
  const auto other = at_work.database.open();
  const auto first = at_work.answer(other->consumers_version());
  CHECK(at_work.answer(other->consumers_version()) == first);
  at_work.answer(at_work.store->put_consumer(shop()));
  const auto second = at_work.answer(other->consumers_version());
  CHECK(second != first);
  at_work.answer(at_work.store->remove_consumer("shop"));
  CHECK(at_work.answer(other->consumers_version()) != second);
}

TEST_CASE("a certificate lets in one consumer only") {
  test::OpenStore at_work;
  at_work.answer(at_work.store->put_consumer(shop("shop")));
  const auto version = at_work.answer(at_work.store->consumers_version());
  Consumer other = shop("bank");
  other.certificates = shop("shop").certificates;
  const auto error = at_work.error(at_work.store->put_consumer(other));
  REQUIRE(error);
  CHECK(error->code == ErrorCode::parameter_invalid);
  CHECK(at_work.answer(at_work.store->consumers()).size() == 1);
  CHECK(at_work.answer(at_work.store->consumers_version()) == version);
}

TEST_CASE("a consumer that is none is refused") {
  test::OpenStore at_work;
  Consumer consumer = shop();
  consumer.return_urls = {"http://shop.example/"};
  CHECK(at_work.error(at_work.store->put_consumer(consumer)).value().code == ErrorCode::parameter_invalid);
  CHECK(at_work.answer(at_work.store->consumers()).empty());
}

TEST_CASE("all instances have the same secret") {
  test::OpenStore at_work;
  const auto other = at_work.database.open();
  std::vector<boost::asio::awaitable<base::Result<base::Bytes>>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back((i % 2 == 0 ? *at_work.store : *other).shared_secret("session"));
  const auto secrets = at_work.together(std::move(calls));
  for (const auto& secret : secrets) CHECK(secret.value() == secrets[0].value());
  CHECK(secrets[0].value().size() == 32);
  CHECK(at_work.answer(at_work.store->shared_secret("another")) != secrets[0].value());
}
