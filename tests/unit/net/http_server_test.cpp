#include "net/http_server.hpp"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <limits>

#include "base/owned.hpp"
#include "raw_client.hpp"
#include "running.hpp"

using namespace signet;
using namespace signet::net;
using boost::asio::awaitable;
using test::RawClient;
using test::RawWebSocket;

namespace {

// A server that echoes: what came in comes back, over HTTP and over a WebSocket.
struct Echo {
  test::RunningContext context;
  std::vector<std::string> events;
  HttpLimits limits;
  std::unique_ptr<HttpServer> server;
  std::uint16_t port = 0;
  std::atomic<bool> proxy = false;  // whether all who call are one

  explicit Echo(HttpLimits the_limits = {}, const std::optional<TlsFiles>& tls = {}) : limits(the_limits) {
    HttpHandlers handlers;
    handlers.request = [](HttpRequest request) -> awaitable<HttpResponse> {
      HttpResponse response;
      response.headers = {{"Content-Type", "text/plain"}, {"X-Method", request.method}, {"X-Target", request.target}};
      for (const auto value : request.all("x-many")) response.headers.emplace_back("X-Seen", std::string(value));
      response.body = std::move(request.body);
      if (request.client_certificate)
        response.headers.emplace_back("X-Client-Certificate", std::to_string(request.client_certificate->size()));
      if (request.target == "/throws") throw std::runtime_error("thrown");
      if (request.target == "/last") response.close = true;
      co_return response;
    };
    handlers.body_bytes = [](const HttpRequest& head) -> std::size_t {
      return head.all("x-stranger").empty() ? std::numeric_limits<std::size_t>::max() : 10;
    };
    handlers.speaks_for_many = [this](const boost::asio::ip::address&) { return proxy.load(); };
    handlers.upgrade = [](HttpRequest request) -> awaitable<std::variant<HttpResponse, Upgrade>> {
      if (request.target == "/no") {
        HttpResponse refused;
        refused.status = 403;
        refused.body = "no";
        co_return refused;
      }
      Upgrade upgrade;
      upgrade.subprotocol = "echo";
      upgrade.max_message_bytes = 1000;
      upgrade.session = [](std::shared_ptr<WebSocket> socket) -> awaitable<void> {
        for (;;) {
          auto text = co_await socket->read();
          if (!text) co_return;
          if (*text == "close") co_await socket->close(4403, "asked for");
          if (!co_await socket->write(std::move(*text))) co_return;
        }
      };
      co_return upgrade;
    };
    handlers.on_event = [this](std::string_view event, std::string_view) { events.emplace_back(event); };
    server = std::make_unique<HttpServer>(context.io().get_executor(), std::move(handlers), limits);
    port = server->listen({boost::asio::ip::address_v4::loopback(), 0}, tls).value();
    context.start();
  }
  ~Echo() {
    context.await(server->stop());
    context.on_thread([&] { server.reset(); });
    context.join();
  }
  std::size_t connections() {
    return context.on_thread([&] { return server->connections(); });
  }
  bool comes_to(std::size_t wanted) {
    for (int i = 0; i < 1000; ++i) {
      if (connections() == wanted) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
};

std::string upgrade_request(std::string_view target = "/") {
  return "GET " + std::string(target) +
         " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

}  // namespace

TEST_CASE("a request is answered, and the next one on the same connection") {
  Echo echo;
  RawClient client(echo.port);
  REQUIRE(client.send("POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Many: 1\r\nx-MANY: 2\r\nContent-Length: 5\r\n\r\nhello"));
  const auto first = client.response();
  CHECK(first.status == 200);
  CHECK(first.body == "hello");
  CHECK(first.has("X-Method: POST\r\n"));
  CHECK(first.has("X-Target: /a?b=c\r\n"));
  CHECK(first.has("X-Seen: 1\r\nX-Seen: 2\r\n"));
  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(client.response().status == 200);
}

TEST_CASE("requests that were sent together are answered in their order") {
  Echo echo;
  RawClient client(echo.port);
  REQUIRE(client.send(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2"));
  CHECK(client.response().body == "1");
  CHECK(client.response().body == "2");
}

TEST_CASE("a connection ends where the client or the handler wants it") {
  Echo echo;
  const std::string request = GENERATE("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                       "GET /last HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\n\r\n");
  RawClient client(echo.port);
  REQUIRE(client.send(request));
  CHECK(client.response().status == 200);
  CHECK(client.ended());
  CHECK(echo.comes_to(0));
}

TEST_CASE("an answer to HEAD has no body") {
  Echo echo;
  RawClient client(echo.port);
  REQUIRE(client.send("HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  std::string& in = client.received();
  while (in.find("\r\n\r\n") == std::string::npos) REQUIRE(client.receive_more());
  CHECK(in.find("Content-Length: 3\r\n") != std::string::npos);
  in.erase(0, in.find("\r\n\r\n") + 4);
  CHECK(client.response().has("HTTP/1.1 200"));
}

TEST_CASE("100-continue is answered before the body") {
  Echo echo;
  RawClient client(echo.port);
  REQUIRE(client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  CHECK(client.response().status == 100);
  REQUIRE(client.send("ok"));
  CHECK(client.response().body == "ok");
}

TEST_CASE("what is too large or no HTTP is refused, and the connection ends") {
  HttpLimits limits;
  limits.body_bytes = 100;
  limits.header_bytes = 1024;
  Echo echo(limits);
  const auto [request, status] = GENERATE(table<std::string, int>({
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x'), 413},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + std::string(101, 'x') + "\r\n0\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + std::string(2000, 'c') + "\r\n\r\n", 431},
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {std::string("GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n", 29), 400},
  }));
  RawClient client(echo.port);
  REQUIRE(client.send(request));
  CHECK(client.response().status == status);
  CHECK(client.ended());
}

TEST_CASE("the handler decides by the head how much of a body is read") {
  Echo echo;
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nX-Stranger: yes\r\n";
  RawClient within(echo.port);
  REQUIRE(within.send(head + "Content-Length: 10\r\n\r\n0123456789"));
  CHECK(within.response().body == "0123456789");
  const std::string rest = GENERATE("Content-Length: 11\r\n\r\n", "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n",
                                    "Transfer-Encoding: chunked\r\n\r\nb\r\n");
  RawClient over(echo.port);
  REQUIRE(over.send(head + rest));
  CHECK(over.response().status == 413);
  CHECK(over.ended());
}

TEST_CASE("a silent connection is closed without a word") {
  HttpLimits limits;
  limits.header_timeout = std::chrono::milliseconds(50);
  limits.body_timeout = std::chrono::milliseconds(50);
  Echo echo(limits);
  const std::string part = GENERATE("", "GET / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
  RawClient client(echo.port);
  REQUIRE(client.send(part));
  CHECK(client.ended());
  CHECK(client.received().empty());
}

TEST_CASE("a connection whose answer is not read ends, and others are answered meanwhile") {
  constexpr std::size_t more_than_buffers_hold = 32u << 20;
  HttpLimits limits;
  limits.body_bytes = more_than_buffers_hold;
  limits.write_timeout = std::chrono::milliseconds(300);
  Echo echo(limits);
  RawClient deaf(echo.port);
  REQUIRE(deaf.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(more_than_buffers_hold) + "\r\n\r\n" +
                    std::string(more_than_buffers_hold, 'x')));
  RawClient other(echo.port);
  REQUIRE(other.send("GET /last HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(other.response().status == 200);
  CHECK(other.ended());
  CHECK(echo.comes_to(0));
}

TEST_CASE("connections over the limit are dropped, and there is room again after one ended") {
  HttpLimits limits;
  limits.connections = 2;
  Echo echo(limits);
  RawClient first(echo.port), second(echo.port);
  REQUIRE(echo.comes_to(2));
  RawClient third(echo.port);
  CHECK(third.ended());
  first.close();
  REQUIRE(echo.comes_to(1));
  RawClient fourth(echo.port);
  REQUIRE(fourth.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(fourth.response().status == 200);
}

TEST_CASE("one address has a share of the connections, but for a proxy that brings many") {
  HttpLimits limits;
  limits.connections_of_one = 2;
  Echo echo(limits);
  const auto port_of_v6 =
      echo.context.on_thread([&] { return echo.server->listen({boost::asio::ip::address_v6::loopback(), 0}).value(); });
  RawClient first(echo.port), second(echo.port);
  REQUIRE(echo.comes_to(2));
  RawClient third(echo.port);
  CHECK(third.ended());
  RawClient another(port_of_v6, RawClient::Family::v6);
  REQUIRE(another.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(another.response().status == 200);
  first.close();
  REQUIRE(echo.comes_to(2));
  RawClient fourth(echo.port);
  REQUIRE(fourth.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(fourth.response().status == 200);
  echo.proxy = true;
  RawClient fifth(echo.port);
  REQUIRE(fifth.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(fifth.response().status == 200);
}

namespace {

constexpr const char* post = "POST / HTTP/1.1\r\nHost: x\r\n";
const std::string large = std::string(post) + "Content-Length: 100000\r\n\r\n";

// Whether a large body is refused before it is sent: once what others sent has been read.
bool comes_to_refuse(const Echo& echo) {
  for (int i = 0; i < 1000; ++i) {
    RawClient client(echo.port);
    client.send(std::string(post) + "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
    if (client.response().status == 503) return true;
    client.reset();
  }
  return false;
}

int answer_to_large(const Echo& echo) {
  RawClient client(echo.port);
  client.send(large + std::string(100'000, 'x'));
  return client.response().status;
}

}  // namespace

TEST_CASE("bodies have a common limit: for more there is 503, small ones pass, and there is room again afterwards") {
  HttpLimits limits;
  limits.body_bytes = 100'000;
  limits.body_bytes_at_once = 150'000;
  Echo echo(limits);
  {
    RawClient holder(echo.port), refused(echo.port), small(echo.port);
    REQUIRE(holder.send(large + std::string(90'000, 'x')));
    REQUIRE(comes_to_refuse(echo));
    const std::string late = GENERATE("Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n186a0\r\n");
    REQUIRE(refused.send(post + late + std::string(100'000, 'x')));
    const auto answer = refused.response();
    CHECK(answer.status == 503);
    CHECK(answer.has("Retry-After: 2\r\n"));
    CHECK(refused.ended());
    REQUIRE(small.send(std::string(post) + "Content-Length: 5\r\n\r\nhello"));
    CHECK(small.response().body == "hello");
    REQUIRE(holder.send(std::string(10'000, 'x')));
    CHECK(holder.response().status == 200);
    CHECK(answer_to_large(echo) == 200);
    REQUIRE(holder.send(large + std::string(90'000, 'x')));  // and leaves in the middle
    REQUIRE(comes_to_refuse(echo));
  }
  REQUIRE(echo.comes_to(0));
  CHECK(answer_to_large(echo) == 200);
}

TEST_CASE("a length that is only announced keeps no room from others") {
  HttpLimits limits;
  limits.body_bytes = 100'000;
  limits.body_bytes_at_once = 100'000;
  Echo echo(limits);
  RawClient first(echo.port), second(echo.port), third(echo.port);
  REQUIRE(first.send(large + "x"));
  REQUIRE(second.send(large));
  REQUIRE(third.send(std::string(post) + "Transfer-Encoding: chunked\r\n\r\n186a0\r\nx"));
  REQUIRE(echo.comes_to(3));
  CHECK(answer_to_large(echo) == 200);
}

TEST_CASE("one address has a share of the room for bodies, but for a proxy that brings those of many") {
  HttpLimits limits;
  limits.body_bytes = 100'000;
  limits.body_bytes_at_once = 1'000'000;
  limits.body_bytes_of_one = 150'000;
  Echo echo(limits);
  const auto port_of_v6 =
      echo.context.on_thread([&] { return echo.server->listen({boost::asio::ip::address_v6::loopback(), 0}).value(); });
  RawClient holder(echo.port), another(port_of_v6, RawClient::Family::v6);
  REQUIRE(holder.send(large + std::string(90'000, 'x')));
  REQUIRE(comes_to_refuse(echo));
  REQUIRE(another.send(large + std::string(100'000, 'x')));
  CHECK(another.response().status == 200);
  echo.proxy = true;
  CHECK(answer_to_large(echo) == 200);
  echo.proxy = false;
  CHECK(answer_to_large(echo) == 503);
  holder.close();
  REQUIRE(echo.comes_to(1));
  CHECK(answer_to_large(echo) == 200);
}

TEST_CASE("an exception of a handler ends its connection and nothing else") {
  Echo echo;
  RawClient client(echo.port), other(echo.port);
  REQUIRE(client.send("GET /throws HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(client.ended());
  REQUIRE(other.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(other.response().status == 200);
  CHECK(echo.context.on_thread([&] { return echo.events; }) == std::vector<std::string>{"connection_failed"});
}

TEST_CASE("a WebSocket carries messages both ways") {
  Echo echo;
  RawClient client(echo.port);
  REQUIRE(client.send(upgrade_request()));
  const auto answer = client.response();
  CHECK(answer.status == 101);
  CHECK(answer.has("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  CHECK(answer.has("Sec-WebSocket-Protocol: echo"));
  RawWebSocket socket(client);
  REQUIRE(socket.send("Ștefan"));
  CHECK(socket.next()->payload == "Ștefan");
  SECTION("a message in fragments, with a ping between them") {
    REQUIRE(client.send(RawWebSocket::frame("one ", RawWebSocket::text, false)));
    REQUIRE(client.send(RawWebSocket::frame("?", RawWebSocket::ping)));
    REQUIRE(client.send(RawWebSocket::frame("two", RawWebSocket::continuation)));
    CHECK(socket.next()->opcode == RawWebSocket::pong);
    CHECK(socket.next()->payload == "one two");
  }
  SECTION("the handler closes with a code of its own") {
    REQUIRE(socket.send("close"));
    const auto frame = socket.next();
    CHECK(frame->opcode == RawWebSocket::closing);
    CHECK(frame->close_code() == 4403);
    REQUIRE(client.send(RawWebSocket::frame(frame->payload, RawWebSocket::closing)));
    CHECK(client.ended());
  }
}

TEST_CASE("what does not belong on a WebSocket of texts closes it with its code") {
  Echo echo;
  const auto [frame, code] = GENERATE(table<std::string, int>({
      {RawWebSocket::frame("\xC3\x28"), 1007},
      {RawWebSocket::frame("abc", RawWebSocket::binary), 1003},
      {RawWebSocket::frame(std::string(1001, 'x')), 1009},
      {RawWebSocket::frame(std::string(600, 'x'), RawWebSocket::text, false) +
           RawWebSocket::frame(std::string(600, 'x'), RawWebSocket::continuation),
       1009},
      {std::string("\x81\x01x", 3), 1002},  // not masked
      {RawWebSocket::frame("x", static_cast<RawWebSocket::Opcode>(3)), 1002},
      {RawWebSocket::frame("x", RawWebSocket::continuation), 1002},
      {std::string("\xF1\x81\x00\x00\x00\x00x", 7), 1002},  // reserved bits
  }));
  RawClient client(echo.port);
  REQUIRE(client.send(upgrade_request()));
  REQUIRE(client.response().status == 101);
  RawWebSocket socket(client);
  REQUIRE(client.send(frame));
  const auto closing = socket.next();
  REQUIRE(closing);
  CHECK(closing->opcode == RawWebSocket::closing);
  CHECK(closing->close_code() == code);
  client.finish_sending();
  CHECK(client.ended());
  CHECK(echo.comes_to(0));
}

TEST_CASE("an upgrade that is refused or malformed is no WebSocket") {
  Echo echo;
  std::string request = upgrade_request();
  int status = 400;
  SECTION("by the handler") {
    request = upgrade_request("/no");
    status = 403;
  }
  SECTION("another version") { request.replace(request.find("13\r\n"), 2, "12"), status = 426; }
  SECTION("no key") { request.erase(request.find("Sec-WebSocket-Key"), 43); }
  SECTION("frames that did not wait for the answer") { request += RawWebSocket::frame("early"); }
  RawClient client(echo.port);
  REQUIRE(client.send(request));
  const int got = client.response().status;
  CHECK((got == status || (status == 426 && got == 400)));
  CHECK(client.ended());
}

TEST_CASE("a connection that is cut anywhere leaves nothing behind") {
  HttpLimits limits;
  limits.close_timeout = std::chrono::milliseconds(200);
  Echo echo(limits);
  const std::string all = upgrade_request() + RawWebSocket::frame("hello") + RawWebSocket::frame(std::string(300, 'x')) +
                          RawWebSocket::frame("\x03\xE8", RawWebSocket::closing);
  const std::size_t request_size = upgrade_request().size();
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    RawClient client(echo.port);
    client.send(all.substr(0, std::min(cut, request_size)));
    if (cut >= request_size) {
      REQUIRE(client.response().status == 101);
      client.send(all.substr(request_size, cut - request_size));
    }
    if (cut % 2 == 0) client.reset();
  }
  CHECK(echo.comes_to(0));
  RawClient client(echo.port);
  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(client.response().status == 200);
}

TEST_CASE("stopping closes WebSockets with 1001 and takes no new connections") {
  Echo echo;
  RawClient client(echo.port), idle(echo.port);
  REQUIRE(client.send(upgrade_request()));
  REQUIRE(client.response().status == 101);
  REQUIRE(echo.comes_to(2));
  auto stopped = boost::asio::co_spawn(echo.context.io(), echo.server->stop(), boost::asio::use_future);
  RawWebSocket socket(client);
  const auto closing = socket.next();
  REQUIRE(closing);
  CHECK(closing->close_code() == 1001);
  client.send(RawWebSocket::frame(closing->payload, RawWebSocket::closing));
  stopped.get();
  CHECK(idle.ended());
  CHECK(echo.connections() == 0);
  CHECK_THROWS(RawClient(echo.port));
}

TEST_CASE("a request that is half there when the server stops has the time that is given, and no more") {
  HttpLimits limits;
  limits.close_timeout = std::chrono::milliseconds(100);
  Echo echo(limits);
  RawClient client(echo.port);
  REQUIRE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
  REQUIRE(client.response().status == 100);  // its body is being read
  REQUIRE(client.send("ha"));
  const bool in_time = GENERATE(true, false);
  auto stopped = boost::asio::co_spawn(echo.context.io(), echo.server->stop(std::chrono::milliseconds(in_time ? 30'000 : 200)),
                                       boost::asio::use_future);
  if (in_time) {
    REQUIRE(stopped.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
    REQUIRE(client.send("lf"));
    CHECK(client.response().body == "half");
  }
  CHECK(client.ended());
  stopped.get();
  CHECK(echo.connections() == 0);
}

TEST_CASE("a peer that does not answer the closing handshake cannot hold the server up") {
  HttpLimits limits;
  limits.close_timeout = std::chrono::milliseconds(100);
  Echo echo(limits);
  RawClient client(echo.port);
  REQUIRE(client.send(upgrade_request()));
  REQUIRE(client.response().status == 101);
  echo.context.await(echo.server->stop());
  CHECK(echo.connections() == 0);
}

TEST_CASE("a port that is taken is told apart") {
  Echo echo;
  const auto again =
      echo.context.on_thread([&] { return echo.server->listen({boost::asio::ip::address_v4::loopback(), echo.port}); });
  REQUIRE_FALSE(again);
  CHECK(again.error().code == base::ErrorCode::network_failed);
  CHECK(again.error().origin == EADDRINUSE);
}

TEST_CASE("an inherited socket is listened on, and nothing else is taken for one") {
  test::RunningContext context;
  HttpHandlers handlers;
  handlers.request = [](HttpRequest) -> awaitable<HttpResponse> { co_return HttpResponse{}; };
  HttpServer server(context.io().get_executor(), handlers);
  Descriptor listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(listening.number(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  REQUIRE(::listen(listening.number(), 5) == 0);
  const auto port = server.adopt(std::move(listening));
  REQUIRE(port);
  CHECK_FALSE(server.adopt(Descriptor(::dup(0))));
  CHECK_FALSE(server.adopt(Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))));
  context.start();
  RawClient client(*port);
  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(client.response().status == 200);
  context.join();
}

TEST_CASE("TLS files that cannot be used are a wrong configuration") {
  Echo echo;
  const auto refused = echo.context.on_thread([&] {
    return echo.server->listen({boost::asio::ip::address_v4::loopback(), 0}, TlsFiles{"/nowhere.pem", "/nowhere.key"});
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == base::ErrorCode::configuration_invalid);
}

namespace {

// A certificate and key made by openssl, in a folder of their own.
struct TlsFolder {
  std::string path = [] {
    char folder[] = "/tmp/signet-tls-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    return std::string(folder);
  }();
  ~TlsFolder() { std::filesystem::remove_all(path); }

  void make(const std::string& name) const {
    const std::string file = path + "/" + name;
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout " + file +
        ".key -out " + file + ".pem 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  TlsFiles files(const std::string& name) const { return {path + "/" + name + ".pem", path + "/" + name + ".key"}; }
};

using Context = base::Owned<SSL_CTX, SSL_CTX_free>;
using Tls = base::Owned<SSL, SSL_free>;

Context client_context(const TlsFolder& folder, const std::string& own = {}) {
  Context context{SSL_CTX_new(TLS_client_method())};
  SSL_CTX_load_verify_locations(context.get(), (folder.path + "/server.pem").c_str(), nullptr);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (!own.empty()) {
    REQUIRE(SSL_CTX_use_certificate_file(context.get(), (folder.path + "/" + own + ".pem").c_str(), SSL_FILETYPE_PEM) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey_file(context.get(), (folder.path + "/" + own + ".key").c_str(), SSL_FILETYPE_PEM) == 1);
  }
  return context;
}

// One request on a new connection; `session` is resumed if there is one, and replaced by the new one.
std::string over_tls(SSL_CTX* context, std::uint16_t port, const std::string& request,
                     base::Owned<SSL_SESSION, SSL_SESSION_free>* session = nullptr) {
  RawClient client(port);
  const Tls tls{SSL_new(context)};
  SSL_set_fd(tls.get(), client.number());
  if (session != nullptr && *session) SSL_set_session(tls.get(), session->get());
  REQUIRE(SSL_connect(tls.get()) == 1);
  REQUIRE(SSL_write(tls.get(), request.data(), static_cast<int>(request.size())) > 0);
  std::string got;
  char bytes[4096];
  for (int size; (size = SSL_read(tls.get(), bytes, sizeof bytes)) > 0;) got.append(bytes, static_cast<std::size_t>(size));
  if (session != nullptr) {
    if (*session) CHECK(SSL_session_reused(tls.get()) == 1);
    session->reset(SSL_get1_session(tls.get()));
  }
  SSL_shutdown(tls.get());
  return got;
}

}  // namespace

TEST_CASE("over TLS a request is answered as without") {
  const TlsFolder folder;
  folder.make("server");
  folder.make("client");
  Echo echo({}, folder.files("server"));
  const std::string request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
  const auto got = over_tls(client_context(folder).get(), echo.port, request);
  CHECK(got.starts_with("HTTP/1.1 200"));
  CHECK(got.find(" GMT\r\n", got.find("\r\nDate: ")) != std::string::npos);
  CHECK(got.ends_with("\r\n\r\nhello"));
  // A browser that would offer one is not asked for it.
  CHECK(over_tls(client_context(folder, "client").get(), echo.port, request).find("X-Client-Certificate") == std::string::npos);

  RawClient plain(echo.port);  // no TLS on a TLS port
  REQUIRE(plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(plain.ended());
}

TEST_CASE("over TLS a refusal arrives although the rest of what is refused was sent") {
  const TlsFolder folder;
  folder.make("server");
  HttpLimits limits;
  limits.body_bytes = 100;
  Echo echo(limits, folder.files("server"));
  const std::string request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x');
  for (int i = 0; i < 20; ++i) CHECK(over_tls(client_context(folder).get(), echo.port, request).starts_with("HTTP/1.1 413"));
}

TEST_CASE("a client certificate that is asked for reaches the handler whatever it is worth, also in a resumed session") {
  const TlsFolder folder;
  folder.make("server");
  folder.make("client");
  folder.make("other");
  TlsFiles files = folder.files("server");
  files.client_certificate = TlsFiles::ClientCertificate::asked;
  Echo echo({}, files);
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const auto der_size = [&](const std::string& name) {
    const base::Owned<BIO, BIO_free_all> file{BIO_new_file((folder.path + "/" + name + ".pem").c_str(), "r")};
    const base::Owned<X509, X509_free> certificate{PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr)};
    return std::to_string(i2d_X509(certificate.get(), nullptr));
  };

  CHECK(over_tls(client_context(folder).get(), echo.port, request).find("X-Client-Certificate") == std::string::npos);
  for (const std::string name : {"client", "other"}) {
    const Context context = client_context(folder, name);
    base::Owned<SSL_SESSION, SSL_SESSION_free> session;
    for (int i = 0; i < 2; ++i)
      CHECK(over_tls(context.get(), echo.port, request, &session).find("X-Client-Certificate: " + der_size(name) + "\r\n") !=
            std::string::npos);
  }
}
