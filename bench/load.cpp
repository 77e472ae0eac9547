#include "load.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <stdexcept>

namespace signet::bench {
namespace {

constexpr int patience_ms = 60'000;

void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

int connected(std::uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  require(::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  const int on = 1;
  ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return made;
}

// How long the answer is that `bytes` begins with; 0 while that is not known.
std::size_t http_length(std::string_view bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  if (!bytes.starts_with("HTTP/1.1 200")) throw std::runtime_error("an answer: " + std::string(bytes));
  constexpr std::string_view name = "Content-Length: ";
  const auto at = bytes.find(name);
  require(at < end, "an answer without a length");
  std::size_t length = 0;
  std::from_chars(bytes.data() + at + name.size(), bytes.data() + end, length);
  return end + 4 + length;
}

std::size_t echoed_length(std::string_view bytes) {
  if (bytes.size() < 4) return 0;
  std::size_t length = 0;
  for (int i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return length;
}

}  // namespace

Load::Load(const LoadOptions& options) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (options.tls) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    require(SSL_CTX_use_certificate_chain_file(context_.get(), options.certificate.c_str()) == 1 &&
                SSL_CTX_use_PrivateKey_file(context_.get(), options.key.c_str(), SSL_FILETYPE_PEM) == 1,
            "the client's certificate");
  }
  for (std::size_t i = 0; i < options.connections; ++i) {
    auto client = std::make_unique<Client>();
    client->socket = connected(options.port);
    if (options.tls) {
      client->tls.reset(SSL_new(context_.get()));
      SSL_set_fd(client->tls.get(), client->socket);
      require(SSL_connect(client->tls.get()) == 1, "the handshake failed");
    }
    ::fcntl(client->socket, F_SETFL, ::fcntl(client->socket, F_GETFL) | O_NONBLOCK);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = client.get()}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client->socket, &event);
    clients_.push_back(std::move(client));
  }
}

Load::~Load() {
  for (const auto& client : clients_) ::close(client->socket);
  ::close(epoll_);
}

void Load::send(Client& client, std::string_view bytes) {
  // What one connection has under way fits into its socket's buffer.
  const auto sent = client.tls ? SSL_write(client.tls.get(), bytes.data(), static_cast<int>(bytes.size()))
                               : ::send(client.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  require(sent == static_cast<std::ptrdiff_t>(bytes.size()), "a message could not be sent at once");
}

bool Load::receive(Client& client) {
  std::array<char, 16 * 1024> part;
  std::ptrdiff_t size = 0;
  if (client.tls) {
    size = SSL_read(client.tls.get(), part.data(), static_cast<int>(part.size()));
    if (size <= 0) {
      require(SSL_get_error(client.tls.get(), static_cast<int>(size)) == SSL_ERROR_WANT_READ, "a connection ended");
      return false;
    }
  } else {
    size = ::recv(client.socket, part.data(), part.size(), 0);
    if (size < 0 && errno == EAGAIN) return false;
    require(size > 0, "a connection ended");
  }
  client.buffer.append(part.data(), static_cast<std::size_t>(size));
  return true;
}

LoadRun Load::run(const Message& message, std::chrono::milliseconds time, std::size_t most, const Answer& answer, bool echoed) {
  const auto begin = std::chrono::steady_clock::now();
  std::size_t begun = 0;
  const auto next = [&](Client& client) {
    client.buffer.clear();
    client.number = begun++;
    send(client, message(client.number));
  };
  for (const auto& client : clients_)
    if (begun < most) next(*client);
  LoadRun done;
  std::array<epoll_event, 256> events;
  while (done.answers < begun) {
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience_ms);
    require(ready > 0, "no answer came");
    const bool going_on = std::chrono::steady_clock::now() - begin < time;
    for (int i = 0; i < ready; ++i) {
      Client& client = *static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
      // A read that gave less than it could have has taken all; a record that is not complete is waited for.
      while (receive(client)) {
        const std::size_t length = echoed ? echoed_length(client.buffer) : http_length(client.buffer);
        if (length == 0 || client.buffer.size() < length) continue;
        require(client.buffer.size() == length, "more than an answer");
        ++done.answers;
        if (answer) answer(client.number, client.buffer);
        if (going_on && begun < most) next(client);
        break;
      }
    }
  }
  done.time = std::chrono::steady_clock::now() - begin;
  return done;
}

}  // namespace signet::bench
