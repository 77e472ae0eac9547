#include "tls_echo.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <string>

namespace signet::bench {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

std::size_t number_at(const std::string& bytes, std::size_t at) {
  std::size_t number = 0;
  for (std::size_t i = at; i < at + 4; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

awaitable<void> echo(tcp::socket socket, asio::ssl::context& context) {
  socket.set_option(tcp::no_delay(true));
  asio::ssl::stream<tcp::socket> stream(std::move(socket), context);
  if (const auto [refused] = co_await stream.async_handshake(asio::ssl::stream_base::server, as_values); refused) co_return;
  std::array<char, 64 * 1024> part;
  std::string message, answer;
  for (;;) {
    message.clear();
    while (message.size() < 8 || message.size() < number_at(message, 0)) {
      const auto [error, size] = co_await stream.async_read_some(asio::buffer(part), as_values);
      if (error) co_return;
      message.append(part.data(), size);
    }
    answer.assign(number_at(message, 4), 'e');
    answer.replace(0, 4, message, 4, 4);
    if (const auto [error, size] = co_await asio::async_write(stream, asio::buffer(answer), as_values); error) co_return;
  }
}

awaitable<void> accept(tcp::acceptor acceptor, asio::ssl::context& context) {
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(as_values);
    if (!error) asio::co_spawn(acceptor.get_executor(), echo(std::move(socket), context), asio::detached);
  }
}

}  // namespace

int serve_tls_echo(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  asio::io_context io{1};
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain_file(certificate.string());
  context.use_private_key_file(key.string(), asio::ssl::context::pem);
  context.set_verify_mode(asio::ssl::verify_peer);
  context.set_verify_callback([](bool, asio::ssl::verify_context&) { return true; });
  tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), 0});
  std::printf("%d\n", int{acceptor.local_endpoint().port()});
  std::fflush(stdout);
  asio::co_spawn(io, accept(std::move(acceptor), context), asio::detached);
  io.run();
  return 0;
}

}  // namespace signet::bench
