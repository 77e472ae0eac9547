#include "net/fetch.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "net/descriptor.hpp"
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
    ::unsetenv("no_proxy");
    HttpLimits limits;
    limits.body_bytes = 8u << 20;
    limits.close_timeout = std::chrono::milliseconds(50);
    HttpHandlers handlers;
    handlers.request = [this](HttpRequest request) -> awaitable<HttpResponse> {
      HttpResponse response;
      if (request.target == "/large") response.body.assign(5000, 'x');
      if (request.target.ends_with("/moved")) response.status = 302, response.headers = {{"Location", url + "/"}};
      if (request.target.starts_with("/moved-as/")) {  // "/moved-as/301/where"
        response.status = static_cast<unsigned>(std::stoi(request.target.substr(10, 3)));
        response.headers = {{"Location", request.target.substr(14)}};
      }
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

TEST_CASE("redirects are not followed unless that is wanted") {
  Service service;
  CHECK(fetch(service.to("/moved"))->status == 302);
  CHECK(service.seen.size() == 1);
}

TEST_CASE("a redirect is followed, as often as is wanted") {
  Service service;
  FetchRequest request = service.to("/moved-as/301//echo");
  request.max_redirects = 1;
  const auto response = fetch(request);
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->content_type == "text/x-echo");
  request = service.to("/moved-as/301//moved-as/302//moved");
  request.max_redirects = 2;
  const auto refused = fetch(request);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::network_failed);
  request.max_redirects = 3;
  CHECK(fetch(request)->status == 200);
}

TEST_CASE("what was posted is posted again where it was moved to, but for 303") {
  Service service;
  const auto [status, method] = GENERATE(
      table<std::string, std::string>({{"301", "POST"}, {"302", "POST"}, {"303", "GET"}, {"307", "POST"}, {"308", "POST"}}));
  FetchRequest request = service.to("/moved-as/" + status + "//echo");
  request.body = {1, 2, 3};
  request.content_type = "application/ocsp-request";
  request.max_redirects = 1;
  const auto response = fetch(request);
  REQUIRE(response);
  CHECK(service.seen.at(1).method == method);
  CHECK(response->body == (method == "POST" ? request.body : base::Bytes{}));
}

TEST_CASE("a redirect leads to no other scheme") {
  Service service;
  for (const std::string where : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/"}) {
    FetchRequest request = service.to("/moved-as/302/" + where);
    request.max_redirects = 1;
    const auto response = fetch(request);
    CAPTURE(where);
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::network_failed);
  }
}

TEST_CASE("redirects take no longer than one call may") {
  Service service;
  FetchRequest request = service.to("/moved-as/302//silent");
  request.max_redirects = 1;
  request.timeout = std::chrono::milliseconds(200);
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(fetch(request));
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
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

TEST_CASE("a proxy may be anywhere, and is asked for no address that is not public") {
  Service service;
  ::setenv("http_proxy", service.url.c_str(), 1);
  FetchRequest request;
  request.public_addresses_only = true;
  request.max_redirects = 1;
  request.url = "http://crl.example/list";
  CHECK(fetch(request)->status == 200);
  CHECK(service.seen.at(0).target == "http://crl.example/list");
  for (const std::string host :
       {"169.254.169.254", "10.0.0.1", "localhost:22", "LOCALHOST.", "a.localhost", "[::1]", "[::ffff:10.0.0.1]", "2130706433",
        "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.", "%31%32%37.0.0.1", "user@127.0.0.1", "１２７.0.0.1"}) {
    request.url = "http://" + host + "/";
    CAPTURE(host);
    const auto response = fetch(request);
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::network_failed);
  }
  // Where the proxy's answer leads is looked at alike.
  request.url = "http://crl.example/moved";
  CHECK_FALSE(fetch(request));
  CHECK(service.seen.size() == 2);
  ::setenv("no_proxy", "other.example, .crl.example", 1);
  request.url = "http://www.crl.example.:1/";
  CHECK_FALSE(fetch(request));
  CHECK(service.seen.size() == 2);
  ::unsetenv("no_proxy");
  ::unsetenv("http_proxy");
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
    CHECK(response.error().origin == only_private_addresses);
  }
  // One that is kept from a call without that wish is not used either.
  CHECK(fetch(service.to("/"))->status == 200);
  FetchRequest request = service.to("/");
  request.public_addresses_only = true;
  CHECK_FALSE(fetch(request));
  CHECK(service.seen.size() == 1);
}

namespace {

// Names that resolve as is wanted, for this process alone.
bool with_hosts(const std::string& text) {
  std::string file = std::filesystem::temp_directory_path() / "signet-hosts-XXXXXX";
  const Descriptor hosts(::mkstemp(file.data()));
  const bool written = ::write(hosts.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fchmod(hosts.number(), 0644) == 0;
  const bool mounted = written && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       ::mount(file.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) == 0;
  ::unlink(file.c_str());
  return mounted;
}

// A network of its own, in which an address that is public elsewhere is this machine's. In a process of its own.
bool in_another_network(const char* address) {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0) return false;
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto set = [&](const char* name, const char* v4) {
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    auto* const where = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    where->sin_family = AF_INET;
    return ::inet_pton(AF_INET, v4, &where->sin_addr) == 1 && ::ioctl(socket.number(), SIOCSIFADDR, &request) == 0;
  };
  ifreq up{};
  std::strncpy(up.ifr_name, "lo", sizeof up.ifr_name - 1);
  up.ifr_flags = IFF_UP | IFF_RUNNING;
  return ::ioctl(socket.number(), SIOCSIFFLAGS, &up) == 0 && set("lo", "127.0.0.1") && set("lo:1", address);
}

enum : int { as_it_should = 0, no_network = 77 };

int redirected_in_another_network() {
  constexpr const char* address = "93.184.216.34";
  if (!in_another_network(address)) return no_network;
  if (!with_hosts("127.0.0.1 inside.example\n" + std::string(address) + " outside.example\n")) return no_network;
  Service service;
  const auto port = service.server->listen({boost::asio::ip::make_address(address), 0});
  if (!port) return 1;
  FetchRequest request;
  request.public_addresses_only = true;
  request.max_redirects = 3;
  const std::string there = "http://" + std::string(address) + ":" + std::to_string(*port);
  request.url = there + "/moved-as/301//echo";
  if (const auto response = fetch(request); !response || response->status != 200) return 2;
  request.url = "http://outside.example:" + std::to_string(*port) + "/echo";
  if (const auto response = fetch(request); !response || response->status != 200) return 3;
  // By its address, and by a name of which nothing tells that it is this machine's.
  const std::string inside = "http://inside.example" + service.url.substr(service.url.rfind(':')) + "/";
  const std::size_t seen = service.seen.size();
  for (const std::string& path : {std::string("/moved"), "/moved-as/301/" + inside}) {
    request.url = there + path;
    if (fetch(request)) return 4;
  }
  if (service.seen.size() != seen + 2) return 5;
  request.url = inside;
  if (fetch(request)) return 6;
  // A connection to this machine that is kept is none that a stranger may use.
  FetchRequest trusted;
  trusted.url = inside;
  if (!fetch(trusted)) return 7;
  if (fetch(request)) return 8;
  request.url = there + "/moved-as/301/" + inside;
  if (fetch(request)) return 9;
  return service.seen.size() == seen + 4 ? as_it_should : 10;
}

}  // namespace

TEST_CASE("a public server sends nobody to this machine") {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(redirected_in_another_network());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == no_network && std::getenv("CI") == nullptr) {
    WARN("no network of its own can be made here");
    return;
  }
  CHECK(WEXITSTATUS(status) == as_it_should);
}
