#include "web_bridge/native_server.hpp"

#include <catch2/catch.hpp>

#include "another_user.hpp"
#include "bench.hpp"
#include "lacking.hpp"

using namespace signet;
using namespace signet::test;

namespace {

struct Plain {
  std::string method = "GET";
  std::string target = "/health";
  std::optional<std::string> host = {};
  std::vector<std::string> origins = {allowed_origin};
};

RawClient::Response plain(std::uint16_t port, const Plain& request) {
  RawClient client(port);
  std::string text = request.method + ' ' + request.target +
                     " HTTP/1.1\r\nHost: " + request.host.value_or("127.0.0.1:" + std::to_string(port)) + "\r\n";
  for (const std::string& origin : request.origins) text += "Origin: " + origin + "\r\n";
  client.send(text + "\r\n");
  return client.response();
}

}  // namespace

TEST_CASE("a page of an allowed origin is greeted, over IPv4 and IPv6 and by all three names") {
  Bench bench;
  const std::string port = std::to_string(bench.port);
  Upgrading how;
  SECTION("IPv4") {}
  SECTION("IPv6") { how.family = RawClient::Family::v6; }
  SECTION("IPv4 through an IPv6 socket") { how.family = RawClient::Family::v4_mapped; }
  SECTION("localhost") { how.host = "localhost:" + port; }
  SECTION("another subprotocol beside ours") { how.subprotocol = "x, signet.v1"; }
  Page page(bench.port, how);
  CHECK(page.response.status == 101);
  CHECK(page.response.has("Sec-WebSocket-Protocol: signet.v1\r\n"));
  const auto hello = page.hello();
  const auto& result = hello.at("result").as_object();
  CHECK(result.at("protocol") == 1);
  CHECK(result.at("agent") == "signet");
  CHECK(result.at("version") == "0.1.0");
  CHECK(result.at("abilities").at("levels") == json::array{"b"});
  CHECK(result.at("limits").at("message_bytes") == 4194304);
  CHECK(result.at("limits").as_object().size() == 7);
}

TEST_CASE("level t is told where a time stamp service is configured") {
  Bench bench({.time_stamps = NativeOptions::TimeStamps::configured});
  Page page(bench.port);
  CHECK(page.hello().at("result").at("abilities").at("levels") == json::array{"b", "t"});
}

TEST_CASE("a wrong Host is refused before anything else is looked at") {
  Bench bench;
  // P stands for the port.
  std::string host = GENERATE("", "sign.example", "sign.example:P", "127.0.0.1", "localhost", "127.0.0.1:1", "LOCALHOST:P",
                              "127.0.0.2:P", "localhost.:P", "[::1]:0P", "::1:P", "127.0.0.1:P.evil.example", "127.1:P",
                              "0.0.0.0:P", "127.0.0.1:P\r\nHost: localhost:P");
  for (std::size_t at; (at = host.find('P')) != std::string::npos;) host.replace(at, 1, std::to_string(bench.port));
  INFO(host);
  Upgrading how;
  how.host = host;
  how.origins = {"null"};
  Page page(bench.port, how);
  CHECK(page.response.status == 403);
  CHECK(page.response.body == R"({"error":{"code":"host_refused"}})");
  CHECK(page.client.ended());
  CHECK(bench.happened("refused host_refused"));
}

TEST_CASE("a request without exactly one web origin is refused") {
  Bench bench;
  const auto origins = GENERATE(
      std::vector<std::string>{}, std::vector<std::string>{"null"}, std::vector<std::string>{allowed_origin, allowed_origin},
      std::vector<std::string>{allowed_origin, "https://evil.example"}, std::vector<std::string>{"HTTPS://sign.example"},
      std::vector<std::string>{"https://Sign.example"}, std::vector<std::string>{"https://sign.example/"},
      std::vector<std::string>{"https://sign.example:443"}, std::vector<std::string>{"chrome-extension://abcdefgh"},
      std::vector<std::string>{"file://"}, std::vector<std::string>{""},
      std::vector<std::string>{"https://sign.example https://evil.example"},
      std::vector<std::string>{"https://user@sign.example"});
  Upgrading how;
  how.origins = origins;
  Page page(bench.port, how);
  CHECK(page.response.status == 403);
  CHECK(page.response.body == R"({"error":{"code":"origin_refused"}})");
  CHECK(page.client.ended());
  const auto health = plain(bench.port, {.origins = origins});
  CHECK(health.status == 403);
  CHECK_FALSE(health.has("Access-Control-Allow-Origin"));
}

TEST_CASE("a page that is not allowed is told so on a socket that then closes") {
  Bench bench;
  const std::string origin = GENERATE("https://evil.example", "http://sign.example", "https://sign.example:8443",
                                      "https://sub.sign.example", "http://localhost:8081", "http://localhost");
  Upgrading how;
  how.origins = {origin};
  SECTION("with the subprotocol") {}
  SECTION("without") { how.subprotocol.clear(); }
  Page page(bench.port, how);
  REQUIRE(page.response.status == 101);
  const auto refused = page.event("refused");
  CHECK(refused.at("code") == "origin_refused");
  CHECK(page.closed() == 4403);
  CHECK(page.client.ended());
  CHECK(bench.connections_come_to(0));
}

TEST_CASE("a user who is not served is told so before the origin is looked at") {
  Bench bench({.users = {12345}});
  Upgrading how;
  how.origins = {GENERATE(std::string(allowed_origin), std::string("https://evil.example"))};
  Page page(bench.port, how);
  REQUIRE(page.response.status == 101);
  CHECK(page.event("refused").at("code") == "other_user");
  CHECK(page.closed() == 4409);
  CHECK(plain(bench.port, {}).body == R"({"error":{"code":"other_user"}})");
}

TEST_CASE("another user of this machine is refused") {
  if (::getuid() != 0) return lacking("only root can be somebody else");
  AnotherUser nobody([](const std::string& port) {
    Page page(static_cast<std::uint16_t>(std::stoul(port)));
    const std::string code(page.event("refused").at("code").as_string());
    return code + ' ' + std::to_string(page.closed());
  });
  Bench bench;
  CHECK(nobody.visit(std::to_string(bench.port)) == "other_user 4409");
}

TEST_CASE("what a peer sent before it closed is not acted on") {
  Bench bench;
  Page page(bench.port);
  page.hello();
  // Unread answers, so that the requests are still waiting when the peer is gone.
  page.send(R"({"id":2,"method":"batch.begin","params":{"purpose":"late"}})");
  const auto before = bench.context.on_thread([&] {
    // The server's thread is here: it cannot have read what comes now.
    const auto batches = bench.batches->overview().batches;
    page.client.send(RawWebSocket::frame(R"({"id":3,"method":"batch.begin","params":{"purpose":"later"}})"));
    page.client.close();
    return batches;
  });
  CHECK(bench.connections_come_to(0));
  CHECK(bench.context.on_thread([&] { return bench.batches->overview().batches; }) == before);
}

TEST_CASE("a page that stops sending is still answered") {
  Bench bench;
  Page page(bench.port);
  page.send(R"({"id":1,"method":"hello","params":{"protocol":1}})");
  page.send(R"({"id":2,"method":"batch.begin","params":{"purpose":"x"}})");
  const auto answers = std::pair(page.next(), page.next());
  page.client.finish_sending();
  CHECK(answers.second.contains("result"));
  CHECK(bench.connections_come_to(0));
}

TEST_CASE("without the subprotocol there is no session") {
  Bench bench;
  Upgrading how;
  how.subprotocol = GENERATE("", "signet.v2", "signet.v1x", "SIGNET.V1");
  Page page(bench.port, how);
  CHECK(page.response.status == 400);
  CHECK(page.response.body == R"({"error":{"code":"version_unsupported"}})");
  CHECK(page.client.ended());
}

TEST_CASE("connections over the limits are told so, and there is room again after one ended") {
  Bench bench({.limits = {.connections = 3, .connections_per_origin = 2}});
  Upgrading other;
  other.origins = {"http://localhost:8080"};
  auto first = std::make_unique<Page>(bench.port);
  Page second(bench.port);
  first->hello();
  second.hello();
  Page third(bench.port);
  CHECK(third.event("refused").at("code") == "too_many");
  CHECK(third.closed() == 4429);
  Page of_another(bench.port, other);
  of_another.hello();
  Page fourth(bench.port, other);
  CHECK(fourth.event("refused").at("code") == "too_many");
  first.reset();
  REQUIRE(bench.connections_come_to(2));
  Page fifth(bench.port);
  CHECK(fifth.hello().contains("result"));
}

TEST_CASE("health is told to allowed origins alone, and nothing else is there") {
  Bench bench;
  const auto health = plain(bench.port, {});
  CHECK(health.status == 200);
  CHECK(health.body == R"({"agent":"signet","protocol":1})");
  CHECK(health.has("Access-Control-Allow-Origin: https://sign.example\r\n"));
  CHECK(health.has("Vary: Origin\r\n"));
  CHECK(plain(bench.port, {.origins = {"https://evil.example"}}).body == R"({"error":{"code":"origin_refused"}})");
  CHECK(plain(bench.port, {.host = "evil.example"}).status == 403);
  CHECK(plain(bench.port, {.target = "/v1"}).status == 404);
  CHECK(plain(bench.port, {.target = "/"}).status == 404);
  CHECK(plain(bench.port, {.target = "/health?x"}).status == 404);
  CHECK(plain(bench.port, {.method = "POST"}).status == 404);
  CHECK(plain(bench.port, {.method = "OPTIONS"}).status == 404);
  Page elsewhere(bench.port, {.target = "/v2"});
  CHECK(elsewhere.response.status == 404);
}

TEST_CASE("a connection that says nothing is closed without a word") {
  Bench bench({.limits = {.hello_timeout = std::chrono::milliseconds(100)}});
  Page silent(bench.port), greeted(bench.port);
  greeted.hello();
  CHECK(silent.closed() == 0);
  CHECK(greeted.ask("batch.begin", {{"purpose", "still here"}}).contains("result"));
}

TEST_CASE("before hello nothing is done") {
  Bench bench;
  Page page(bench.port);
  CHECK(page.code_of("batch.begin", {{"purpose", "x"}}) == "hello_required");
  CHECK(page.code_of("nonsense") == "hello_required");
  CHECK(page.code_of("hello", {{"protocol", 2}}) == "version_unsupported");
  CHECK(page.code_of("hello") == "parameter_invalid");
  CHECK(page.code_of("hello", {{"protocol", "1"}}) == "parameter_invalid");
  CHECK(page.code_of("hello", {{"protocol", 1}, {"client", 5}}) == "parameter_invalid");
  CHECK(page.code_of("batch.begin", {{"purpose", "x"}}) == "hello_required");
  CHECK(page.code_of("hello", {{"protocol", 1}, {"language", "ru"}}).empty());
  CHECK(page.code_of("hello", {{"protocol", 1}, {"language", "tlh"}}).empty());
  CHECK(page.code_of("batch.begin", {{"purpose", "x"}}).empty());
  CHECK(bench.context.on_thread([&] { return bench.languages; }) == std::vector<std::string>{"https://sign.example ru"});
}

TEST_CASE("what is no request is answered, and the connection stays usable") {
  Bench bench;
  Page page(bench.port);
  page.hello();
  for (const char* text : {"", "{}", "[]", "hello", R"({"id":"1","method":"hello"})", R"({"method":"hello"})",
                           R"({"id":9,"id":9,"method":"hello"})"}) {
    page.send(text);
    const auto answer = page.next();
    CHECK(answer.at("id").is_null());
    CHECK(Messages::code(answer) == "message_invalid");
    CHECK(answer.at("error").at("who") == "caller");
  }
  CHECK(page.code_of("nonsense") == "method_unknown");
  CHECK(page.code_of("batch.begin", {{"purpose", "x"}}).empty());
}

TEST_CASE("methods of the command line are unknown to a page") {
  Bench bench;
  Page page(bench.port);
  page.hello();
  for (const char* method : {"status", "tokens", "tokens.watch", "tokens.explain", "certificates", "environment", "lock",
                             "restart", "origins", "journal", "pin.change", "pin.unblock"})
    CHECK(page.code_of(method) == "method_unknown");
}

TEST_CASE("a page learns that a token came or went, and no more of it") {
  Bench bench;
  Page early(bench.port), page(bench.port);
  page.hello();
  bench.context.on_thread([&] { bench.face->tokens_changed(true, R"({"tokens":[{"serial":"4711"}]})"); });
  CHECK(page.next() == json::parse(R"({"event":"tokens.changed","params":{"present":true}})"));
  bench.context.on_thread([&] { bench.face->tokens_changed(false, "{}"); });
  CHECK(page.next() == json::parse(R"({"event":"tokens.changed","params":{"present":false}})"));
  // Who has not said hello is told nothing: its first message is the answer to that.
  CHECK(early.hello().contains("result"));
}

TEST_CASE("a page that does not read is told of the newest change alone") {
  Bench bench;
  Page page(bench.port);
  page.hello();
  bench.context.on_thread([&] {
    for (int i = 0; i < 10'000; ++i) bench.face->tokens_changed(i % 2 == 0, "{}");
  });
  CHECK(page.next().at("params").at("present") == true);
  CHECK(page.next().at("params").at("present") == false);
  CHECK(page.code_of("batch.begin", {{"purpose", "x"}}).empty());  // nothing else came before the answer
}

TEST_CASE("messages that do not fit the socket close it with their code") {
  Bench bench;
  const auto [frame, code] = GENERATE(table<std::string, int>({{RawWebSocket::frame("{\"id\":1,\"method\":\"\xC3\x28\"}"), 1007},
                                                               {RawWebSocket::frame("{}", RawWebSocket::binary), 1003},
                                                               {RawWebSocket::frame(std::string((4 << 20) + 1, ' ')), 1009}}));
  Page page(bench.port);
  page.hello();
  page.client.send(frame);
  CHECK(page.closed() == code);
  CHECK(bench.connections_come_to(0));
}

TEST_CASE("a message of 4 MiB is read") {
  Bench bench;
  Page page(bench.port);
  const std::string hello = R"({"id":1,"method":"hello","params":{"protocol":1}})";
  page.send(hello + std::string((4 << 20) - hello.size(), ' '));
  CHECK(page.next().contains("result"));
}

TEST_CASE("a batch is begun and takes its parts in order") {
  Bench bench;
  Page page(bench.port);
  page.hello();
  const std::string batch = begin_batch(page, 3);
  CHECK(batch.size() == 43);
  const auto ask = [&](json::value part, json::value list) {
    return page.ask("batch.items", {{"batch", batch}, {"part", std::move(part)}, {"items", std::move(list)}});
  };
  CHECK(ask(1, items(3, 2)).at("result").at("items") == 5);
  CHECK(Messages::code(ask(1, items(5, 1))) == "part_out_of_order");
  CHECK(Messages::code(ask(3, items(5, 1))) == "part_out_of_order");
  CHECK(Messages::code(ask(-1, items(5, 1))) == "parameter_invalid");
  CHECK(Messages::code(ask("2", items(5, 1))) == "parameter_invalid");
  CHECK(Messages::code(ask(2, 5)) == "parameter_invalid");
  SECTION("a part with one bad item adds nothing") {
    json::array list = items(5, 2);
    const auto [name, value, code] =
        GENERATE(table<std::string, std::string, std::string>({{"id", "0", "id_duplicate"},
                                                               {"id", "5", "id_duplicate"},
                                                               {"id", "", "parameter_invalid"},
                                                               {"id", std::string(65, 'i'), "parameter_invalid"},
                                                               {"id", "a\nb", "parameter_invalid"},
                                                               {"name", "", "parameter_invalid"},
                                                               {"name", std::string(257, 'n'), "parameter_invalid"},
                                                               {"digest", "AAAA", "digest_length"},
                                                               {"alg", "md5", "algorithm_unknown"}}));
    list[1].as_object()[name] = value;
    CHECK(Messages::code(ask(2, list)) == code);
    CHECK(ask(2, items(5, 1)).at("result").at("items") == 6);
  }
  SECTION("the limit of a part") { CHECK(Messages::code(ask(2, items(5, 5001))) == "batch_too_large"); }
}

TEST_CASE("what batch.begin is given wrongly is named") {
  Bench bench;
  Page page(bench.port);
  page.hello();
  const auto [params, wrong] = GENERATE(table<json::object, std::string>(
      {{json::object{}, "purpose"},
       {json::object{{"purpose", ""}}, "purpose"},
       {json::object{{"purpose", 1}}, "purpose"},
       {json::object{{"purpose", std::string(257, 'p')}}, "purpose"},
       {json::object{{"purpose", "x"}, {"level", "t"}}, "level"},
       {json::object{{"purpose", "x"}, {"level", "lta"}}, "level"},
       {json::object{{"purpose", "x"}, {"packaging", "wrapped"}}, "packaging"},
       {json::object{{"purpose", "x"}, {"packaging", "enveloped"}, {"together", true}}, "together"},
       {json::object{{"purpose", "x"}, {"commitments", "approval"}}, "commitments"},
       {json::object{{"purpose", "x"}, {"commitments", json::array{"nod"}}}, "commitments"},
       {json::object{{"purpose", "x"}, {"commitments", json::array{"approval", 1}}}, "commitments"},
       {json::object{{"purpose", "x"}, {"commitments", json::array{"a:", "b:", "c:"}}}, "commitments"},
       {json::object{{"purpose", "x"}, {"roles", json::array{""}}}, "roles"},
       {json::object{{"purpose", "x"}, {"roles", json::array{std::string(65, 'r')}}}, "roles"},
       {json::object{{"purpose", "x"}, {"roles", json::array{"a\nb"}}}, "roles"},
       {json::object{{"purpose", "x"}, {"roles", json::array{"\u202Erotcerid"}}}, "roles"},
       {json::object{{"purpose", "x"}, {"roles", json::object{}}}, "roles"},
       {json::object{{"purpose", "x"}, {"place", "MD"}}, "place"},
       {json::object{{"purpose", "x"}, {"place", {{"city", 1}}}}, "place.city"},
       {json::object{{"purpose", "x"}, {"place", {{"country", "M\x01"}}}}, "place.country"},
       {json::object{{"purpose", "x"}, {"policy", json::array{"urn:p"}}}, "policy"},
       {json::object{{"purpose", "x"}, {"policy", {{"id", "p"}}}}, "policy.id"},
       {json::object{{"purpose", "x"}, {"policy", {{"id", "urn:p"}}}}, "policy.digest"},
       {json::object{{"purpose", "x"}, {"policy", {{"id", "urn:p"}, {"digest", "%%%%"}}}}, "policy.digest"},
       {json::object{{"purpose", "x"}, {"certificate", "9b1c"}}, "certificate"},
       {json::object{{"purpose", "x"}, {"certificate", std::string(64, 'X')}}, "certificate"},
       {json::object{{"purpose", "x"}, {"together", 1}}, "together"},
       {json::object{{"purpose", "x"}, {"pss", "yes"}}, "pss"}}));
  const auto answer = page.ask("batch.begin", params);
  CHECK(Messages::code(answer) == "parameter_invalid");
  CHECK(Messages::message(answer).starts_with(wrong + ":"));
}

TEST_CASE("a batch is unknown to other origins, and so is every handle that is none") {
  Bench bench;
  Upgrading other;
  other.origins = {"http://localhost:8080"};
  Page page(bench.port), stranger(bench.port, other);
  page.hello();
  stranger.hello();
  const std::string batch = begin_batch(page, 1);
  for (const auto& [method, params] :
       std::vector<std::pair<std::string, json::object>>{{"batch.items", {{"part", 1}, {"items", items(1, 1)}}},
                                                         {"batch.commit", {{"items", 1}}},
                                                         {"batch.acknowledge", {{"through", 1}}},
                                                         {"batch.resume", {}},
                                                         {"batch.cancel", {}},
                                                         {"batch.time_stamp", {}},
                                                         {"batch.close", {}}}) {
    json::object with = params;
    with["batch"] = batch;
    CHECK(stranger.code_of(method, with) == "batch_unknown");
    with["batch"] = "no such handle";
    CHECK(page.code_of(method, with) == "batch_unknown");
    with["batch"] = 5;
    CHECK(page.code_of(method, with) == "parameter_invalid");
    with.erase("batch");
    CHECK(page.code_of(method, with) == "parameter_invalid");
  }
  CHECK(page.code_of("batch.cancel", {{"batch", batch}}).empty());
  CHECK(page.code_of("batch.close", {{"batch", batch}}).empty());
  CHECK(page.code_of("batch.close", {{"batch", batch}}) == "batch_unknown");
}

TEST_CASE("eight unfinished batches of one origin are enough") {
  Bench bench;
  Page page(bench.port);
  page.hello();
  for (int i = 0; i < 8; ++i) begin_batch(page, 1);
  CHECK(page.code_of("batch.begin", {{"purpose", "ninth"}}) == "too_many");
}

TEST_CASE("without a token the page learns who must act") {
  Bench bench;
  Page page(bench.port);
  page.hello();
  const auto chosen = page.ask("certificate.choose");
  CHECK(Messages::code(chosen) == "no_token");
  CHECK(chosen.at("error").at("who") == "person");
  CHECK(page.code_of("certificate.choose", {{"again", "yes"}}) == "parameter_invalid");
  const std::string batch = begin_batch(page, 1);
  CHECK(page.code_of("batch.commit", {{"batch", batch}, {"items", 2}}) == "parameter_invalid");
  CHECK(page.code_of("batch.commit", {{"batch", batch}, {"items", 1}}) == "no_token");
  const std::string empty = begin_batch(page, 0);
  CHECK(page.code_of("batch.commit", {{"batch", empty}, {"items", 0}}) == "batch_empty");
}

TEST_CASE("a connection that is cut anywhere is forgotten, and its neighbour is served") {
  Bench bench({.signing = {.max_batches_per_origin = 10'000}});
  Page neighbour(bench.port);
  neighbour.hello();
  const std::string upgrade = Upgrading{}.text(bench.port);
  const std::string frames = RawWebSocket::frame(R"({"id":1,"method":"hello","params":{"protocol":1}})") +
                             RawWebSocket::frame(R"({"id":2,"method":"batch.begin","params":{"purpose":"x"}})") +
                             RawWebSocket::frame(R"({"id":3,"method":"certificate.choose"})");
  for (std::size_t cut = 0; cut <= upgrade.size() + frames.size(); ++cut) {
    RawClient client(bench.port);
    client.send(upgrade.substr(0, std::min(cut, upgrade.size())));
    if (cut >= upgrade.size()) {
      REQUIRE(client.response().status == 101);
      client.send(frames.substr(0, cut - upgrade.size()));
    }
    if (cut % 2 == 0) client.reset();
  }
  CHECK(bench.connections_come_to(1));
  CHECK(neighbour.ask("batch.begin", {{"purpose", "still here"}}).contains("result"));
}

TEST_CASE("a port that is taken on either address is passed over") {
  Bench bench;
  RunningContext context;
  const auto busy = bench.port;
  NativeServerOptions options;
  options.policy = {{}, {::getuid()}};
  options.ports = {busy, 0, 0, 0, 0, 0};
  NativeServer second(context.io().get_executor(), *bench.face, std::move(options));
  const auto port = second.start();
  REQUIRE(port);
  CHECK(*port != busy);
  options = {};
  options.ports = {busy};
  NativeServer third(context.io().get_executor(), *bench.face, std::move(options));
  CHECK(third.start().error().origin == EADDRINUSE);

  const net::Descriptor squatter(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_addr = in6addr_loopback;
  socklen_t size = sizeof name;
  REQUIRE(::bind(squatter.number(), reinterpret_cast<sockaddr*>(&name), size) == 0);
  REQUIRE(::listen(squatter.number(), 1) == 0);
  ::getsockname(squatter.number(), reinterpret_cast<sockaddr*>(&name), &size);
  options = {};
  options.ports = {ntohs(name.sin6_port)};
  NativeServer fourth(context.io().get_executor(), *bench.face, std::move(options));
  CHECK_FALSE(fourth.start());
  CHECK_THROWS(RawClient(ntohs(name.sin6_port)));  // nor does it listen on the other
}
