#include <catch2/catch.hpp>

#include "bench.hpp"

using namespace signet;
using namespace signet::test;
using std::chrono::milliseconds;

namespace {

std::string commit(Messages& page, const std::string& batch, std::size_t count) {
  return Messages::code(page.ask("batch.commit", {{"batch", batch}, {"items", count}}));
}

struct Collected {
  std::size_t messages = 0;
  std::size_t most_in_message = 0;
  std::vector<std::int64_t> sequences;
  std::map<std::string, json::object> by_id;
  json::object last_progress;
  std::vector<std::string> states;
};

// Reads as a page does, until the batch comes to a state; acknowledges if wanted.
enum class Acknowledging : std::uint8_t { no, yes };
Collected collect(Messages& page, const std::string& batch, std::string_view until, Acknowledging how = Acknowledging::yes) {
  Collected all;
  for (;;) {
    const json::object message = page.next();
    const auto* event = message.if_contains("event");
    if (event == nullptr) continue;
    const auto& params = message.at("params").as_object();
    if (*event == "batch.results") {
      const auto& results = params.at("results").as_array();
      ++all.messages;
      all.most_in_message = std::max(all.most_in_message, results.size());
      for (const auto& result : results) {
        all.sequences.push_back(result.at("seq").as_int64());
        all.by_id[std::string(result.at("id").as_string())] = result.as_object();
      }
      if (how == Acknowledging::yes) page.begin("batch.acknowledge", {{"batch", batch}, {"through", all.sequences.back()}});
    } else if (*event == "batch.progress") {
      all.last_progress = params;
      all.states.emplace_back(params.at("state").as_string());
      if (all.states.back() == until) return all;
    }
  }
}

bool without_gaps(const std::vector<std::int64_t>& sequences, std::int64_t first = 1) {
  for (const std::int64_t sequence : sequences) {
    if (sequence != first++) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a page chooses a certificate, and is told it and no other") {
  Bench bench({.token = WithToken::yes});
  Page page(bench.port);
  page.hello();
  const auto chosen = page.ask("certificate.choose");
  const auto& certificate = chosen.at("result").at("certificate").as_object();
  CHECK(certificate.at("id").as_string().size() == 64);
  CHECK(certificate.at("validity") == "valid");
  CHECK(certificate.at("days_left").as_int64() > 300);
  CHECK(std::string(certificate.at("not_after").as_string()).ends_with("Z"));
  CHECK(base::from_base64(std::string(certificate.at("der").as_string())));
  CHECK(page.event("waiting").at("what") == "certificate");
  CHECK(page.ask("certificate.choose").at("result").at("certificate").at("id") == certificate.at("id"));
  CHECK(bench.context.on_thread([&] { return bench.person->asked; }) == 1);
  CHECK(page.code_of("certificate.choose", {{"again", true}}).empty());
  CHECK(bench.context.on_thread([&] { return bench.person->asked; }) == 2);
}

TEST_CASE("a batch is signed, its answer first, its results in order, its last progress last") {
  Bench bench({.token = WithToken::yes});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const std::string batch = begin_batch(page, 120);
  const auto id = page.begin("batch.commit", {{"batch", batch}, {"items", 120}});
  CHECK(page.event("batch.waiting").at("what") == "consent");
  const json::object answer = page.next();  // before any result
  REQUIRE(answer.contains("id"));
  CHECK(answer.at("id") == id);
  CHECK(answer.at("result").at("state") == "running");
  CHECK(answer.at("result").at("certificate").at("validity") == "valid");
  const auto all = collect(page, batch, "complete");
  CHECK(without_gaps(all.sequences));
  CHECK(all.by_id.size() == 120);
  CHECK(all.most_in_message <= 50);
  CHECK(all.last_progress.at("ready") == 120);
  CHECK(all.last_progress.at("signed") == 120);
  const auto& one = all.by_id.at("7");
  CHECK(one.at("level") == "b");
  CHECK(std::string(one.at("signature").as_string()).starts_with("<ds:Signature "));
  CHECK_FALSE(one.contains("error"));
}

TEST_CASE("once all is acknowledged the batch is forgotten by itself") {
  Bench bench({.token = WithToken::yes});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const std::string batch = begin_batch(page, 3);
  REQUIRE(commit(page, batch, 3).empty());
  collect(page, batch, "complete", Acknowledging::no);
  CHECK(page.ask("batch.resume", {{"batch", batch}}).at("result").at("state") == "complete");
  CHECK(page.code_of("batch.acknowledge", {{"batch", batch}, {"through", 3}}).empty());
  CHECK(Bench::eventually([&] { return bench.context.on_thread([&] { return bench.batches->overview().batches; }) == 0; }));
  CHECK(page.code_of("batch.close", {{"batch", batch}}) == "batch_unknown");
}

TEST_CASE("results that were not acknowledged come again on a new connection, and the old one gets no more") {
  Bench bench({.token = WithToken::yes});
  auto page = std::make_unique<Page>(bench.port);
  page->hello();
  page->ask("certificate.choose");
  const std::string batch = begin_batch(*page, 30);
  REQUIRE(commit(*page, batch, 30).empty());
  collect(*page, batch, "complete", Acknowledging::no);
  CHECK(page->code_of("batch.acknowledge", {{"batch", batch}, {"through", 10}}).empty());
  const bool old_stays = GENERATE(false, true);
  if (!old_stays) page.reset();
  Page again(bench.port);
  again.hello();
  const auto resumed = again.begin("batch.resume", {{"batch", batch}});
  const auto all = collect(again, batch, "complete", Acknowledging::no);
  CHECK(without_gaps(all.sequences, 11));
  CHECK(all.sequences.size() == 20);
  (void)resumed;
  if (old_stays) {
    CHECK(page->code_of("batch.acknowledge", {{"batch", batch}, {"through", 12}}).empty());
    page.reset();  // must not take the newer one's events away
    REQUIRE(bench.connections_come_to(1));
    CHECK(again.code_of("batch.cancel", {{"batch", batch}}).empty());
    again.begin("batch.resume", {{"batch", batch}});
    CHECK(collect(again, batch, "complete", Acknowledging::no).sequences.front() == 13);
  }
}

TEST_CASE("a page that does not read stops the signing, and goes on where it was") {
  Bench bench({.token = WithToken::yes, .signing = {.max_unacknowledged = 100}});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const std::string batch = begin_batch(page, 400);
  REQUIRE(commit(page, batch, 400).empty());
  const auto signed_now = [&] {
    return bench.context.on_thread(
        [&] { return bench.batches->progress(signing::Origin::parse(allowed_origin).value(), batch).value().signed_count; });
  };
  CHECK(Bench::eventually([&] { return signed_now() == 100; }));
  for (int i = 0; i < 20; ++i)
    CHECK(page.code_of("batch.acknowledge", {{"batch", "none"}, {"through", 1}}) == "batch_unknown");  // it listens meanwhile
  CHECK(signed_now() == 100);
  page.begin("batch.acknowledge", {{"batch", batch}, {"through", 100}});
  page.begin("batch.resume", {{"batch", batch}});
  const auto all = collect(page, batch, "complete");
  CHECK(all.by_id.size() + 100 >= 400);
}

TEST_CASE("a connection that is lost in the middle pauses the batch, and another one resumes it") {
  constexpr int many = 1'500;
  Bench bench({.token = WithToken::yes, .signing = {.max_unacknowledged = many, .wait_for_page = std::chrono::seconds{0}}});
  auto page = std::make_unique<Page>(bench.port);
  page->hello();
  page->ask("certificate.choose");
  const std::string batch = begin_batch(*page, many);
  REQUIRE(commit(*page, batch, many).empty());
  page.reset();
  const auto progress = [&] {
    return bench.context.on_thread(
        [&] { return bench.batches->progress(signing::Origin::parse(allowed_origin).value(), batch).value(); });
  };
  REQUIRE(Bench::eventually([&] { return progress().state == signing::BatchState::paused; }));
  CHECK(progress().signed_count < many);
  Page again(bench.port);
  again.hello();
  again.begin("batch.resume", {{"batch", batch}});
  const auto all = collect(again, batch, "complete");
  CHECK(without_gaps(all.sequences));
  CHECK(all.by_id.size() == many);
}

TEST_CASE("while a dialog stands open other requests are answered") {
  Bench bench({.token = WithToken::yes});
  Page page(bench.port);
  page.hello();
  bench.person_decides(Person::Mood::thinks);
  const auto choosing = page.begin("certificate.choose");
  CHECK(page.event("waiting").at("what") == "certificate");
  const std::string batch = begin_batch(page, 1);
  CHECK_FALSE(batch.empty());
  bench.person_decides(Person::Mood::cancels);
  CHECK(Messages::code(page.answer(choosing)) == "user_cancelled");
}

TEST_CASE("a cancelled dialog leaves the batch waiting, and it can be committed again") {
  Bench bench({.token = WithToken::yes});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const std::string batch = begin_batch(page, 2);
  bench.person_decides(Person::Mood::cancels);
  CHECK(commit(page, batch, 2) == "user_cancelled");
  bench.context.on_thread([&] {
    bench.person->decide(Person::Mood::agrees);
    bench.person->pin = "wrong-pin";
  });
  CHECK(commit(page, batch, 2) == "pin_incorrect");
  CHECK(page.code_of("batch.items", {{"batch", batch}, {"part", 1}, {"items", items(5, 1)}}) == "batch_state");
  bench.context.on_thread([&] { bench.person->pin = SoftHsm::default_pin; });
  CHECK(commit(page, batch, 2).empty());
  CHECK(collect(page, batch, "complete").by_id.size() == 2);
}

TEST_CASE("requests that wait are bounded") {
  Bench bench({.token = WithToken::yes, .limits = {.pending_requests = 3}});
  Page page(bench.port);
  page.hello();
  bench.person_decides(Person::Mood::thinks);
  std::vector<std::int64_t> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(page.begin("certificate.choose"));
  CHECK(page.code_of("certificate.choose") == "too_many");
  CHECK(page.ask("batch.begin", {{"purpose", "not one that waits"}}).contains("result"));
  bench.person_decides(Person::Mood::agrees);
  for (const auto id : waiting) CHECK(Messages::code(page.answer(id)).empty());
  CHECK(page.code_of("certificate.choose").empty());
}

TEST_CASE("a page that leaves while a dialog is open does no harm") {
  Bench bench({.token = WithToken::yes});
  {
    Page page(bench.port);
    page.hello();
    page.ask("certificate.choose");
    bench.person_decides(Person::Mood::thinks);
    const std::string batch = begin_batch(page, 2);
    page.begin("batch.commit", {{"batch", batch}, {"items", 2}});
    page.event("batch.waiting");
    page.client.reset();
  }
  CHECK(bench.connections_come_to(0));
  bench.person_decides(Person::Mood::agrees);
  CHECK(Bench::eventually([&] { return bench.context.on_thread([&] { return bench.batches->overview().running == 0; }); }));
}

TEST_CASE("time stamps that failed are told with their signatures and fetched again") {
  Bench bench({.token = WithToken::yes, .time_stamps = NativeOptions::TimeStamps::configured});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const std::string batch = begin_batch(page, 2, {{"purpose", "test"}, {"level", "t"}});
  REQUIRE(commit(page, batch, 2).empty());
  const auto all = collect(page, batch, "complete");
  const auto& one = all.by_id.at("0");
  CHECK(one.at("level") == "b");
  CHECK(one.contains("signature"));
  CHECK(one.at("time_stamp_error").at("code") == "time_stamp_failed");
  CHECK(one.at("time_stamp_error").at("message") == "TSA: \"down\"");
  CHECK(all.last_progress.at("time_stamps_missing") == 2);
  CHECK(page.ask("batch.time_stamp", {{"batch", batch}}).at("result").at("time_stamps_missing") == 2);
  CHECK(page.event("batch.results").at("results").at(0).at("seq") == 3);
}

TEST_CASE("together gives one result for all items") {
  Bench bench({.token = WithToken::yes});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const std::string batch = begin_batch(page, 500, {{"purpose", "test"}, {"together", true}, {"packaging", "enveloping"}});
  REQUIRE(commit(page, batch, 500).empty());
  const auto all = collect(page, batch, "complete");
  CHECK(all.sequences == std::vector<std::int64_t>{1});
  CHECK(all.by_id.contains("0"));
}

TEST_CASE("what a page has a person state is what the person is asked, and what is signed") {
  Bench bench({.token = WithToken::yes});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const std::string batch =
      begin_batch(page, 1,
                  {{"purpose", "test"},
                   {"commitments", json::array{"approval", "urn:x:own"}},
                   {"roles", json::array{"Director & <fiu>"}},
                   {"place", {{"city", "Chișinău"}, {"country", "MD"}}},
                   {"policy", {{"id", "urn:oid:1.2.3"}, {"digest", digest_of("policy")}, {"url", "https://p.example"}}}});
  REQUIRE(commit(page, batch, 1).empty());
  const xades::Statements asked = bench.context.on_thread([&] { return bench.person->last_statements; });
  CHECK(asked.commitment_types == std::vector<std::string>{"http://uri.etsi.org/01903/v1.2.2#ProofOfApproval", "urn:x:own"});
  CHECK(asked.claimed_roles == std::vector<std::string>{"Director & <fiu>"});
  CHECK(asked.place.city == "Chișinău");
  REQUIRE(asked.policy);
  CHECK(asked.policy->identifier == "urn:oid:1.2.3");
  const std::string made(collect(page, batch, "complete").by_id.at("0").at("signature").as_string());
  for (const char* part :
       {"#ProofOfApproval</xades:Identifier>", ">urn:x:own<", ">Director &amp; &lt;fiu&gt;<", "<xades:City>Chișinău<",
        "<xades:CountryName>MD<", "<xades:Identifier Qualifier=\"OIDAsURN\">urn:oid:1.2.3<", "<xades:SPURI>https://p.example<"})
    CHECK(made.find(part) != std::string::npos);
  CHECK(made.find(digest_of("policy")) != std::string::npos);
}

TEST_CASE("of a document that holds its signature the page is given the signature, under an id that it knows before") {
  const auto [packaging, reference] = GENERATE(table<std::string, std::string>(
      {{"enveloped", "URI=\"\""}, {"enveloping-file", "URI=\"#%-object-0\""}, {"enveloping-xml", "URI=\"#%-object-0\""}}));
  Bench bench({.token = WithToken::yes});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const json::object begun = page.ask("batch.begin", {{"purpose", "test"}, {"packaging", packaging}});
  const std::string batch(begun.at("result").at("batch").as_string());
  const std::string id(begun.at("result").at("id").as_string());
  page.ask("batch.items", {{"batch", batch}, {"part", 0}, {"items", items(0, 3)}});
  REQUIRE(commit(page, batch, 3).empty());
  const auto all = collect(page, batch, "complete");
  for (int i = 0; i < 3; ++i) {
    const std::string made(all.by_id.at(std::to_string(i)).at("signature").as_string());
    const std::string own = id + "-" + std::to_string(i);
    std::string wanted = reference;
    if (const std::size_t at = wanted.find('%'); at != std::string::npos) wanted.replace(at, 1, own);
    CHECK(made.find(" Id=\"" + own + "\">") != std::string::npos);
    CHECK(made.find(wanted) != std::string::npos);
    CHECK(made.find("<ds:DigestValue>" + digest_of(std::to_string(i))) != std::string::npos);
    CHECK(made.find("Id=\"" + own + "-object-0\"") == std::string::npos);
    CHECK(made.ends_with("</ds:Signature>"));
  }
}

TEST_CASE("large results are spread over messages by their bytes") {
  Bench bench({.token = WithToken::yes, .limits = {.results_bytes = 10'000}});
  Page page(bench.port);
  page.hello();
  page.ask("certificate.choose");
  const std::string batch = begin_batch(page, 40);
  REQUIRE(commit(page, batch, 40).empty());
  const auto all = collect(page, batch, "complete");
  CHECK(without_gaps(all.sequences));
  CHECK(all.by_id.size() == 40);
  CHECK(all.most_in_message <= 6);
}

TEST_CASE("a client that cuts while results come does no harm, and another one gets the rest") {
  Bench bench({.token = WithToken::yes});
  std::string batch;
  {
    Page page(bench.port);
    page.hello();
    page.ask("certificate.choose");
    batch = begin_batch(page, 300);
    REQUIRE(commit(page, batch, 300).empty());
  }
  for (std::size_t cut = 1; cut < 200'000; cut = cut * 3 + 1) {
    Page page(bench.port);
    page.hello();
    page.begin("batch.resume", {{"batch", batch}});
    while (page.client.received().size() < cut && page.client.receive_more(1000)) {
    }
    page.client.reset();
  }
  Page last(bench.port);
  last.hello();
  last.begin("batch.resume", {{"batch", batch}});
  const auto all = collect(last, batch, "complete");
  CHECK(without_gaps(all.sequences));
  CHECK(all.by_id.size() == 300);
}
