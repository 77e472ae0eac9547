#include "portal/store.hpp"

#include <catch2/catch.hpp>
#include <chrono>

#include "test_database.hpp"

using namespace signet;
using namespace signet::portal;
using base::ErrorCode;
using test::at;
using test::new_request;
using test::result_of;

namespace {

Claim claim_of(const std::string& id, const std::string& key, long long now, long long until) {
  return {id, key, at(now), at(until)};
}

// Texts that would do harm where they are not only text.
const std::string hostile =
    "'); DROP TABLE requests; --\"\\ :id ? $1 %s <script>alert('x')</script> \xF0\x9F\x96\x8B \xD8\xA7\n\t{}[]";

}  // namespace

TEST_CASE("what was posted is read back as it was") {
  test::OpenStore at_work;
  NewRequest request = new_request(3);
  request.expected_signer = ExpectedSigner{7, "1003600000000", DelegatorType::organization, "2000000000008"};
  request.contents[1].correlation_id.reset();
  request.contents[1].name = "";
  request.contents[2].digest = base::digest(base::DigestAlgorithm::sha512, base::as_bytes("x"));
  const std::string id = at_work.answer(at_work.store->post(request));
  CHECK(id.size() == 32);
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);

  const auto stored = at_work.answer(at_work.store->request(id, at(1500)));
  REQUIRE(stored);
  CHECK(stored->id == id);
  CHECK(stored->consumer_id == "shop");
  CHECK(stored->short_description == "Contract");
  CHECK(stored->description == "Contract 17");
  REQUIRE(stored->expected_signer);
  CHECK(stored->expected_signer->delegated_role_id == 7);
  CHECK(stored->expected_signer->delegator_id == "1003600000000");
  CHECK(stored->expected_signer->delegator_type == DelegatorType::organization);
  CHECK(stored->expected_signer->id == "2000000000008");
  CHECK(stored->contents == 3);
  CHECK(stored->results == 0);
  CHECK(stored->status == SignStatus::pending);
  CHECK(stored->reason.empty());
  CHECK(stored->instrument.empty());
  CHECK(!stored->contents_deleted);
  CHECK(stored->posted_at == at(1000));
  CHECK(stored->expires_at == at(2000));
  CHECK(!stored->ended_at);

  const auto contents = at_work.answer(at_work.store->contents(id, 0, 100, false));
  REQUIRE(contents.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(contents[i].number == i);
    CHECK(contents[i].digest == request.contents[i].digest);
    CHECK(contents[i].correlation_id == request.contents[i].correlation_id);
    CHECK(contents[i].name == request.contents[i].name);
  }
}

TEST_CASE("a signer of whom nothing is said stays apart from no signer") {
  test::OpenStore at_work;
  NewRequest request = new_request();
  request.expected_signer = ExpectedSigner{};
  const auto stored = at_work.answer(at_work.store->request(at_work.answer(at_work.store->post(request)), at(1500)));
  REQUIRE(stored->expected_signer);
  CHECK(!stored->expected_signer->id);
  CHECK(!stored->expected_signer->delegator_id);
  const auto other = at_work.answer(at_work.store->request(at_work.answer(at_work.store->post(new_request())), at(1500)));
  CHECK(!other->expected_signer);
}

TEST_CASE("an id that was never given is unknown, whatever it looks like") {
  test::OpenStore at_work;
  for (const std::string& id :
       {std::string(32, '0'), std::string(), std::string("x"), std::string(32, 'A'), std::string("' OR 1=1 --"),
        std::string("0\0", 2) + std::string(30, '0'), std::string(100000, '0')}) {
    CHECK(!at_work.answer(at_work.store->request(id, at(1500))));
    CHECK(at_work.answer(at_work.store->contents(id, 0, 10, false)).empty());
    CHECK(at_work.answer(at_work.store->results(id)).empty());
    CHECK(at_work.answer(at_work.store->claim(claim_of(id, "k", 1500, 1600), "token")) == ClaimOutcome::unknown);
    CHECK(at_work.answer(at_work.store->save(claim_of(id, "k", 1500, 1600), {result_of(0)})).claim == ClaimOutcome::unknown);
    CHECK(at_work.answer(at_work.store->give_up(claim_of(id, "k", 1500, 1600), "user_cancelled")) == ClaimOutcome::unknown);
    at_work.answer(at_work.store->release(id, "k"));
  }
}

TEST_CASE("SQL and script in every text are only text") {
  test::OpenStore at_work;
  NewRequest request = new_request(2);
  request.consumer_id = request.short_description = request.description = hostile;
  request.expected_signer = ExpectedSigner{1, hostile, DelegatorType::person, hostile};
  for (auto& content : request.contents) content.correlation_id = content.name = hostile;
  const std::string id = at_work.answer(at_work.store->post(request));
  const Claim claim = claim_of(id, hostile, 1100, 1200);
  CHECK(at_work.answer(at_work.store->claim(claim, hostile)) == ClaimOutcome::claimed);
  CHECK(at_work.answer(at_work.store->save(claim, {result_of(0, hostile)})).saved == 1);
  CHECK(at_work.answer(at_work.store->give_up(claim, hostile)) == ClaimOutcome::claimed);

  const auto stored = at_work.answer(at_work.store->request(id, at(1500)));
  CHECK(stored->consumer_id == hostile);
  CHECK(stored->short_description == hostile);
  CHECK(stored->description == hostile);
  CHECK(stored->expected_signer->id == hostile);
  CHECK(stored->expected_signer->delegator_id == hostile);
  CHECK(stored->instrument == hostile);
  CHECK(stored->reason == hostile);
  CHECK(at_work.answer(at_work.store->contents(id, 0, 10, false))[1].name == hostile);
  const auto results = at_work.answer(at_work.store->results(id));
  REQUIRE(results.size() == 1);
  CHECK(results[0].signature == hostile);
  CHECK(results[0].correlation_id == hostile);
  Store::Listing listing;
  listing.consumer_id = hostile;
  CHECK(at_work.answer(at_work.store->list(listing, at(1500))).size() == 1);
  CHECK(at_work.answer(at_work.store->shared_secret(hostile)).size() == 32);
}

TEST_CASE("text that is not UTF-8 or has a NUL is refused before the database") {
  test::OpenStore at_work;
  const std::string id = at_work.answer(at_work.store->post(new_request()));
  for (const std::string& bad :
       {std::string("a\0b", 3), std::string("\xFF"), std::string("\xC0\x80"), std::string("\xED\xA0\x80")}) {
    const std::vector<std::function<void(NewRequest&)>> places{
        [&](NewRequest& r) { r.consumer_id = bad; },
        [&](NewRequest& r) { r.short_description = bad; },
        [&](NewRequest& r) { r.description = bad; },
        [&](NewRequest& r) { r.expected_signer = ExpectedSigner{0, bad, DelegatorType::none, {}}; },
        [&](NewRequest& r) { r.expected_signer = ExpectedSigner{0, {}, DelegatorType::none, bad}; },
        [&](NewRequest& r) { r.contents[0].correlation_id = bad; },
        [&](NewRequest& r) { r.contents[0].name = bad; },
    };
    for (const auto& put : places) {
      NewRequest request = new_request();
      put(request);
      CHECK(at_work.error(at_work.store->post(request)).value().code == ErrorCode::parameter_invalid);
    }
    const Claim good = claim_of(id, "k", 1100, 1200);
    CHECK(at_work.error(at_work.store->claim(claim_of(id, bad, 1100, 1200), "t")).value().code == ErrorCode::parameter_invalid);
    CHECK(at_work.error(at_work.store->claim(good, bad)).value().code == ErrorCode::parameter_invalid);
    CHECK(at_work.error(at_work.store->save(good, {result_of(0, bad)})).value().code == ErrorCode::parameter_invalid);
    CHECK(at_work.error(at_work.store->give_up(good, bad)).value().code == ErrorCode::parameter_invalid);
    CHECK(at_work.error(at_work.store->shared_secret(bad)).value().code == ErrorCode::parameter_invalid);
    Store::Listing listing;
    listing.consumer_id = bad;
    CHECK(at_work.error(at_work.store->list(listing, at(1100))).value().code == ErrorCode::parameter_invalid);
  }
  CHECK(at_work.database.number("SELECT count(*) FROM requests") == 1);
  CHECK(at_work.answer(at_work.store->request(id, at(1100)))->status == SignStatus::pending);
}

TEST_CASE("a request without contents, or with others' numbers, is refused") {
  test::OpenStore at_work;
  CHECK(at_work.error(at_work.store->post(new_request(0))).value().code == ErrorCode::parameter_invalid);
  NewRequest request = new_request(2);
  request.contents[1].number = 0;
  CHECK(at_work.error(at_work.store->post(request)).value().code == ErrorCode::parameter_invalid);
}

TEST_CASE("one key holds a request until its time is over or it lets go") {
  test::OpenStore at_work;
  const std::string id = at_work.answer(at_work.store->post(new_request()));
  const auto claim = [&](const std::string& key, long long now, long long until) {
    return at_work.answer(at_work.store->claim(claim_of(id, key, now, until), "token-" + key));
  };
  CHECK(claim("a", 1100, 1200) == ClaimOutcome::claimed);
  CHECK(claim("b", 1100, 1200) == ClaimOutcome::held);
  CHECK(claim("a", 1150, 1250) == ClaimOutcome::claimed);
  CHECK(claim("b", 1249, 1300) == ClaimOutcome::held);
  CHECK(at_work.answer(at_work.store->request(id, at(1150)))->instrument == "token-a");
  CHECK(claim("b", 1250, 1300) == ClaimOutcome::claimed);  // a's time is over
  CHECK(claim("a", 1260, 1300) == ClaimOutcome::held);
  at_work.answer(at_work.store->release(id, "a"));  // not its own
  CHECK(claim("a", 1260, 1300) == ClaimOutcome::held);
  at_work.answer(at_work.store->release(id, "b"));
  CHECK(claim("a", 1260, 1300) == ClaimOutcome::claimed);
  CHECK(at_work.error(at_work.store->claim(claim_of(id, "", 1100, 1200), "t")).value().code == ErrorCode::parameter_invalid);
}

TEST_CASE("what a page had on its way when it let go is kept, and holds up nobody") {
  test::OpenStore at_work;
  const std::string id = at_work.answer(at_work.store->post(new_request(3)));
  const auto claim = [&](const std::string& key, long long now) {
    return at_work.answer(at_work.store->claim(claim_of(id, key, now, now + 100), "token"));
  };
  CHECK(claim("before", 1100) == ClaimOutcome::claimed);
  at_work.answer(at_work.store->release(id, "before"));
  const auto late = at_work.answer(at_work.store->save(claim_of(id, "before", 1101, 1201), {result_of(0)}));
  CHECK(late.claim == ClaimOutcome::claimed);
  CHECK(late.saved == 1);
  CHECK(claim("before", 1102) == ClaimOutcome::held);  // its renewal, overtaken by the release
  CHECK(at_work.answer(at_work.store->request(id, at(1102)))->claimed_until <= at(1102));
  CHECK(claim("after", 1103) == ClaimOutcome::claimed);
  CHECK(at_work.answer(at_work.store->save(claim_of(id, "before", 1104, 1204), {result_of(1)})).claim == ClaimOutcome::held);
  CHECK(at_work.answer(at_work.store->save(claim_of(id, "after", 1105, 1205), {result_of(1), result_of(2)})).missing == 0);
}

TEST_CASE("results make a request a success when none is missing") {
  test::OpenStore at_work;
  const std::string id = at_work.answer(at_work.store->post(new_request(3)));
  const Claim claim = claim_of(id, "a", 1100, 1200);
  auto saved = at_work.answer(at_work.store->save(claim, {result_of(2, "two"), result_of(0, "zero"), result_of(0, "again")}));
  CHECK(saved.claim == ClaimOutcome::claimed);
  CHECK(saved.saved == 2);
  CHECK(saved.missing == 1);
  auto stored = at_work.answer(at_work.store->request(id, at(1150)));
  CHECK(stored->status == SignStatus::pending);
  CHECK(stored->results == 2);
  const auto left = at_work.answer(at_work.store->contents(id, 0, 10, true));
  REQUIRE(left.size() == 1);
  CHECK(left[0].number == 1);

  CHECK(at_work.answer(at_work.store->save(claim_of(id, "b", 1150, 1250), {result_of(1)})).claim == ClaimOutcome::held);
  saved = at_work.answer(at_work.store->save(claim, {result_of(1, "one"), result_of(2, "other")}));
  CHECK(saved.saved == 1);
  CHECK(saved.missing == 0);
  stored = at_work.answer(at_work.store->request(id, at(9999)));
  CHECK(stored->status == SignStatus::success);
  CHECK(stored->results == 3);
  CHECK(stored->ended_at == at(1100));

  const auto results = at_work.answer(at_work.store->results(id));
  REQUIRE(results.size() == 3);
  CHECK(results[0].signature == "zero");
  CHECK(results[1].signature == "one");
  CHECK(results[2].signature == "two");
  CHECK(results[2].correlation_id == "c2");
  CHECK(results[2].certificate == base::Bytes{0x30, 0x00, 0xFF});
}

TEST_CASE("what an e-service fetches is whole, few results or many") {
  test::OpenStore at_work;
  const std::uint32_t count = GENERATE(1U, 16U, 17U, 40U);
  const std::string id = at_work.answer(at_work.store->post(new_request(count)));
  const auto fetched = [&](long long now) { return at_work.answer(at_work.store->fetch(id, at(now))).value(); };
  std::vector<StoredResult> results;
  for (std::uint32_t i = count; i-- > 0;) results.push_back(result_of(i, "signature " + std::to_string(i)));
  const StoredResult last = results.front();
  results.erase(results.begin());
  at_work.answer(at_work.store->save(claim_of(id, "a", 1100, 1200), results));
  CHECK(fetched(1150).status == SignStatus::pending);
  CHECK(fetched(1150).results.empty());
  at_work.answer(at_work.store->save(claim_of(id, "a", 1100, 1200), {last}));
  const auto whole = fetched(1150);
  CHECK(whole.status == SignStatus::success);
  CHECK(whole.consumer_id == at_work.answer(at_work.store->request(id, at(1150)))->consumer_id);
  REQUIRE(whole.results.size() == count);
  for (std::uint32_t i = 0; i < count; ++i) {
    CHECK(whole.results[i].number == i);
    CHECK(whole.results[i].signature == "signature " + std::to_string(i));
    CHECK(whole.results[i].correlation_id == "c" + std::to_string(i));
    CHECK(whole.results[i].certificate == base::Bytes{0x30, 0x00, 0xFF});
  }
  at_work.answer(at_work.store->sweep(at(90'000), at(90'000)));
  CHECK(fetched(90'001).contents_deleted);
  CHECK(fetched(90'001).results.empty());
}

TEST_CASE("what an e-service fetches after its time has expired, with what was signed until then") {
  test::OpenStore at_work;
  const std::string id = at_work.answer(at_work.store->post(new_request(2)));
  at_work.answer(at_work.store->save(claim_of(id, "a", 1100, 1200), {result_of(1, "one")}));
  const auto expired = at_work.answer(at_work.store->fetch(id, at(5000))).value();
  CHECK(expired.status == SignStatus::expired);
  REQUIRE(expired.results.size() == 1);
  CHECK(expired.results[0].signature == "one");
  CHECK(at_work.answer(at_work.store->request(id, at(1150)))->status == SignStatus::expired);
  CHECK_FALSE(at_work.answer(at_work.store->fetch(std::string(32, '0'), at(1150))));
}

TEST_CASE("what has ended stays as it ended") {
  test::OpenStore at_work;
  const std::string success = at_work.answer(at_work.store->post(new_request()));
  const std::string failed = at_work.answer(at_work.store->post(new_request(2)));
  const std::string expired = at_work.answer(at_work.store->post(new_request()));
  at_work.answer(at_work.store->save(claim_of(success, "a", 1100, 1200), {result_of(0)}));
  at_work.answer(at_work.store->save(claim_of(failed, "a", 1100, 1200), {result_of(0)}));
  CHECK(at_work.answer(at_work.store->give_up(claim_of(failed, "a", 1110, 1200), "user_cancelled")) == ClaimOutcome::claimed);
  CHECK(at_work.answer(at_work.store->request(expired, at(2000)))->status == SignStatus::expired);
  for (const auto& [id, status] :
       {std::pair{success, SignStatus::success}, {failed, SignStatus::failure}, {expired, SignStatus::expired}}) {
    const Claim claim = claim_of(id, "a", 1150, 1250);
    CHECK(at_work.answer(at_work.store->claim(claim, "t")) == ClaimOutcome::ended);
    CHECK(at_work.answer(at_work.store->save(claim, {result_of(0)})).claim == ClaimOutcome::ended);
    CHECK(at_work.answer(at_work.store->give_up(claim, "other")) == ClaimOutcome::ended);
    at_work.answer(at_work.store->release(id, "a"));
    at_work.answer(at_work.store->sweep(at(5000), at(0)));
    CHECK(at_work.answer(at_work.store->request(id, at(9999)))->status == status);
  }
  CHECK(at_work.answer(at_work.store->request(failed, at(9999)))->reason == "user_cancelled");
  CHECK(at_work.answer(at_work.store->results(failed)).size() == 1);  // what was made before stays
}

TEST_CASE("a request expires before its time where somebody has it do so, and not while another page signs it") {
  test::OpenStore at_work;
  const std::string id = at_work.answer(at_work.store->post(new_request()));
  CHECK(at_work.answer(at_work.store->claim(claim_of(id, "a", 1100, 1200), "t")) == ClaimOutcome::claimed);
  CHECK(at_work.answer(at_work.store->expire(claim_of(id, "b", 1150, 1150))) == ClaimOutcome::held);
  CHECK(at_work.answer(at_work.store->expire(claim_of(id, "a", 1150, 1150))) == ClaimOutcome::claimed);
  const auto stored = at_work.answer(at_work.store->request(id, at(1160)));
  REQUIRE(stored);
  CHECK(stored->status == SignStatus::expired);
  CHECK(stored->ended_at == at(1150));
  CHECK(at_work.answer(at_work.store->expire(claim_of(id, "a", 1160, 1160))) == ClaimOutcome::ended);
  CHECK(at_work.answer(at_work.store->save(claim_of(id, "a", 1170, 1170), {result_of(0)})).claim == ClaimOutcome::ended);
  CHECK(at_work.answer(at_work.store->expire(claim_of(std::string(32, '0'), "a", 1160, 1160))) == ClaimOutcome::unknown);
}

TEST_CASE("a page that signs is not taken its request by another's giving up") {
  test::OpenStore at_work;
  const std::string id = at_work.answer(at_work.store->post(new_request()));
  CHECK(at_work.answer(at_work.store->claim(claim_of(id, "a", 1100, 1200), "t")) == ClaimOutcome::claimed);
  CHECK(at_work.answer(at_work.store->give_up(claim_of(id, "b", 1150, 1150), "user_cancelled")) == ClaimOutcome::held);
  CHECK(at_work.answer(at_work.store->give_up(claim_of(id, "b", 1200, 1200), "user_cancelled")) == ClaimOutcome::claimed);
}

TEST_CASE("a result of a content that was not posted is refused, and only its caller pays") {
  test::OpenStore at_work;
  const std::string good = at_work.answer(at_work.store->post(new_request())),
                    bad = at_work.answer(at_work.store->post(new_request(2)));
  std::vector<boost::asio::awaitable<base::Result<SavedResults>>> calls;
  calls.push_back(at_work.store->save(claim_of(good, "a", 1100, 1200), {result_of(0)}));
  calls.push_back(at_work.store->save(claim_of(bad, "a", 1100, 1200), {result_of(0), result_of(2)}));
  const auto answers = at_work.together(std::move(calls));
  CHECK(answers[0].value().saved == 1);
  CHECK(answers[1].error().code == ErrorCode::parameter_invalid);
  CHECK(at_work.answer(at_work.store->results(bad)).empty());
  CHECK(at_work.answer(at_work.store->request(bad, at(1150)))->results == 0);
}

TEST_CASE("a pending request expires when its time is over, but not while somebody signs it") {
  test::OpenStore at_work;
  const std::string idle = at_work.answer(at_work.store->post(new_request())),
                    held = at_work.answer(at_work.store->post(new_request(2)));
  CHECK(at_work.answer(at_work.store->request(idle, at(1999)))->status == SignStatus::pending);
  CHECK(at_work.answer(at_work.store->claim(claim_of(held, "a", 1990, 2050), "t")) == ClaimOutcome::claimed);

  CHECK(at_work.answer(at_work.store->request(idle, at(2000)))->status == SignStatus::expired);
  CHECK(at_work.database.number("SELECT status FROM requests WHERE id = '" + idle + "'") == 3);
  CHECK(at_work.answer(at_work.store->request(idle, at(2100)))->ended_at == at(2000));

  CHECK(at_work.answer(at_work.store->sweep(at(2040), at(0))).expired == 0);
  CHECK(at_work.answer(at_work.store->request(held, at(2040)))->status == SignStatus::pending);
  // Who holds it goes on beyond; who does not comes too late.
  CHECK(at_work.answer(at_work.store->save(claim_of(held, "a", 2040, 2100), {result_of(0)})).saved == 1);
  CHECK(at_work.answer(at_work.store->claim(claim_of(held, "b", 2090, 2200), "t")) == ClaimOutcome::held);
  CHECK(at_work.answer(at_work.store->claim(claim_of(held, "b", 2100, 2200), "t")) == ClaimOutcome::ended);
  CHECK(at_work.answer(at_work.store->request(held, at(2100)))->status == SignStatus::expired);
  CHECK(at_work.answer(at_work.store->results(held)).size() == 1);
}

TEST_CASE("a sweep expires, deletes what ended long ago, and leaves the rest") {
  test::OpenStore at_work;
  std::vector<std::string> old;
  for (int i = 0; i < 5; ++i) old.push_back(at_work.answer(at_work.store->post(new_request(2))));
  const std::string big = at_work.answer(at_work.store->post(new_request(3500)));
  NewRequest later = new_request();
  later.expires_at = at(9000);
  const std::string alive = at_work.answer(at_work.store->post(later));
  at_work.answer(at_work.store->save(claim_of(big, "a", 1100, 1200), {result_of(0), result_of(3499)}));
  at_work.answer(at_work.store->give_up(claim_of(big, "a", 1100, 1200), "user_cancelled"));

  auto swept = at_work.answer(at_work.store->sweep(at(2500), at(1000)));
  CHECK(swept.expired == 5);
  CHECK(swept.contents_deleted == 0);
  CHECK(at_work.answer(at_work.store->results(big)).size() == 2);
  swept = at_work.answer(at_work.store->sweep(at(3000), at(2501)));
  CHECK(swept.expired == 0);
  CHECK(swept.contents_deleted == 6);
  CHECK(at_work.answer(at_work.store->sweep(at(3000), at(2501))).contents_deleted == 0);

  CHECK(at_work.answer(at_work.store->results(big)).empty());
  CHECK(at_work.answer(at_work.store->contents(old[0], 0, 10, false)).empty());
  const auto stored = at_work.answer(at_work.store->request(big, at(3000)));
  CHECK(stored->contents_deleted);
  CHECK(stored->contents == 3500);
  CHECK(stored->status == SignStatus::failure);
  CHECK(at_work.database.number("SELECT count(*) FROM contents") == 1);
  CHECK(at_work.database.number("SELECT count(*) FROM results") == 0);
  CHECK(at_work.answer(at_work.store->request(alive, at(3000)))->status == SignStatus::pending);
  CHECK(at_work.answer(at_work.store->contents(alive, 0, 10, false)).size() == 1);
}

TEST_CASE("a deletion that did not get to its end is gone on with, and shows nothing in the meantime") {
  test::OpenStore at_work;
  const std::string id = at_work.answer(at_work.store->post(new_request(10)));
  at_work.answer(at_work.store->give_up(claim_of(id, "a", 1100, 1200), "user_cancelled"));
  at_work.database.run("UPDATE requests SET contents_deleted = 1");
  at_work.database.run("DELETE FROM contents WHERE number < 5");
  CHECK(at_work.answer(at_work.store->request(id, at(1200)))->contents_deleted);
  CHECK(at_work.answer(at_work.store->contents(id, 0, 10, false)).empty());
  CHECK(at_work.answer(at_work.store->sweep(at(1300), at(1300))).contents_deleted == 1);
  CHECK(at_work.database.number("SELECT count(*) FROM contents") == 0);
}

TEST_CASE("a request of 100 000 contents is posted and read in parts") {
  test::OpenStore at_work;
  const auto start = std::chrono::steady_clock::now();
  const std::string id = at_work.answer(at_work.store->post(new_request(100'000)));
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(took < std::chrono::seconds(60));
  CHECK(at_work.answer(at_work.store->request(id, at(1500)))->contents == 100'000);
  const auto part = at_work.answer(at_work.store->contents(id, 99'990, 1000, true));
  REQUIRE(part.size() == 10);
  CHECK(part.front().number == 99'990);
  CHECK(part.back().correlation_id == "c99999");
  CHECK(at_work.database.number("SELECT count(*) FROM contents") == 100'000);
}

TEST_CASE("a list has the newest first, by consumer and by status as of now") {
  test::OpenStore at_work;
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) {
    NewRequest request = new_request();
    request.consumer_id = i % 2 == 0 ? "even" : "odd";
    request.posted_at = at(1000 + i);
    request.expires_at = at(2000 + i);
    ids.push_back(at_work.answer(at_work.store->post(request)));
  }
  at_work.answer(at_work.store->save(claim_of(ids[0], "a", 1100, 1200), {result_of(0)}));
  at_work.answer(at_work.store->give_up(claim_of(ids[1], "a", 1100, 1200), "user_cancelled"));
  const auto listed = [&](std::optional<std::string> consumer, std::optional<SignStatus> status, std::uint32_t count = 50) {
    Store::Listing listing;
    listing.consumer_id = std::move(consumer);
    listing.status = status;
    listing.count = count;
    std::vector<std::string> found;
    for (const auto& request : at_work.answer(at_work.store->list(listing, at(2003)))) found.push_back(request.id);
    return found;
  };
  using Ids = std::vector<std::string>;
  CHECK(listed({}, {}) == Ids{ids[5], ids[4], ids[3], ids[2], ids[1], ids[0]});
  CHECK(listed({}, {}, 2) == Ids{ids[5], ids[4]});
  CHECK(listed("even", {}) == Ids{ids[4], ids[2], ids[0]});
  CHECK(listed({}, SignStatus::pending) == Ids{ids[5], ids[4]});
  CHECK(listed({}, SignStatus::expired) == Ids{ids[3], ids[2]});
  CHECK(listed("odd", SignStatus::expired) == Ids{ids[3]});
  CHECK(listed({}, SignStatus::success) == Ids{ids[0]});
  CHECK(listed({}, SignStatus::failure) == Ids{ids[1]});
  CHECK(listed("nobody", {}).empty());
}

TEST_CASE("all that callers say at once is done, and each gets its own answer") {
  test::OpenStore at_work;
  std::vector<boost::asio::awaitable<base::Result<std::string>>> posts;
  for (int i = 0; i < 1000; ++i) {
    NewRequest request = new_request();
    request.description = std::to_string(i);
    posts.push_back(at_work.store->post(request));
  }
  const auto ids = at_work.together(std::move(posts));
  for (int i = 0; i < 1000; ++i)
    CHECK(at_work.answer(at_work.store->request(ids[i].value(), at(1500)))->description == std::to_string(i));
}
