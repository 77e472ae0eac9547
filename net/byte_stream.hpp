#pragma once

#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/owned.hpp"

namespace signet::net {

// A server's end of a connection, plain or in TLS. OpenSSL reads and writes the socket itself: nothing is copied on the way, and
// what can be done at once waits for nobody. One thread; one operation at a time. Whoever closes socket() ends what waits with an
// error.
class ByteStream {
 public:
  // `context`: TLS, from handshake() on; nullptr: plain. It outlives the stream.
  ByteStream(boost::asio::ip::tcp::socket socket, SSL_CTX* context);
  ByteStream(const ByteStream&) = delete;  // OpenSSL knows its address
  ByteStream& operator=(const ByteStream&) = delete;

  boost::asio::ip::tcp::socket& socket() { return socket_; }
  SSL* tls() { return tls_.get(); }  // nullptr: plain

  boost::asio::awaitable<boost::system::error_code> handshake();
  // At least a byte, or an error: eof where the peer has ended it.
  boost::asio::awaitable<std::pair<boost::system::error_code, std::size_t>> read_some(boost::asio::mutable_buffer room);
  // All of them.
  boost::asio::awaitable<boost::system::error_code> write(boost::asio::const_buffer bytes);
  // TLS: says that nothing more comes, and hears the same from the peer.
  boost::asio::awaitable<void> say_end();

 private:
  template <class Operation>
  boost::asio::awaitable<boost::system::error_code> until_done(Operation operation);

  boost::asio::ip::tcp::socket socket_;
  base::Owned<SSL, SSL_free> tls_;
};

}  // namespace signet::net
