#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "net/descriptor.hpp"
#include "net/endpoint.hpp"
#include "net/web_socket.hpp"

// Start here: an HTTP/1.1 server whose handlers are coroutines. It knows no routes.
namespace signet::net {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string target;  // as sent: path and query
  Headers headers;     // names in lower case, in their order, repeated ones too
  std::string body;
  Endpoint local, remote;
  // DER of what the client presented in the TLS handshake, which proved that it has the key; nobody judged the certificate.
  // Null: none, or not asked for. The same object for all requests of a connection.
  std::shared_ptr<const base::Bytes> client_certificate;

  // All values of a header, by its name in lower case.
  std::vector<std::string_view> all(std::string_view name) const;
};

struct HttpResponse {
  unsigned status = 200;
  Headers headers;
  std::string body;
  bool close = false;  // end the connection after it
};

// What a handler decides about a WebSocket upgrade that it allows.
struct Upgrade {
  std::string subprotocol;  // named in the answer; empty: none
  std::size_t max_message_bytes = 64 * 1024;
  std::function<boost::asio::awaitable<void>(std::shared_ptr<WebSocket>)> session;  // the connection ends with it
};

struct HttpHandlers {
  std::function<boost::asio::awaitable<HttpResponse>(HttpRequest)> request;
  // How much of a body is read for whom: asked when the head is there, before anything is kept of the body. More is 413. Absent:
  // HttpLimits::body_bytes, which is the most in any case.
  std::function<std::size_t(const HttpRequest& head)> body_bytes;
  // Whose connections and bodies connections_of_one and body_bytes_of_one do not count: a proxy brings those of many. Absent:
  // nobody's.
  std::function<bool(const boost::asio::ip::address& address)> speaks_for_many;
  // Absent: upgrades are requests like others. Asked on plain listeners only: browsers reach the loopback without TLS.
  std::function<boost::asio::awaitable<std::variant<HttpResponse, Upgrade>>(HttpRequest)> upgrade;
  // For the log: accept_failed, connection_dropped (the limit), connection_failed (an exception), with a developer's detail.
  std::function<void(std::string_view event, std::string_view detail)> on_event;
};

struct HttpLimits {
  std::size_t connections = 256;  // more are dropped when accepted: a silent one costs about 10 kB
  // Of one address, of IPv6 of one /64: so that one caller's do not take those of all others. 0: as many as all.
  std::size_t connections_of_one = 0;
  std::size_t header_bytes = 16 * 1024;  // cookies of other ports on 127.0.0.1 come along: more than Beast's 8 kB
  std::size_t body_bytes = 64 * 1024;
  // Of what has come of all bodies that are being read or answered: for more there is 503 (RFC 9110 15.6.4) with Retry-After.
  // Bodies up to 64 KiB are not counted. 0: no limit.
  std::size_t body_bytes_at_once = 0;
  std::size_t body_bytes_of_one = 0;                 // of these, those of one address as in connections_of_one. 0: as many as all
  std::chrono::milliseconds header_timeout{30'000};  // a browser's permission prompt holds a silent connection
  std::chrono::milliseconds body_timeout{30'000};
  std::chrono::milliseconds write_timeout{60'000};
  std::chrono::milliseconds close_timeout{2'000};  // for a closing handshake
};

struct TlsFiles {
  std::filesystem::path certificate_chain;  // PEM, the server's own first
  std::filesystem::path private_key;        // PEM
  // Asked for, never demanded: the handshake completes without one and with any, and the handler answers whom it does not know.
  enum class ClientCertificate : std::uint8_t { not_asked, asked } client_certificate = ClientCertificate::not_asked;
};

// One thread (its executor's), unless it is given lanes: executors of other threads, one thread each, that the connections are
// handed to. Then handlers are called on the lanes, at the same time, and a lane has its part of the limits. Destroying it cuts all
// connections (the lanes' threads must have ended); handlers that are still waiting are left to end by themselves.
class HttpServer {
 public:
  HttpServer(boost::asio::any_io_executor executor, HttpHandlers handlers, HttpLimits limits = {},
             const std::vector<boost::asio::any_io_executor>& lanes = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;  // owns sockets
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens there and says on which port (for port 0). network_failed with errno: EADDRINUSE where the port is taken;
  // configuration_invalid if the TLS files are not usable.
  base::Result<std::uint16_t> listen(const Endpoint& endpoint, const std::optional<TlsFiles>& tls = {});
  // A listening socket that was inherited.
  base::Result<std::uint16_t> adopt(Descriptor listening, const std::optional<TlsFiles>& tls = {});

  std::size_t connections() const;
  void stop_accepting();
  // Lets requests that are being answered finish, closes WebSockets with 1001, cuts what is left after `patience` (the close
  // timeout if none is given).
  boost::asio::awaitable<void> stop(std::optional<std::chrono::milliseconds> patience = {});

 private:
  struct Listener;
  class Lane;
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace signet::net
