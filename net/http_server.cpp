#include "net/http_server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <ctime>
#include <list>
#include <map>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "byte_stream.hpp"

namespace signet::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::awaitable;
using asio::ip::tcp;
using base::ErrorCode;
using boost::system::error_code;
using ParsedRequest = http::request_parser<http::string_body>;
using Stream = websocket::stream<beast::tcp_stream, false>;  // no deflate: slower on a loopback than what it saves
using Clock = std::chrono::steady_clock;

// Expected ends are values: every operation gives its error_code.
constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

constexpr std::chrono::milliseconds accept_pause{100};  // when no descriptor is left: trying at once would spin
constexpr std::size_t linger_bytes = 256 * 1024;        // read and thrown away so that an early refusal arrives
constexpr std::chrono::milliseconds linger_time{1'000};
constexpr std::size_t small_body_bytes = 64 * 1024;
constexpr std::chrono::milliseconds late_at_most{20};  // a connection that is over its time ends so much later
constexpr std::size_t head_at_once = 4 * 1024;         // read at once: most requests whole, and little for a silent connection
constexpr std::size_t body_at_once = 64 * 1024;
constexpr std::size_t written_at_once = 256 * 1024;  // head and body of an answer are one buffer up to here
constexpr const char* retry_after_s = "2";

std::unexpected<base::Error> failed(std::string what, const error_code& error) {
  return base::failure(ErrorCode::network_failed, what + ": " + error.message(), static_cast<std::uint64_t>(error.value()));
}

// What the client presented in the handshake, also in one that was resumed.
std::shared_ptr<const base::Bytes> presented_certificate(SSL* tls) {
  const base::Owned<X509, X509_free> certificate(SSL_get1_peer_certificate(tls));
  if (!certificate) return nullptr;
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return nullptr;
  auto bytes = std::make_shared<const base::Bytes>(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

HttpRequest plain_request(const http::request<http::string_body>& parsed, const Endpoint& local, const Endpoint& remote) {
  HttpRequest request;
  request.method = parsed.method_string();
  request.target = parsed.target();
  request.local = local;
  request.remote = remote;
  request.headers.reserve(static_cast<std::size_t>(std::distance(parsed.begin(), parsed.end())));
  for (const auto& field : parsed) {
    request.headers.emplace_back(base::lower(field.name_string()), field.value());
  }
  return request;
}

// How an answer must look to fit its request.
struct Form {
  unsigned version = 11;
  bool keep_alive = false;
  bool head_only = false;
  bool unread = false;  // the peer may still be sending
};

// RFC 9110 5.6.7: "Sun, 22 Nov 2026 10:00:00 GMT". Days and months in English whatever the locale.
std::string http_date(std::time_t time) {
  static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days.at(static_cast<std::size_t>(utc.tm_wday)),
                utc.tm_mday, months.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

// The status line and the fields, with the empty line.
std::string head_of(const HttpResponse& answer, const Form& form, std::string_view date) {
  std::string head = form.version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  head.reserve(512);
  const auto add = [&head](std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) head += part;
  };
  add({std::to_string(answer.status), " ", http::obsolete_reason(http::int_to_status(answer.status)), "\r\nDate: ", date,
       "\r\n"});
  for (const auto& [name, value] : answer.headers) add({name, ": ", value, "\r\n"});
  add({"Content-Length: ", std::to_string(answer.body.size()), "\r\n"});
  if (form.keep_alive != (form.version > 10)) add({"Connection: ", form.keep_alive ? "keep-alive" : "close", "\r\n"});
  return head += "\r\n";
}

// One step: what the parser takes of the buffer, or more from the stream. What belongs to the next request stays in the buffer.
awaitable<error_code> read_some(ByteStream& stream, beast::flat_buffer& buffer, ParsedRequest& parser, std::size_t at_once) {
  if (buffer.size() > 0) {
    error_code error;
    const std::size_t taken = parser.put(buffer.data(), error);
    buffer.consume(taken);
    if (error && error != http::error::need_more) co_return error;
    if (!error && (taken > 0 || parser.is_done())) co_return error;
  }
  const std::size_t room = std::min(at_once, buffer.max_size() - buffer.size());
  if (room == 0) co_return http::error::buffer_overflow;
  const auto [failed, size] = co_await stream.read_some(buffer.prepare(room));
  if (failed) co_return http::error::end_of_stream;  // it ended, or was cut: nobody is there to be answered
  buffer.commit(size);
  co_return error_code{};
}

HttpResponse refusal(unsigned status) {
  HttpResponse response;
  response.status = status;
  if (status == 503) response.headers.emplace_back("Retry-After", retry_after_s);
  return response;
}

unsigned status_of(const error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  return 400;
}

awaitable<void> say_goodbye(std::shared_ptr<WebSocket> socket) {
  if (socket) co_await socket->close(close_code::going_away, "the agent stops");
}

// Only what the parser objects to is answered; a connection that ended or timed out is not.
bool is_bad_request(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category() && error != http::error::end_of_stream &&
         error != http::error::partial_message;
}

}  // namespace

class WebSocket::Implementation {
 public:
  explicit Implementation(beast::tcp_stream&& tcp) : stream(std::move(tcp)) {}
  Stream stream;
  bool closing = false;  // Beast takes one close; the server's stop may come during the session's own
};

WebSocket::WebSocket(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
WebSocket::~WebSocket() = default;

awaitable<base::Result<std::string>> WebSocket::read() {
  std::string text;
  auto buffer = asio::dynamic_buffer(text);
  const auto [error, size] = co_await implementation_->stream.async_read(buffer, as_values);
  if (error) co_return failed("read", error);
  if (implementation_->stream.got_binary()) {
    co_await close(close_code::unsupported_data, "text only");
    co_return base::failure(ErrorCode::message_invalid, "binary message");
  }
  text.resize(size);
  co_return text;
}

awaitable<base::Result<void>> WebSocket::write(std::string text) {
  const auto [error, size] = co_await implementation_->stream.async_write(asio::buffer(text), as_values);
  if (error) co_return failed("write", error);
  co_return base::Result<void>{};
}

awaitable<void> WebSocket::close(std::uint16_t code, std::string reason) {
  if (std::exchange(implementation_->closing, true)) co_return;
  co_await implementation_->stream.async_close({static_cast<websocket::close_code>(code), reason}, as_values);
}

void WebSocket::cut() { implementation_->stream.next_layer().close(); }

std::vector<std::string_view> HttpRequest::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [known, value] : headers) {
    if (known == name) values.push_back(value);
  }
  return values;
}

// A place to listen at. Its context is shared by the lanes: OpenSSL's is made for that.
struct HttpServer::Listener {
  tcp::acceptor acceptor;
  std::optional<asio::ssl::context> tls;
};

// The connections of one executor, with what they share. One thread; connections() and is_full() any.
class HttpServer::Lane : public std::enable_shared_from_this<Lane> {
 public:
  Lane(asio::any_io_executor executor, HttpHandlers handlers, HttpLimits limits)
      : handlers_(std::move(handlers)), limits_(limits), ended_(executor), watch_(executor), executor_(std::move(executor)) {
    ended_.expires_at(asio::steady_timer::time_point::max());
  }

  using Self = std::shared_ptr<Lane>;
  static awaitable<void> serve(Self self, std::shared_ptr<Listener> listener, tcp::socket socket);
  static awaitable<void> stop(Self self, std::chrono::milliseconds patience);
  void cut_all();
  const asio::any_io_executor& executor() const { return executor_; }
  std::size_t connections() const { return count_; }
  bool is_full() const { return count_ >= limits_.connections; }
  std::chrono::milliseconds close_timeout() const { return limits_.close_timeout; }
  void event(std::string_view name, std::string_view detail) const {
    if (handlers_.on_event) handlers_.on_event(name, detail);
  }

 private:
  // What the server may do to a connection from outside its coroutine. It stands in the list for as long as that runs.
  struct Connection {
    std::function<void()> finish;  // ends it as soon as nothing is under way
    std::function<void()> cut;
    Endpoint local, remote;
    std::shared_ptr<const base::Bytes> client_certificate;
    bool waiting = true;                                    // for a request to begin
    Clock::time_point deadline = Clock::time_point::max();  // it is cut then
  };

  // What a body that is being read or answered holds of body_bytes_at_once, and of its caller's share.
  class Room {
   public:
    Room(Self server, const asio::ip::address& remote)
        : server_(std::move(server)), caller_(caller_of(remote)), has_share_(!server_->speaks_for_many(remote)) {}
    Room(const Room&) = delete;  // is counted
    Room& operator=(const Room&) = delete;
    ~Room() {
      server_->body_bytes_ -= bytes_;
      if (!has_share_ || bytes_ == 0) return;
      if (const auto mine = server_->body_bytes_of_.find(caller_); (mine->second -= bytes_) == 0)
        server_->body_bytes_of_.erase(mine);
    }
    // Whether a body of so many bytes could be held now.
    bool fits(std::size_t bytes) const {
      if (bytes <= small_body_bytes) return true;
      const HttpLimits& limits = server_->limits_;
      const auto room = [&](std::size_t limit, std::size_t held) { return limit == 0 || held + (bytes - bytes_) <= limit; };
      if (!room(limits.body_bytes_at_once, server_->body_bytes_)) return false;
      if (!has_share_) return true;
      const auto mine = server_->body_bytes_of_.find(caller_);
      return room(limits.body_bytes_of_one, mine == server_->body_bytes_of_.end() ? 0 : mine->second);
    }
    // What has come of it by now; false: it does not fit.
    bool holds(std::size_t bytes) {
      if (!fits(bytes)) return false;
      if (bytes <= small_body_bytes) return true;
      server_->body_bytes_ += bytes - bytes_;
      if (has_share_) server_->body_bytes_of_[caller_] += bytes - bytes_;
      bytes_ = bytes;
      return true;
    }

   private:
    Self server_;
    asio::ip::address caller_;
    bool has_share_;
    std::size_t bytes_ = 0;
  };
  bool speaks_for_many(const asio::ip::address& address) const {
    return handlers_.speaks_for_many && handlers_.speaks_for_many(address);
  }
  bool has_too_many(const asio::ip::address& address) const {
    if (limits_.connections_of_one == 0 || speaks_for_many(address)) return false;
    const auto found = of_one_.find(caller_of(address));
    return found != of_one_.end() && found->second >= limits_.connections_of_one;
  }

  class Registered {
   public:
    Registered(Self server, const asio::ip::address& remote)
        : server_(std::move(server)),
          caller_(caller_of(remote)),
          place_(server_->connections_.emplace(server_->connections_.end())) {
      ++server_->of_one_[caller_];
      ++server_->count_;
    }
    Registered(const Registered&) = delete;
    Registered& operator=(const Registered&) = delete;
    ~Registered() {
      server_->connections_.erase(place_);
      --server_->count_;
      if (const auto mine = server_->of_one_.find(caller_); --mine->second == 0) server_->of_one_.erase(mine);
      server_->ended_.cancel();
    }
    Connection& operator*() const { return *place_; }

   private:
    Self server_;
    asio::ip::address caller_;
    std::list<Connection>::iterator place_;
  };

  awaitable<void> exchange(ByteStream& stream, Connection& connection);
  awaitable<error_code> write(ByteStream& stream, HttpResponse answer, Form form);
  awaitable<void> answer_last(ByteStream& stream, HttpResponse answer, Form form, Connection& connection);
  std::string_view date();
  awaitable<void> upgrade(ByteStream& stream, ParsedRequest& parser, bool bytes_follow, Connection& connection);
  void cut_after(Connection& connection, std::chrono::milliseconds time);
  void cut_late();

  HttpHandlers handlers_;
  HttpLimits limits_;
  std::list<Connection> connections_;
  std::atomic<std::size_t> count_ = 0;               // of connections_
  std::map<asio::ip::address, std::size_t> of_one_;  // connections by caller
  std::size_t body_bytes_ = 0;                       // that Rooms hold, and of them by caller:
  std::map<asio::ip::address, std::size_t> body_bytes_of_;
  asio::steady_timer ended_;  // cancelled at each connection's end
  // One timer for the deadlines of all connections: one for each operation would cost more than the operation.
  asio::steady_timer watch_;
  Clock::time_point watch_at_ = Clock::time_point::max();
  bool stopping_ = false;
  std::string date_;  // of the second that date_at_ tells
  std::time_t date_at_ = 0;
  asio::any_io_executor executor_;
};

// Accepts, and hands each connection to a lane.
class HttpServer::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(asio::any_io_executor executor, std::vector<std::shared_ptr<Lane>> lanes)
      : lanes_(std::move(lanes)), executor_(std::move(executor)) {}

  base::Result<std::uint16_t> listen(tcp::acceptor acceptor, const std::optional<TlsFiles>& tls);
  const asio::any_io_executor& executor() const { return executor_; }
  std::size_t connections() const;
  void stop_accepting();
  static awaitable<void> stop(std::shared_ptr<Implementation> self, std::optional<std::chrono::milliseconds> patience);
  void cut_all();

 private:
  static awaitable<void> accept(std::shared_ptr<Implementation> self, std::shared_ptr<Listener> listener);

  std::vector<std::shared_ptr<Lane>> lanes_;
  std::vector<std::weak_ptr<Listener>> listeners_;
  asio::any_io_executor executor_;
};

base::Result<std::uint16_t> HttpServer::Implementation::listen(tcp::acceptor acceptor, const std::optional<TlsFiles>& tls) {
  error_code error;
  const auto endpoint = acceptor.local_endpoint(error);
  if (error) return failed("listen", error);
  auto listener = std::make_shared<Listener>(Listener{std::move(acceptor), std::nullopt});
  if (tls) {
    auto& context = listener->tls.emplace(asio::ssl::context::tls_server);
    context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1,
                        error);
    if (!error) context.use_certificate_chain_file(tls->certificate_chain.string(), error);
    if (!error) context.use_private_key_file(tls->private_key.string(), asio::ssl::context::pem, error);
    if (error) return base::failure(ErrorCode::configuration_invalid, "TLS certificate or key: " + error.message());
    if (tls->client_certificate == TlsFiles::ClientCertificate::asked) {
      // Whoever cannot be let in shall hear why: a failed handshake says nothing that people understand.
      context.set_verify_mode(asio::ssl::verify_peer);
      context.set_verify_callback([](bool, asio::ssl::verify_context&) { return true; });
      // Sessions with a client certificate are resumed only within a named context.
      static constexpr std::string_view name = "signet";
      SSL_CTX_set_session_id_context(context.native_handle(), reinterpret_cast<const unsigned char*>(name.data()), name.size());
    }
  }
  listeners_.push_back(listener);
  asio::co_spawn(executor_, accept(shared_from_this(), listener), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  return endpoint.port();
}

awaitable<void> HttpServer::Implementation::accept(std::shared_ptr<Implementation> self, std::shared_ptr<Listener> listener) {
  while (listener->acceptor.is_open()) {
    const std::shared_ptr<Lane> lane =
        *std::ranges::min_element(self->lanes_, {}, [](const auto& one) { return one->connections(); });
    auto [error, socket] = co_await listener->acceptor.async_accept(lane->executor(), as_values);
    if (!listener->acceptor.is_open()) break;
    if (error) {
      lane->event("accept_failed", error.message());
      asio::steady_timer pause(self->executor_, accept_pause);
      co_await pause.async_wait(as_values);
    } else if (lane->is_full()) {
      lane->event("connection_dropped", "too many connections");
    } else {
      asio::co_spawn(lane->executor(), Lane::serve(lane, listener, std::move(socket)), [lane](std::exception_ptr thrown) {
        if (!thrown) return;
        try {
          std::rethrow_exception(thrown);
        } catch (const std::exception& exception) {  // a defect or no memory: this connection's end, not the server's
          lane->event("connection_failed", exception.what());
        }
      });
    }
  }
}

awaitable<void> HttpServer::Lane::serve(Self self, std::shared_ptr<Listener> listener, tcp::socket socket) {
  error_code error;
  const auto local = socket.local_endpoint(error);
  const auto remote = error ? tcp::endpoint{} : socket.remote_endpoint(error);
  if (error) co_return;  // already gone
  socket.set_option(tcp::no_delay(true), error);

  if (self->has_too_many(remote.address())) {
    self->event("connection_dropped", "too many connections of one address");
    co_return;
  }
  const Registered registered(self, remote.address());
  Connection& connection = *registered;
  connection.local = {local.address(), local.port()};
  connection.remote = {remote.address(), remote.port()};
  ByteStream stream(std::move(socket), listener->tls ? listener->tls->native_handle() : nullptr);
  connection.cut = [&stream] {
    error_code ignored;
    stream.socket().close(ignored);
  };
  connection.finish = [&connection] {
    if (connection.waiting) connection.cut();
  };
  if (stream.tls() != nullptr) {
    self->cut_after(connection, self->limits_.header_timeout);
    if (co_await stream.handshake()) co_return;
    connection.client_certificate = presented_certificate(stream.tls());
  }
  co_await self->exchange(stream, connection);
  if (stream.tls() != nullptr && stream.socket().is_open()) {
    self->cut_after(connection, self->limits_.close_timeout);
    co_await stream.say_end();
  }
}

void HttpServer::Lane::cut_after(Connection& connection, std::chrono::milliseconds time) {
  connection.deadline = Clock::now() + time;
  if (connection.deadline >= watch_at_) return;
  watch_at_ = connection.deadline;
  watch_.expires_at(watch_at_);
  watch_.async_wait([weak = weak_from_this()](error_code error) {
    if (error) return;
    if (const Self self = weak.lock()) self->cut_late();
  });
}

void HttpServer::Lane::cut_late() {
  const auto now = Clock::now();
  watch_at_ = Clock::time_point::max();
  Connection* first = nullptr;
  for (Connection& connection : connections_) {
    if (connection.deadline <= now) {
      connection.deadline = Clock::time_point::max();
      if (connection.cut) connection.cut();
    } else if (connection.deadline != Clock::time_point::max() && (first == nullptr || connection.deadline < first->deadline)) {
      first = &connection;
    }
  }
  if (first == nullptr) return;
  const auto deadline = first->deadline;
  cut_after(*first, std::max(late_at_most, std::chrono::ceil<std::chrono::milliseconds>(deadline - now)));
  first->deadline = deadline;
}

awaitable<void> HttpServer::Lane::exchange(ByteStream& stream, Connection& connection) {
  beast::flat_buffer buffer(limits_.header_bytes + body_at_once);
  while (!stopping_) {
    ParsedRequest parser;
    parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
    parser.body_limit(limits_.body_bytes);
    connection.waiting = true;
    cut_after(connection, limits_.header_timeout);
    error_code error;
    while (!error && !parser.is_header_done()) error = co_await read_some(stream, buffer, parser, head_at_once);
    connection.waiting = false;
    if (!error && handlers_.upgrade && stream.tls() == nullptr && websocket::is_upgrade(parser.get())) {
      co_await upgrade(stream, parser, buffer.size() != 0, connection);
      co_return;
    }
    HttpRequest request;
    if (!error) {
      request = plain_request(parser.get(), connection.local, connection.remote);
      request.client_certificate = connection.client_certificate;
    }
    std::optional<Room> room;  // until it is answered
    bool fits = true;
    if (!error && !parser.is_done()) {
      std::size_t most = limits_.body_bytes;
      if (handlers_.body_bytes) most = std::min(most, handlers_.body_bytes(request));
      parser.body_limit(most);  // of chunks; a length that was announced has been compared already
      if (parser.content_length() && *parser.content_length() > most) error = http::error::body_limit;
      room.emplace(shared_from_this(), connection.remote.address);
      if (!error) fits = room->fits(static_cast<std::size_t>(parser.content_length().value_or(0)));
    }
    if (!error && fits && !parser.is_done()) {
      cut_after(connection, limits_.body_timeout);
      if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        error = co_await stream.write(asio::buffer(go_on));
      }
      // In steps: a length that was only announced holds nothing.
      parser.eager(true);
      while (!error && fits && !parser.is_done()) {
        error = co_await read_some(stream, buffer, parser, body_at_once);
        fits = room->holds(parser.get().body().size());
      }
    }
    if (!error && !fits) {
      event("body_refused", "too many bytes at once");
      co_await answer_last(stream, refusal(503), {.unread = true}, connection);
      co_return;
    }
    if (error) {
      if (is_bad_request(error)) co_await answer_last(stream, refusal(status_of(error)), {.unread = true}, connection);
      co_return;
    }

    connection.deadline = Clock::time_point::max();  // an answer may wait for a person
    Form form{parser.get().version(), parser.keep_alive(), parser.get().method() == http::verb::head};
    request.body = std::move(parser.get().body());
    HttpResponse answer = co_await handlers_.request(std::move(request));
    form.keep_alive = form.keep_alive && !answer.close && !stopping_;
    if (!form.keep_alive) {
      co_await answer_last(stream, std::move(answer), form, connection);
      co_return;
    }
    cut_after(connection, limits_.write_timeout);
    if (co_await write(stream, std::move(answer), form)) co_return;
  }
}

// In one piece: head and body would each be a TLS record and a packet.
awaitable<error_code> HttpServer::Lane::write(ByteStream& stream, HttpResponse answer, Form form) {
  std::string head = head_of(answer, form, date());
  if (form.head_only) answer.body.clear();
  const bool together = answer.body.size() <= written_at_once;
  if (together) head += answer.body;
  if (const error_code error = co_await stream.write(asio::buffer(head))) co_return error;
  if (together) co_return error_code{};
  co_return co_await stream.write(asio::buffer(answer.body));
}

std::string_view HttpServer::Lane::date() {
  const std::time_t now = std::time(nullptr);
  if (now != date_at_) date_ = http_date(now);
  date_at_ = now;
  return date_;
}

// The last answer on a connection. What the peer is still sending is read for a while: closing with unread bytes resets the
// connection, and the answer with it.
awaitable<void> HttpServer::Lane::answer_last(ByteStream& stream, HttpResponse answer, Form form, Connection& connection) {
  form.keep_alive = false;
  cut_after(connection, limits_.write_timeout);
  error_code error = co_await write(stream, std::move(answer), form);
  if (stream.tls() == nullptr) {
    if (!error) stream.socket().shutdown(tcp::socket::shutdown_send, error);
  } else {
    if (!form.unread) co_return;  // the closing handshake follows
  }
  cut_after(connection, linger_time);
  std::array<char, 4096> thrown_away;
  std::size_t size = 0;
  for (std::size_t total = 0; !error && total < linger_bytes; total += size)
    std::tie(error, size) = co_await stream.read_some(asio::buffer(thrown_away));
}

awaitable<void> HttpServer::Lane::upgrade(ByteStream& stream, ParsedRequest& parser, bool bytes_follow, Connection& connection) {
  const Form form{parser.get().version(), false, false};
  if (bytes_follow) {  // a client waits for the answer before it sends frames (RFC 6455 4.1)
    co_await answer_last(stream, refusal(400), form, connection);
    co_return;
  }
  connection.deadline = Clock::time_point::max();
  auto decision = co_await handlers_.upgrade(plain_request(parser.get(), connection.local, connection.remote));
  if (auto* refused = std::get_if<HttpResponse>(&decision)) {
    co_await answer_last(stream, std::move(*refused), form, connection);
    co_return;
  }
  auto& allowed = std::get<Upgrade>(decision);

  auto owned = std::make_unique<WebSocket::Implementation>(beast::tcp_stream(std::move(stream.socket())));
  Stream& frames = owned->stream;
  auto session = std::make_shared<WebSocket>(std::move(owned));
  connection.cut = connection.finish = [&frames] { frames.next_layer().close(); };
  // No idle limit: a page may wait for hours, and on a loopback an end is always seen.
  frames.set_option(websocket::stream_base::timeout{limits_.close_timeout, websocket::stream_base::none(), false});
  frames.set_option(websocket::stream_base::decorator([&allowed](websocket::response_type& response) {
    response.erase(http::field::server);
    if (!allowed.subprotocol.empty()) response.set(http::field::sec_websocket_protocol, allowed.subprotocol);
  }));
  frames.read_message_max(allowed.max_message_bytes);
  frames.auto_fragment(false);
  frames.text(true);
  const auto [error] = co_await frames.async_accept(parser.get(), as_values);
  if (error || stopping_) co_return;
  connection.finish = [weak = std::weak_ptr(session), executor = executor_] {
    asio::co_spawn(executor, say_goodbye(weak.lock()), [](std::exception_ptr) {});
  };
  co_await allowed.session(session);
  session->cut();
  connection.cut = connection.finish = {};
}

void HttpServer::Lane::cut_all() {
  for (auto& connection : connections_) {
    if (connection.cut) connection.cut();
  }
}

awaitable<void> HttpServer::Lane::stop(Self self, std::chrono::milliseconds patience) {
  self->stopping_ = true;
  auto& connections = self->connections_;
  for (auto& connection : connections) {
    if (connection.finish) connection.finish();
  }
  // Twice: first what finishes by itself, then what ends when it is cut. A handler that waits for a person may do neither.
  for (int round = 0; round < 2 && !connections.empty(); ++round) {
    if (round == 1) self->cut_all();
    const auto deadline = Clock::now() + (round == 0 ? patience : self->limits_.close_timeout);
    while (!connections.empty() && Clock::now() < deadline) {
      self->ended_.expires_at(deadline);
      co_await self->ended_.async_wait(as_values);
    }
  }
}

std::size_t HttpServer::Implementation::connections() const {
  std::size_t all = 0;
  for (const auto& lane : lanes_) all += lane->connections();
  return all;
}

void HttpServer::Implementation::stop_accepting() {
  for (const auto& weak : listeners_) {
    error_code ignored;
    if (const auto listener = weak.lock()) listener->acceptor.close(ignored);
  }
  listeners_.clear();
}

void HttpServer::Implementation::cut_all() {
  for (const auto& lane : lanes_) lane->cut_all();
}

// All lanes at once: their patience does not add up.
awaitable<void> HttpServer::Implementation::stop(std::shared_ptr<Implementation> self,
                                                 std::optional<std::chrono::milliseconds> patience) {
  self->stop_accepting();
  std::size_t left = self->lanes_.size();
  asio::steady_timer all(self->executor_, Clock::time_point::max());
  for (const auto& lane : self->lanes_)
    asio::co_spawn(lane->executor(), Lane::stop(lane, patience.value_or(lane->close_timeout())),
                   asio::bind_executor(self->executor_, [&left, &all](std::exception_ptr) {
                     if (--left == 0) all.cancel();
                   }));
  while (left > 0) co_await all.async_wait(as_values);
}

HttpServer::HttpServer(asio::any_io_executor executor, HttpHandlers handlers, HttpLimits limits,
                       const std::vector<asio::any_io_executor>& lanes) {
  const std::size_t count = std::max<std::size_t>(lanes.size(), 1);
  const auto share = [count](std::size_t limit) { return (limit + count - 1) / count; };
  limits.connections = share(limits.connections);
  limits.connections_of_one = share(limits.connections_of_one);
  // Not less than one body: 0 stays without a limit.
  for (std::size_t* const bytes : {&limits.body_bytes_at_once, &limits.body_bytes_of_one})
    if (*bytes > 0) *bytes = std::max(share(*bytes), limits.body_bytes);
  std::vector<std::shared_ptr<Lane>> made;
  for (const auto& lane : lanes) made.push_back(std::make_shared<Lane>(lane, handlers, limits));
  if (made.empty()) made.push_back(std::make_shared<Lane>(executor, std::move(handlers), limits));
  implementation_ = std::make_shared<Implementation>(std::move(executor), std::move(made));
}

HttpServer::~HttpServer() {
  implementation_->stop_accepting();
  implementation_->cut_all();
}

base::Result<std::uint16_t> HttpServer::listen(const Endpoint& endpoint, const std::optional<TlsFiles>& tls) {
  const tcp::endpoint where(endpoint.address, endpoint.port);
  error_code error;
  tcp::acceptor acceptor(implementation_->executor());
  acceptor.open(where.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint.address.is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(where, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed("listen on " + endpoint.address.to_string() + " port " + std::to_string(endpoint.port), error);
  return implementation_->listen(std::move(acceptor), tls);
}

base::Result<std::uint16_t> HttpServer::adopt(Descriptor listening, const std::optional<TlsFiles>& tls) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(listening.number(), reinterpret_cast<sockaddr*>(&name), &size) != 0)
    return failed("inherited socket", error_code(errno, boost::system::system_category()));
  if (name.ss_family != AF_INET && name.ss_family != AF_INET6)
    return base::failure(ErrorCode::network_failed, "an inherited socket is not TCP");
  error_code error;
  tcp::acceptor acceptor(implementation_->executor());
  acceptor.assign(name.ss_family == AF_INET ? tcp::v4() : tcp::v6(), listening.number(), error);
  if (error) return failed("inherited socket", error);
  (void)listening.release();
  return implementation_->listen(std::move(acceptor), tls);
}

std::size_t HttpServer::connections() const { return implementation_->connections(); }
void HttpServer::stop_accepting() { implementation_->stop_accepting(); }
awaitable<void> HttpServer::stop(std::optional<std::chrono::milliseconds> patience) {
  return Implementation::stop(implementation_, patience);
}

}  // namespace signet::net
