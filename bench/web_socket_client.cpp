#include "web_socket_client.hpp"

#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/json.hpp>
#include <stdexcept>

#include "base/digest.hpp"

namespace signet::bench {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace json = boost::json;

namespace {

class Client {
 public:
  Client(std::uint16_t port, const std::string& origin) : socket_(io_) {
    socket_.next_layer().connect({asio::ip::make_address("127.0.0.1"), port});
    socket_.next_layer().set_option(asio::ip::tcp::no_delay(true));
    socket_.set_option(beast::websocket::stream_base::decorator([&](beast::websocket::request_type& request) {
      request.set(beast::http::field::origin, origin);
      request.set(beast::http::field::sec_websocket_protocol, "signet.v1");
    }));
    socket_.read_message_max(64u << 20);
    socket_.handshake("127.0.0.1:" + std::to_string(port), "/v1");
    socket_.text(true);
  }

  void send(std::string_view method, json::object params) {
    socket_.write(asio::buffer(json::serialize(json::object{{"id", ++id_}, {"method", method}, {"params", std::move(params)}})));
  }

  // Until the answer to the last request; events before it go to `event`.
  json::object answer(const std::function<void(std::string_view)>& event = {}) {
    for (;;) {
      const std::string_view text = read();
      if (text.starts_with("{\"event\"")) {
        if (event) event(text);
        continue;
      }
      json::object message = json::parse(text).as_object();
      if (message.contains("error")) throw std::runtime_error(json::serialize(message));
      return message.at("result").as_object();
    }
  }

  std::string_view read() {
    buffer_.clear();
    socket_.read(buffer_);
    return {static_cast<const char*>(buffer_.data().data()), buffer_.data().size()};
  }

 private:
  asio::io_context io_;
  beast::websocket::stream<asio::ip::tcp::socket> socket_;
  beast::flat_buffer buffer_;
  std::uint64_t id_ = 0;
};

// Counting is all that is done with results: parsing them is the page's cost, not the agent's.
std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++found;
  return found;
}

}  // namespace

class TokenEvents::Implementation {
 public:
  Client client;
};

TokenEvents::TokenEvents(std::uint16_t port, const std::string& origin)
    : implementation_(new Implementation{Client(port, origin)}) {
  implementation_->client.send("hello", {{"protocol", 1}, {"client", "bench"}});
  implementation_->client.answer();
}

TokenEvents::~TokenEvents() = default;

void TokenEvents::wait_until(bool present) {
  constexpr unsigned longest_s = 60;
  alarm(longest_s);
  for (;;) {
    const json::value message = json::parse(implementation_->client.read());
    const json::value* const event = message.as_object().if_contains("event");
    if (event != nullptr && event->as_string() == "tokens.changed" && message.at("params").at("present").as_bool() == present)
      break;
  }
  alarm(0);
}

BatchRun run_batch(std::uint16_t port, const std::string& origin, const std::string& certificate, std::size_t items,
                   xades::Level level, const std::function<void()>& tick) {
  Client client(port, origin);
  client.send("hello", {{"protocol", 1}, {"client", "bench"}});
  client.answer();
  client.send("batch.begin", {{"purpose", "bench"}, {"certificate", certificate}, {"level", name(level)}});
  const std::string batch(client.answer().at("batch").as_string());
  constexpr std::size_t part_size = 5'000;
  for (std::size_t at = 0, part = 0; at < items; at += part_size, ++part) {
    json::array rows;
    for (std::size_t i = at; i < std::min(items, at + part_size); ++i) {
      const std::string id = std::to_string(i);
      rows.push_back(
          json::object{{"id", id},
                       {"name", "document-" + id + ".pdf"},
                       {"digest", base::base64(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(id)).bytes())}});
    }
    client.send("batch.items", {{"batch", batch}, {"part", part}, {"items", std::move(rows)}});
    client.answer();
  }
  BatchRun run;
  const auto take = [&](std::string_view text) {
    if (!text.starts_with("{\"event\":\"batch.results\"")) return;
    run.results += count(text, "{\"seq\":");
    run.without_time_stamp += count(text, "\"time_stamp_error\":");
  };
  client.send("batch.commit", {{"batch", batch}, {"items", items}});
  client.answer(take);
  const auto begin = std::chrono::steady_clock::now();
  std::size_t acknowledged = 0;
  while (run.results < items) {
    take(client.read());
    if (run.results - acknowledged >= 200) {
      acknowledged = run.results;
      client.send("batch.acknowledge", {{"batch", batch}, {"through", acknowledged}});
      if (tick) tick();
    }
  }
  run.time = std::chrono::steady_clock::now() - begin;
  client.send("batch.close", {{"batch", batch}});
  client.answer();
  return run;
}

}  // namespace signet::bench
