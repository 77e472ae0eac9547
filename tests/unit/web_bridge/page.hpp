#pragma once

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <deque>

#include "../net/raw_client.hpp"

namespace signet::test {

namespace json = boost::json;

inline constexpr const char* allowed_origin = "https://sign.example";

// What a browser sends to upgrade; every part can be made wrong.
struct Upgrading {
  std::string target = "/v1";
  std::optional<std::string> host = {};  // the right one
  std::vector<std::string> origins = {allowed_origin};
  std::string subprotocol = "signet.v1";
  RawClient::Family family = RawClient::Family::v4;

  std::string text(std::uint16_t port) const {
    std::string out = "GET " + target + " HTTP/1.1\r\n";
    const std::string right = (family == RawClient::Family::v6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port);
    const std::string given = host.value_or(right);
    if (!given.empty()) out += "Host: " + given + "\r\n";
    for (const std::string& origin : origins) out += "Origin: " + origin + "\r\n";
    if (!subprotocol.empty()) out += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n";
    return out +
           "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
           "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  }
};

// One JSON message after another, over whatever carries them. Events are kept until they are asked for.
class Messages {
 public:
  virtual ~Messages() = default;
  virtual bool send(std::string_view text) = 0;
  virtual std::optional<std::string> next_text(int timeout_ms) = 0;

  json::object next(int timeout_ms = 10'000) {
    auto text = next_text(timeout_ms);
    if (!text) throw std::runtime_error("no message came");
    return json::parse(*text).as_object();
  }
  // The answer to one request; what else comes is kept.
  json::object ask(std::string_view method, json::object params = {}) {
    const auto id = begin(method, std::move(params));
    return answer(id);
  }
  std::int64_t begin(std::string_view method, json::object params = {}) {
    send(json::serialize(json::object{{"id", ++last_id_}, {"method", method}, {"params", std::move(params)}}));
    return last_id_;
  }
  json::object answer(std::int64_t id) {
    for (auto kept = others_.begin(); kept != others_.end(); ++kept) {
      if (const auto* its = kept->if_contains("id"); its != nullptr && *its == id) {
        json::object found = std::move(*kept);
        others_.erase(kept);
        return found;
      }
    }
    for (;;) {
      json::object message = next();
      if (const auto* its = message.if_contains("id"); its != nullptr && *its == id) return message;
      others_.push_back(std::move(message));
    }
  }
  json::object event(std::string_view name) {
    for (auto kept = others_.begin(); kept != others_.end(); ++kept) {
      if (const auto* its = kept->if_contains("event"); its != nullptr && its->as_string() == name) {
        json::object found = std::move(*kept);
        others_.erase(kept);
        return found.at("params").as_object();
      }
    }
    for (;;) {
      json::object message = next();
      if (const auto* its = message.if_contains("event"); its != nullptr && its->as_string() == name)
        return message.at("params").as_object();
      others_.push_back(std::move(message));
    }
  }
  json::object hello() { return ask("hello", {{"protocol", 1}, {"client", "test"}}); }
  // The code of an answer's error, "" for a result.
  static std::string code(const json::object& answer) {
    const auto* error = answer.if_contains("error");
    return error == nullptr ? "" : std::string(error->at("code").as_string());
  }
  static std::string message(const json::object& answer) { return std::string(answer.at("error").at("message").as_string()); }
  std::string code_of(std::string_view method, json::object params = {}) { return code(ask(method, std::move(params))); }

 private:
  std::int64_t last_id_ = 0;
  std::deque<json::object> others_;
};

// A web page, as far as the agent sees it.
class Page : public Messages {
 public:
  explicit Page(std::uint16_t port, const Upgrading& how = {}) : client(port, how.family), socket(client) {
    client.send(how.text(port));
    response = client.response();
  }
  bool send(std::string_view text) override { return socket.send(text); }
  std::optional<std::string> next_text(int timeout_ms) override {
    auto frame = socket.next(timeout_ms);
    if (!frame) return std::nullopt;
    if (frame->opcode == RawWebSocket::text) return std::move(frame->payload);
    closing = frame->close_code();
    return std::nullopt;
  }
  // The close code of the next frame, which must be the last; 0 if the connection just ended.
  int closed() {
    const auto frame = socket.next();
    if (!frame) return 0;
    if (frame->opcode != RawWebSocket::closing) return -1;
    client.send(RawWebSocket::frame(frame->payload, RawWebSocket::closing));
    return frame->close_code();
  }

  RawClient client;
  RawWebSocket socket;
  RawClient::Response response;
  std::optional<int> closing;
};

}  // namespace signet::test
