#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/owned.hpp"

namespace signet::bench {

struct LoadOptions {
  std::uint16_t port = 0;  // on 127.0.0.1
  bool tls = true;
  std::filesystem::path certificate, key;  // the client's
  std::size_t connections = 1;
};

struct LoadRun {
  std::size_t answers = 0;
  std::chrono::duration<double> time{};
  double rate() const { return static_cast<double>(answers) / time.count(); }
};

// Clients on one thread, each with a connection that stays open and one message under way: OpenSSL on sockets and epoll, and
// nothing else, so that what is measured is the server. Throws at the first answer that is not the expected one.
class Load {
 public:
  explicit Load(const LoadOptions& options);
  ~Load();
  Load(const Load&) = delete;  // owns sockets
  Load& operator=(const Load&) = delete;

  using Message = std::function<std::string_view(std::size_t number)>;  // valid until the next call
  using Answer = std::function<void(std::size_t number, std::string_view answer)>;
  // HTTP: each answer is a 200 with a Content-Length. With `echoed` an answer is what begins with its own length, 32 bits big
  // endian. No message is begun after `time`, nor after `most`; the run lasts until the last answer.
  LoadRun run(const Message& message, std::chrono::milliseconds time, std::size_t most = SIZE_MAX, const Answer& answer = {},
              bool echoed = false);

 private:
  struct Client {
    int socket = -1;
    base::Owned<SSL, SSL_free> tls;
    std::string buffer;
    std::size_t number = 0;
  };
  void send(Client& client, std::string_view bytes);
  bool receive(Client& client);  // whether there was anything

  base::Owned<SSL_CTX, SSL_CTX_free> context_;
  std::vector<std::unique_ptr<Client>> clients_;
  int epoll_ = -1;
};

}  // namespace signet::bench
