#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <optional>

#include "../net/running.hpp"
#include "base/text.hpp"
#include "net/http_server.hpp"
#include "pki/crl.hpp"

namespace signet::test {

// An authority's web server: gives what stands at a path. It may be slow, and counts who asked.
class ListService {
 public:
  ListService() {
    net::HttpHandlers handlers;
    handlers.request = [this](net::HttpRequest request) -> boost::asio::awaitable<net::HttpResponse> {
      ++asked[request.target];
      net::HttpResponse response;
      if (delay.count() > 0) {
        boost::asio::steady_timer timer(context_.io(), delay);
        co_await timer.async_wait(boost::asio::use_awaitable);
      }
      const auto found = files.find(request.target);
      response.status = found == files.end() ? 404 : 200;
      if (found != files.end()) response.body = found->second;
      co_return response;
    };
    net::HttpLimits limits;
    limits.close_timeout = std::chrono::milliseconds(50);
    server_ = std::make_unique<net::HttpServer>(context_.io().get_executor(), std::move(handlers), limits);
    url = "http://127.0.0.1:" + std::to_string(server_->listen({boost::asio::ip::address_v4::loopback(), 0}).value());
    context_.start();
  }
  ~ListService() {
    context_.await(server_->stop());
    context_.join();
  }
  // How often somebody came for it.
  int count(const std::string& target) {
    return context_.on_thread([&] { return asked[target]; });
  }

  // What stands there from now on; nothing: 404.
  void put(const std::string& target, std::optional<std::string> body) {
    context_.on_thread([&] {
      files.erase(target);
      if (body) files.emplace(target, std::move(*body));
    });
  }

  std::string url;
  // Set before anybody asks.
  std::map<std::string, std::string> files;
  std::chrono::milliseconds delay{0};

 private:
  RunningContext context_;
  std::map<std::string, int> asked;
  std::unique_ptr<net::HttpServer> server_;
};

inline std::string text_of(const pki::Crl& list) { return std::string(base::as_text(list.der())); }

}  // namespace signet::test
