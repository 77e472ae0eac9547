#include "net/fetch.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "net/http_server.hpp"
#include "running.hpp"

using namespace signet;
using namespace signet::net;
using base::ErrorCode;
using boost::asio::awaitable;

namespace {

// Answers as its target says.
struct Service {
  test::RunningContext context;
  std::vector<HttpRequest> seen;
  std::vector<std::uint16_t> ports_of_clients;
  std::unique_ptr<HttpServer> server;
  std::string url;

  Service() {
    ::unsetenv("http_proxy");
    HttpLimits limits;
    limits.body_bytes = 8u << 20;
    limits.close_timeout = std::chrono::milliseconds(50);
    HttpHandlers handlers;
    handlers.request = [this](HttpRequest request) -> awaitable<HttpResponse> {
      HttpResponse response;
      if (request.target == "/large") response.body.assign(5000, 'x');
      if (request.target == "/moved") response.status = 302, response.headers = {{"Location", url + "/"}};
      if (request.target == "/busy") response.status = 429, response.headers = {{"Retry-After", "7"}};
      if (request.target == "/fine-but-later") response.headers = {{"Retry-After", "7"}};
      if (request.target == "/echo") response.headers = {{"Content-Type", "text/x-echo"}}, response.body = request.body;
      if (request.target == "/silent") {
        boost::asio::steady_timer timer(context.io(), std::chrono::seconds(20));
        co_await timer.async_wait(boost::asio::use_awaitable);
      }
      seen.push_back(std::move(request));
      co_return response;
    };
    server = std::make_unique<HttpServer>(context.io().get_executor(), std::move(handlers), limits);
    url = "http://127.0.0.1:" + std::to_string(server->listen({boost::asio::ip::address_v4::loopback(), 0}).value());
    context.start();
  }
  ~Service() {
    context.await(server->stop());
    context.join();
  }
  FetchRequest to(const std::string& target) const {
    FetchRequest request;
    request.url = url + target;
    return request;
  }
};

}  // namespace

TEST_CASE("a body is posted with its type, and the answer comes with its own") {
  Service service;
  FetchRequest request = service.to("/echo");
  request.body = {0, 1, 2, 255};
  request.content_type = "application/timestamp-query";
  request.accept = "application/timestamp-reply";
  const auto response = fetch(request);
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->content_type == "text/x-echo");
  CHECK(response->body == request.body);
  const HttpRequest& seen = service.seen.at(0);
  CHECK(seen.method == "POST");
  CHECK(seen.all("content-type") == std::vector<std::string_view>{"application/timestamp-query"});
  CHECK(seen.all("accept") == std::vector<std::string_view>{"application/timestamp-reply"});
  CHECK(seen.all("expect").empty());
}

TEST_CASE("without a body it is a GET, and a thread's connection is used again") {
  Service service;
  for (int i = 0; i < 3; ++i) CHECK(fetch(service.to("/"))->status == 200);
  CHECK(service.seen.at(0).method == "GET");
  CHECK(service.seen.at(2).remote.port == service.seen.at(0).remote.port);
}

TEST_CASE("an HTTP error is a response, with the time to wait where there is one") {
  Service service;
  const auto busy = fetch(service.to("/busy"));
  REQUIRE(busy);
  CHECK(busy->status == 429);
  CHECK(busy->retry_after == std::chrono::seconds(7));
  CHECK_FALSE(fetch(service.to("/fine-but-later"))->retry_after);
}

TEST_CASE("redirects are not followed") {
  Service service;
  CHECK(fetch(service.to("/moved"))->status == 302);
  CHECK(service.seen.size() == 1);
}

TEST_CASE("a response over the limit is cut off") {
  Service service;
  FetchRequest request = service.to("/large");
  request.max_response_bytes = 5000;
  CHECK(fetch(request)->body.size() == 5000);
  request.max_response_bytes = 4999;
  const auto response = fetch(request);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::message_too_large);
}

TEST_CASE("a silent server is given up after the time, and when cancelled") {
  Service service;
  FetchRequest request = service.to("/silent");
  const auto began = std::chrono::steady_clock::now();
  std::atomic<bool> cancelled = false;
  base::Result<FetchResponse> response;
  SECTION("time") {
    request.timeout = std::chrono::milliseconds(100);
    response = fetch(request);
  }
  SECTION("cancelled") {
    cancelled = true;
    response = fetch(request, &cancelled);
  }
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::network_failed);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
}

TEST_CASE("nobody there, no such scheme and a name with a line break are errors") {
  FetchRequest request;
  const auto [url, code] =
      GENERATE(table<std::string, ErrorCode>({{"http://127.0.0.1:1/", ErrorCode::network_failed},
                                              {"file:///etc/passwd", ErrorCode::network_failed},
                                              {"ftp://127.0.0.1/", ErrorCode::network_failed},
                                              {"", ErrorCode::network_failed},
                                              {"http://127.0.0.1:1/\r\nX: y", ErrorCode::parameter_invalid}}));
  request.url = url;
  const auto response = fetch(request);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == code);
}

TEST_CASE("a proxy of the environment is asked instead") {
  Service service;
  ::setenv("http_proxy", service.url.c_str(), 1);
  FetchRequest request;
  request.url = "http://tsa.example/tsa";
  CHECK(fetch(request)->status == 200);
  ::unsetenv("http_proxy");
  CHECK(service.seen.at(0).target == "http://tsa.example/tsa");
}

TEST_CASE("where only public addresses are wanted this machine and its network are not called, by whatever name") {
  Service service;
  const std::string port = service.url.substr(service.url.rfind(':'));
  for (const std::string host : {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]", "2130706433"}) {
    FetchRequest request;
    request.url = "http://" + host + port + "/";
    request.public_addresses_only = true;
    const auto response = fetch(request);
    CAPTURE(host);
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::network_failed);
  }
  // One that is kept from a call without that wish is not used either.
  CHECK(fetch(service.to("/"))->status == 200);
  FetchRequest request = service.to("/");
  request.public_addresses_only = true;
  CHECK_FALSE(fetch(request));
  CHECK(service.seen.size() == 1);
}
