#include "byte_stream.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <new>

namespace signet::net {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto as_values = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t written_at_once = 256 * 1024;

// OpenSSL's own would raise SIGPIPE, and would go on with the number of a descriptor that is closed, and perhaps another's by
// now.
tcp::socket& socket_of(BIO* bio) { return *static_cast<tcp::socket*>(BIO_get_data(bio)); }

int told(BIO* bio, ssize_t size, int again) {
  BIO_clear_retry_flags(bio);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_flags(bio, again | BIO_FLAGS_SHOULD_RETRY);
  return static_cast<int>(size);
}

int read_from(BIO* bio, char* bytes, int size) {
  return told(bio, ::recv(socket_of(bio).native_handle(), bytes, static_cast<std::size_t>(size), MSG_DONTWAIT), BIO_FLAGS_READ);
}

int write_to(BIO* bio, const char* bytes, int size) {
  return told(bio, ::send(socket_of(bio).native_handle(), bytes, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL),
              BIO_FLAGS_WRITE);
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0; }

const BIO_METHOD* of_sockets() {
  static const base::Owned<BIO_METHOD, BIO_meth_free> method = [] {
    base::Owned<BIO_METHOD, BIO_meth_free> made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "asio socket"));
    if (!made) throw std::bad_alloc();
    BIO_meth_set_read(made.get(), read_from);
    BIO_meth_set_write(made.get(), write_to);
    BIO_meth_set_ctrl(made.get(), control);
    return made;
  }();
  return method.get();
}

}  // namespace

ByteStream::ByteStream(tcp::socket socket, SSL_CTX* context) : socket_(std::move(socket)) {
  if (context == nullptr) return;
  tls_.reset(SSL_new(context));
  BIO* const bio = tls_ ? BIO_new(of_sockets()) : nullptr;
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, &socket_);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls_.get(), bio, bio);
  SSL_set_mode(tls_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_set_read_ahead(tls_.get(), 1);  // a record's head and its rest at once
}

template <class Operation>
awaitable<error_code> ByteStream::until_done(Operation operation) {
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const int done = operation();
    if (done > 0) co_return error_code{};
    const int system = errno;
    tcp::socket::wait_type ready{};
    switch (SSL_get_error(tls_.get(), done)) {
      case SSL_ERROR_WANT_READ:
        ready = tcp::socket::wait_read;
        break;
      case SSL_ERROR_WANT_WRITE:
        ready = tcp::socket::wait_write;
        break;
      case SSL_ERROR_ZERO_RETURN:
        co_return asio::error::eof;
      case SSL_ERROR_SYSCALL:
        if (system != 0) co_return error_code(system, asio::error::get_system_category());
        co_return asio::error::eof;
      default:
        co_return error_code(static_cast<int>(ERR_get_error()), asio::error::get_ssl_category());
    }
    if (const auto [failed] = co_await socket_.async_wait(ready, as_values); failed) co_return failed;
  }
}

awaitable<error_code> ByteStream::handshake() {
  return until_done([this] { return SSL_accept(tls_.get()); });
}

awaitable<std::pair<error_code, std::size_t>> ByteStream::read_some(asio::mutable_buffer room) {
  if (!tls_) {
    const auto [error, size] = co_await socket_.async_read_some(room, as_values);
    co_return std::pair{error, size};
  }
  // Waited for first: so nobody who sends without end keeps the others of this thread waiting.
  if (SSL_has_pending(tls_.get()) == 0) {
    if (const auto [failed] = co_await socket_.async_wait(tcp::socket::wait_read, as_values); failed)
      co_return std::pair{failed, std::size_t{0}};
  }
  std::size_t size = 0;
  const error_code error = co_await until_done([&] { return SSL_read_ex(tls_.get(), room.data(), room.size(), &size); });
  co_return std::pair{error, size};
}

awaitable<error_code> ByteStream::write(asio::const_buffer bytes) {
  if (!tls_) {
    const auto [error, size] = co_await asio::async_write(socket_, bytes, as_values);
    co_return error;
  }
  for (std::size_t at_once = 0; bytes.size() > 0;) {
    if (at_once >= written_at_once) {  // whoever reads as fast as we write does not keep the others of this thread waiting
      at_once = 0;
      if (const auto [failed] = co_await socket_.async_wait(tcp::socket::wait_write, as_values); failed) co_return failed;
    }
    std::size_t size = 0;
    if (const error_code error = co_await until_done([&] { return SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &size); }))
      co_return error;
    bytes += size;
    at_once += size;
  }
  co_return error_code{};
}

awaitable<void> ByteStream::say_end() {
  co_await until_done([this] {
    const int said = SSL_shutdown(tls_.get());
    return said == 0 ? SSL_shutdown(tls_.get()) : said;
  });
}

}  // namespace signet::net
