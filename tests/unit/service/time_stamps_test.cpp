#include "service/time_stamps.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <future>
#include <map>
#include <set>

#include "../net/running.hpp"
#include "demo/tsa.hpp"
#include "net/http_server.hpp"

using namespace signet;
using namespace signet::service;
using namespace std::chrono_literals;
using base::ErrorCode;
using boost::asio::awaitable;
using demo::TsaFault;
using Clock = std::chrono::steady_clock;

namespace {

const base::Digest imprint = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("a signature's value"));

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

struct Step {
  TsaFault fault = TsaFault::none;
  std::chrono::milliseconds delay{0};
  std::string retry_after = "1";
  unsigned busy_status = 429;  // of TsaFault::http_429
};

// Several TSAs behind a real server: each has its path, and does its steps in order, the last of them ever after.
class Tsas {
 public:
  struct Asked {
    std::string by;
    std::string body;
    Clock::time_point at;
  };

  Tsas() {
    ::unsetenv("http_proxy");
    net::HttpLimits limits;
    limits.close_timeout = 50ms;
    net::HttpHandlers handlers;
    handlers.request = [this](net::HttpRequest request) { return answer(std::move(request)); };
    server_ = std::make_unique<net::HttpServer>(context_.io().get_executor(), std::move(handlers), limits);
    port_ = server_->listen({boost::asio::ip::address_v4::loopback(), 0}).value();
    context_.start();
  }
  ~Tsas() {
    context_.await(server_->stop());
    context_.join();
  }
  Tsas(const Tsas&) = delete;  // owns a server
  Tsas& operator=(const Tsas&) = delete;

  std::string add(const std::string& name, std::deque<Step> steps) {
    context_.on_thread([&] { steps_[name] = std::move(steps); });
    return "http://127.0.0.1:" + std::to_string(port_) + "/" + name;
  }
  std::vector<Asked> asked() {
    return context_.on_thread([&] { return asked_; });
  }
  void wait_until_asked() {
    const auto latest = Clock::now() + 20s;
    while (asked().empty() && Clock::now() < latest) std::this_thread::sleep_for(5ms);
    REQUIRE_FALSE(asked().empty());
  }
  void wait_until_asked(std::size_t times) {
    const auto latest = Clock::now() + 20s;
    while (asked().size() < times && Clock::now() < latest) std::this_thread::sleep_for(5ms);
    REQUIRE(asked().size() == times);
  }
  std::vector<std::string> asked_in_order() {
    std::vector<std::string> names;
    for (const Asked& one : asked()) names.push_back(one.by);
    return names;
  }
  base::Result<pki::TimeStampToken> token(TimeStamps& stamps) { return context_.await(stamps.token(imprint)); }
  std::future<base::Result<pki::TimeStampToken>> begin(TimeStamps& stamps) {
    return boost::asio::co_spawn(context_.io(), stamps.token(imprint), boost::asio::use_future);
  }

 private:
  awaitable<net::HttpResponse> answer(net::HttpRequest request) {
    const std::string name = request.target.substr(1);
    asked_.push_back({name, request.body, Clock::now()});
    std::deque<Step>& steps = steps_.at(name);
    const Step step = steps.front();
    if (steps.size() > 1) steps.pop_front();
    if (step.fault == TsaFault::silent || step.delay > 0ms) {
      boost::asio::steady_timer timer(context_.io(), step.fault == TsaFault::silent ? 20s : step.delay);
      boost::system::error_code ignored;
      co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    if (step.fault == TsaFault::silent) co_return net::HttpResponse{};
    if (step.fault == TsaFault::http_500) co_return net::HttpResponse{.status = 500, .headers = {}, .body = {}};
    if (step.fault == TsaFault::http_429)
      co_return net::HttpResponse{.status = step.busy_status, .headers = {{"Retry-After", step.retry_after}}, .body = {}};
    const base::Bytes made = responder_.answer(base::as_bytes(request.body), step.fault, now());
    co_return net::HttpResponse{.headers = {{"Content-Type", "application/timestamp-reply"}},
                                .body = std::string(base::as_text(made))};
  }

  test::RunningContext context_;
  demo::Authority authority_{"Test CA", now()};
  demo::TimeStampResponder responder_{
      authority_.issue({.common_name = "TSA", .key_type = pki::KeyType::ec_p256, .usage = demo::Subject::Usage::time_stamping}),
      {authority_.root().certificate}};
  std::map<std::string, std::deque<Step>> steps_;
  std::vector<Asked> asked_;
  std::unique_ptr<net::HttpServer> server_;
  std::uint16_t port_ = 0;
};

// A port that is taken and where nothing listens.
class DeadPort {
 public:
  DeadPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
  }
  ~DeadPort() { ::close(socket_); }
  DeadPort(const DeadPort&) = delete;  // owns a socket
  DeadPort& operator=(const DeadPort&) = delete;
  const std::string& url() const { return url_; }

 private:
  int socket_;
  std::string url_;
};

service::TimeStamping options(std::vector<std::string> urls, unsigned tries = 1) {
  service::TimeStamping options;
  options.urls = std::move(urls);
  options.tries = tries;
  options.timeout = 1'000ms;
  options.rest_after_failure = 60s;
  return options;
}

}  // namespace

TEST_CASE("TSAs are asked in order, and the last gives what those that are down, wrong or silent did not") {
  Tsas tsas;
  const DeadPort dead;
  TimeStamps stamps(
      options({dead.url(), tsas.add("garbage", {{TsaFault::garbage}}), tsas.add("wrong", {{TsaFault::wrong_imprint}}),
               tsas.add("silent", {{TsaFault::silent}}), tsas.add("good", {{}}), tsas.add("never", {{}})}));
  const auto token = tsas.token(stamps);
  REQUIRE(token);
  CHECK(token->imprint == imprint);
  CHECK(tsas.asked_in_order() == std::vector<std::string>{"garbage", "wrong", "silent", "good"});
}

TEST_CASE("without a good TSA the last one's reason is told") {
  Tsas tsas;
  const DeadPort dead;
  const auto [fault, reason] = GENERATE(table<TsaFault, std::string>({{TsaFault::http_500, "HTTP 500"},
                                                                      {TsaFault::http_429, "busy: HTTP 429"},
                                                                      {TsaFault::garbage, "TimeStampResp"},
                                                                      {TsaFault::silent, "imeout"},
                                                                      {TsaFault::wrong_imprint, ""},
                                                                      {TsaFault::wrong_nonce, ""},
                                                                      {TsaFault::bad_signature, ""},
                                                                      {TsaFault::rejected, ""}}));
  TimeStamps stamps(options({dead.url(), tsas.add("first", {{TsaFault::http_500}}), tsas.add("last", {{fault}})}));
  const auto token = tsas.token(stamps);
  REQUIRE_FALSE(token);
  CAPTURE(token.error().detail);
  CHECK(token.error().code == ErrorCode::time_stamp_failed);
  CHECK_FALSE(token.error().detail.empty());
  CHECK(token.error().detail.find(reason) != std::string::npos);
  CHECK(token.error().detail.find("HTTP 500") ==
        (fault == TsaFault::http_500 ? token.error().detail.size() - 8 : std::string::npos));
}

TEST_CASE("nothing listening anywhere is a failure too, and no TSA at all") {
  Tsas tsas;
  const DeadPort dead;
  TimeStamps stamps(options({dead.url(), dead.url()}, 2));
  CHECK(tsas.token(stamps).error().code == ErrorCode::time_stamp_failed);
  TimeStamps none(options({}));
  CHECK_FALSE(none.configured());
  CHECK(tsas.token(none).error().code == ErrorCode::time_stamp_failed);
}

TEST_CASE("each TSA has its tries, with a new nonce and a longer pause each time") {
  Tsas tsas;
  TimeStamps stamps(options({tsas.add("garbage", {{TsaFault::garbage}}), tsas.add("good", {{}})}, 3));
  REQUIRE(tsas.token(stamps));
  CHECK(tsas.asked_in_order() == std::vector<std::string>{"garbage", "garbage", "garbage", "good"});
  const auto asked = tsas.asked();
  CHECK(std::set<std::string>{asked[0].body, asked[1].body, asked[2].body, asked[3].body}.size() == 4);
  CHECK(asked[1].at - asked[0].at >= 200ms);
  CHECK(asked[2].at - asked[1].at >= 400ms);
}

TEST_CASE("a TSA that is slow within the time-out is waited for, one that is slower is left") {
  Tsas tsas;
  TimeStamps stamps(options({tsas.add("slower", {{TsaFault::none, 3'000ms}}), tsas.add("slow", {{TsaFault::none, 300ms}})}));
  REQUIRE(tsas.token(stamps));
  CHECK(tsas.asked_in_order() == std::vector<std::string>{"slower", "slow"});
}

TEST_CASE("a busy TSA is asked again when it says, within the time-out") {
  Tsas tsas;
  const unsigned status = GENERATE(429U, 503U);
  const auto [says, least, most] =
      GENERATE(table<std::string, Clock::duration, Clock::duration>({{"1", 1s, 20s}, {"3600", 1s, 20s}, {"0", 200ms, 20s}}));
  TimeStamps stamps(options({tsas.add("busy", {{.fault = TsaFault::http_429, .retry_after = says, .busy_status = status}, {}}),
                             tsas.add("never", {{}})},
                            2));
  REQUIRE(tsas.token(stamps));
  const auto asked = tsas.asked();
  REQUIRE(tsas.asked_in_order() == std::vector<std::string>{"busy", "busy"});
  CHECK(asked[1].at - asked[0].at >= least);
  CHECK(asked[1].at - asked[0].at < most);
}

TEST_CASE("after a failure no TSA is asked for a while, until somebody asks anew") {
  Tsas tsas;
  TimeStamps stamps(options({tsas.add("tsa", {{TsaFault::http_500}, {}})}));
  const auto failed = tsas.token(stamps);
  REQUIRE_FALSE(failed);
  for (int i = 0; i < 20; ++i) CHECK(tsas.token(stamps).error() == failed.error());
  CHECK(tsas.asked().size() == 1);
  stamps.ask_anew();
  CHECK(tsas.token(stamps));
  CHECK(tsas.token(stamps));
  CHECK(tsas.asked().size() == 3);
}

TEST_CASE("asked anew in vain, TSAs rest again: a batch of thousands does not wait for each of its items") {
  Tsas tsas;
  TimeStamps stamps(options({tsas.add("tsa", {{TsaFault::http_500}})}));
  CHECK_FALSE(tsas.token(stamps));
  stamps.ask_anew();
  for (int i = 0; i < 20; ++i) CHECK_FALSE(tsas.token(stamps));
  CHECK(tsas.asked().size() == 2);
}

TEST_CASE("a failure that began before somebody asked anew does not make TSAs rest") {
  Tsas tsas;
  TimeStamps stamps(options({tsas.add("tsa", {{TsaFault::http_500, 500ms}, {}})}));
  auto failing = tsas.begin(stamps);
  tsas.wait_until_asked();
  stamps.ask_anew();
  CHECK_FALSE(failing.get());
  CHECK(tsas.token(stamps));
}

TEST_CASE("the rest ends by itself") {
  Tsas tsas;
  auto short_rest = options({tsas.add("tsa", {{TsaFault::http_500}, {}})});
  short_rest.rest_after_failure = 100ms;
  TimeStamps stamps(short_rest);
  CHECK_FALSE(tsas.token(stamps));
  std::this_thread::sleep_for(150ms);
  CHECK(tsas.token(stamps));
}

TEST_CASE("as many tokens are asked for at once as a fast token signs while a TSA is waited for") {
  Tsas tsas;
  auto patient = options({tsas.add("far", {{.fault = TsaFault::none, .delay = 3s}})});
  patient.timeout = 30s;
  TimeStamps stamps(patient);
  constexpr std::size_t signed_in_20_ms = 40;  // by a software token; and the TSA answers none before all have asked
  std::vector<std::future<base::Result<pki::TimeStampToken>>> tokens;
  const auto begun = Clock::now();
  for (std::size_t i = 0; i < signed_in_20_ms; ++i) tokens.push_back(tsas.begin(stamps));
  tsas.wait_until_asked(signed_in_20_ms);
  for (auto& token : tokens) CHECK(token.get());
  CHECK(tsas.asked().back().at - begun < 3s);
}

TEST_CASE("an agent that stops waits neither for a silent TSA nor for a pause") {
  Tsas tsas;
  const auto steps = GENERATE(std::deque<Step>{{TsaFault::silent}}, std::deque<Step>{{TsaFault::http_429, 0ms, "3600"}});
  auto patient = options({tsas.add("tsa", steps)}, 10);
  patient.timeout = 15s;
  std::future<base::Result<pki::TimeStampToken>> token;
  Clock::time_point stopping;
  {
    TimeStamps stamps(patient);
    token = tsas.begin(stamps);
    tsas.wait_until_asked();
    stopping = Clock::now();
  }
  CHECK(Clock::now() - stopping < 5s);
  CHECK_FALSE(token.get());
}
