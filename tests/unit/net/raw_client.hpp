#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "net/descriptor.hpp"

namespace signet::test {

// A TCP client that sends exactly what it is told, and blocks: at most ten seconds.
class RawClient {
 public:
  enum class Family : std::uint8_t { v4, v6, v4_mapped };

  explicit RawClient(std::uint16_t port, Family family = Family::v4) {
    socket_ = net::Descriptor(::socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int done = -1;
    if (family == Family::v4) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      done = ::connect(socket_.number(), reinterpret_cast<sockaddr*>(&to), sizeof to);
    } else {
      sockaddr_in6 to{};
      to.sin6_family = AF_INET6;
      to.sin6_port = htons(port);
      ::inet_pton(AF_INET6, family == Family::v6 ? "::1" : "::ffff:127.0.0.1", &to.sin6_addr);
      done = ::connect(socket_.number(), reinterpret_cast<sockaddr*>(&to), sizeof to);
    }
    if (done != 0) throw std::runtime_error("connect");
    const int yes = 1;
    ::setsockopt(socket_.number(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }

  int number() const { return socket_.number(); }
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.number(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void finish_sending() { ::shutdown(socket_.number(), SHUT_WR); }
  void close() { socket_ = net::Descriptor(); }
  // Ends with a reset, so that nothing lingers.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  // What has come and was not taken; false at the end of the stream or after the time.
  bool receive_more(int timeout_ms = 10'000) {
    pollfd wait{socket_.number(), POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) <= 0) return false;
    char bytes[65536];
    const ssize_t got = ::recv(socket_.number(), bytes, sizeof bytes, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    received_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  // The server closed or reset it, within the time.
  bool ended(int timeout_ms = 10'000) {
    while (!ended_ && receive_more(timeout_ms)) {
    }
    return ended_;
  }
  std::string& received() { return received_; }

  // One HTTP response: its head, and a body of Content-Length. Empty if the connection ended before.
  struct Response {
    int status = 0;
    std::string head, body;
    bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
  };
  Response response() {
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive_more()) return {};
    }
    Response response;
    response.head = received_.substr(0, end + 4);
    received_.erase(0, end + 4);
    response.status = std::stoi(response.head.substr(9, 3));
    std::size_t size = 0;
    if (const auto at = response.head.find("Content-Length: "); at != std::string::npos)
      size = std::stoul(response.head.substr(at + 16));
    while (received_.size() < size && receive_more()) {
    }
    response.body = received_.substr(0, size);
    received_.erase(0, size);
    return response;
  }

 private:
  net::Descriptor socket_;
  std::string received_;
  bool ended_ = false;
};

// The frames of a WebSocket (RFC 6455 5.2), a client's side, over a connection that was upgraded.
class RawWebSocket {
 public:
  enum Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, closing = 8, ping = 9, pong = 10 };

  static std::string frame(std::string_view payload, Opcode opcode = text, bool last = true) {
    std::string out(1, static_cast<char>((last ? 0x80 : 0) | opcode));
    if (payload.size() < 126) {
      out += static_cast<char>(0x80 | payload.size());
    } else if (payload.size() < 65536) {
      out += static_cast<char>(0x80 | 126);
      for (int shift : {8, 0}) out += static_cast<char>(payload.size() >> shift);
    } else {
      out += static_cast<char>(0x80 | 127);
      for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
    }
    constexpr std::string_view mask = "\x11\x22\x33\x44";
    out += mask;
    for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
    return out;
  }

  struct Frame {
    Opcode opcode = text;
    std::string payload;
    std::uint16_t close_code() const {
      return payload.size() < 2
                 ? 0
                 : static_cast<std::uint16_t>(static_cast<std::uint8_t>(payload[0]) << 8 | static_cast<std::uint8_t>(payload[1]));
    }
  };

  explicit RawWebSocket(RawClient& client) : client_(client) {}
  bool send(std::string_view message) { return client_.send(frame(message)); }

  // The next frame of the server's; none at the end of the stream or after the time.
  std::optional<Frame> next(int timeout_ms = 10'000) {
    for (;;) {
      if (auto whole = take()) return whole;
      if (!client_.receive_more(timeout_ms)) return std::nullopt;
    }
  }

 private:
  std::optional<Frame> take() {
    std::string& in = client_.received();
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(in[i]); };
    if (in.size() < 2) return std::nullopt;
    std::size_t size = byte(1) & 0x7F;
    std::size_t head = 2;
    if (size >= 126) {
      const std::size_t more = size == 126 ? 2 : 8;
      if (in.size() < 2 + more) return std::nullopt;
      size = 0;
      for (std::size_t i = 0; i < more; ++i) size = size << 8 | byte(2 + i);
      head += more;
    }
    if (in.size() < head + size) return std::nullopt;
    Frame frame{static_cast<Opcode>(byte(0) & 15), in.substr(head, size)};
    in.erase(0, head + size);
    return frame;
  }

  RawClient& client_;
};

}  // namespace signet::test
