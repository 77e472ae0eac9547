#include <catch2/catch.hpp>
#include <future>

#include "../agent/temporary_folder.hpp"
#include "../net/running.hpp"
#include "portal/simulation.hpp"

using namespace signet;
using namespace signet::portal;
using namespace std::chrono_literals;

namespace {

constexpr const char* key = "00000000000000000000000000000001";
constexpr const char* other_key = "00000000000000000000000000000002";

// A sandbox's people at a store of their own; their signatures cannot be made, which is counted.
struct People {
  const signet::test::TemporaryFolder folder;
  signet::test::RunningContext context;
  std::unique_ptr<Store> store = Store::open({.database = "sqlite:" + (folder / "portal.db").string()}).value();
  int tried = 0;
  bool throws = false;
  Simulation simulation{{.store = store.get(),
                         .now = [] { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); },
                         .sign = [this](auto) { return sign(); },
                         .save = {}}};

  People() { context.start(); }
  ~People() {
    context.join();
    store.reset();
  }
  boost::asio::awaitable<base::Result<std::vector<std::string>>> sign() {
    ++tried;
    if (throws) throw std::runtime_error("no memory");
    co_return base::failure(base::ErrorCode::internal);
  }
  std::string post() {
    const auto at = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto digest = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("a"));
    NewRequest request{.consumer_id = "shop",
                       .short_description = "a",
                       .description = "a",
                       .expected_signer = {},
                       .contents = {{0, digest, {}, {}}},
                       .posted_at = at,
                       .expires_at = at + 1h};
    return context.await(store->post(std::move(request))).value();
  }
  using Outcome = std::future<std::optional<PageReply>>;
  Outcome playing(const std::string& id, std::chrono::milliseconds delay, const std::string& by = key) {
    Simulation::Play play{.request_id = id, .key = by, .instrument = "sandbox", .idnp = {}, .reason = {}, .delay = delay};
    return boost::asio::co_spawn(context.io(), simulation.play(std::move(play)), boost::asio::use_future);
  }
  Outcome playing(Simulation::Play play) {
    return boost::asio::co_spawn(context.io(), simulation.play(std::move(play)), boost::asio::use_future);
  }
  unsigned status(Outcome outcome) {
    const auto refused = outcome.get();
    return refused ? refused->status : 200;
  }
  // Outcomes that were to come by now have come: another one that was asked for after them.
  bool all_have_come(std::chrono::milliseconds delay) {
    const std::string last = post();
    return status(playing(last, delay)) == 200 && comes_to([&] { return !simulation.state(last).reason.empty(); });
  }
  bool comes_to(const std::function<bool()>& condition) {
    for (int i = 0; i < 2'000; ++i) {
      if (context.on_thread(condition)) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
};

}  // namespace

TEST_CASE("requests that nobody posted take no room from those that are there") {
  People sandbox;
  for (int i = 0; i < 10'100; ++i) {
    char id[33];
    std::snprintf(id, sizeof id, "%032x", i);
    REQUIRE(sandbox.status(sandbox.playing(id, 0ms)) == 404);
  }
  CHECK(sandbox.status(sandbox.playing(sandbox.post(), 600s)) == 200);
}

TEST_CASE("the same that is asked for by many at once is under way once") {
  People sandbox;
  const std::string id = sandbox.post();
  std::vector<People::Outcome> all;
  for (int i = 0; i < 20; ++i) all.push_back(sandbox.playing(id, 300ms));
  for (auto& one : all) CHECK(sandbox.status(std::move(one)) == 200);
  REQUIRE(sandbox.all_have_come(300ms));
  CHECK(sandbox.comes_to([&] { return !sandbox.simulation.state(id).reason.empty(); }));
  CHECK(sandbox.context.on_thread([&] { return sandbox.tried; }) == 2);
}

TEST_CASE("while an outcome is on its way nothing else is played, and the very same is answered again") {
  People sandbox;
  const std::string id = sandbox.post();
  const Simulation::Play slow{
      .request_id = id, .key = key, .instrument = "sandbox", .idnp = "2001234567892", .reason = {}, .delay = 2s};
  REQUIRE(sandbox.status(sandbox.playing(slow)) == 200);
  const auto changed = [&](auto change) {
    Simulation::Play other = slow;
    change(other);
    return sandbox.status(sandbox.playing(std::move(other)));
  };
  CHECK(changed([](auto&) {}) == 200);
  using enum Simulation::Action;
  for (const auto action : {fail, cancel, expire}) {
    CHECK(changed([&](auto& other) { other.action = action; }) == 409);
    CHECK(changed([&](auto& other) { other.action = action, other.delay = 0ms; }) == 409);
  }
  CHECK(changed([](auto& other) { other.idnp = "2001234567893"; }) == 409);
  CHECK(changed([](auto& other) { other.delay = 0ms; }) == 409);
  CHECK(changed([](auto& other) { other.key = other_key; }) == 409);
  CHECK(sandbox.context.await(sandbox.simulation.call(id, key, "mobile", "37369123456")).status == 409);
  for (const auto answer : {Simulation::PhoneAnswer::confirm, Simulation::PhoneAnswer::refuse})
    CHECK(sandbox.status(boost::asio::co_spawn(sandbox.context.io(), sandbox.simulation.answer(id, {}, answer, {}),
                                               boost::asio::use_future)) == 409);
  CHECK(sandbox.context.on_thread([&] { return sandbox.tried; }) == 0);
  CHECK_FALSE(sandbox.context.on_thread([&] { return sandbox.simulation.state(id).phone.has_value(); }));
  REQUIRE(sandbox.comes_to([&] { return sandbox.simulation.state(id).reason == "unavailable"; }));
  CHECK(sandbox.context.on_thread([&] { return sandbox.tried; }) == 1);
  CHECK(changed([](auto& other) { other.action = fail, other.delay = 0ms; }) == 200);
}

TEST_CASE("a phone that is called on a request which a page gave back ends what that page had under way") {
  People sandbox;
  const std::string id = sandbox.post();
  CHECK(sandbox.status(sandbox.playing(id, 300ms)) == 200);
  REQUIRE(sandbox.context.await(sandbox.store->release(id, key)));
  REQUIRE(sandbox.context.await(sandbox.simulation.call(id, other_key, "mobile", "37369123456")).status == 200);
  REQUIRE(sandbox.all_have_come(300ms));
  CHECK(sandbox.context.on_thread([&] { return sandbox.tried; }) == 1);
  CHECK(sandbox.context.on_thread([&] { return sandbox.simulation.state(id).phone.has_value(); }));
}

TEST_CASE("who gives a request back and another who takes it leave one outcome under way") {
  People sandbox;
  const std::string id = sandbox.post();
  for (int i = 0; i < 20; ++i) {
    const std::string mine = i % 2 == 0 ? key : other_key;
    CHECK(sandbox.status(sandbox.playing(id, 600ms, mine)) == 200);
    if (i < 19) REQUIRE(sandbox.context.await(sandbox.store->release(id, mine)));
  }
  REQUIRE(sandbox.all_have_come(600ms));
  CHECK(sandbox.comes_to([&] { return sandbox.simulation.state(id).reason == "unavailable"; }));
  CHECK(sandbox.context.on_thread([&] { return sandbox.tried; }) == 2);
}

TEST_CASE("an exception in a slow outcome is a failure that is told, and the next try is another one") {
  People sandbox;
  const std::string id = sandbox.post();
  sandbox.throws = true;
  CHECK(sandbox.status(sandbox.playing(id, 1ms)) == 200);
  REQUIRE(sandbox.comes_to([&] { return !sandbox.simulation.state(id).reason.empty(); }));
  CHECK(sandbox.context.on_thread([&] { return sandbox.simulation.state(id).reason; }) == "internal");
  CHECK(sandbox.status(sandbox.playing(id, 1ms)) == 200);
  REQUIRE(sandbox.comes_to([&] { return sandbox.tried == 2; }));
}
