#include "pin_descriptor.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

namespace signet::web_bridge {
namespace {

using base::ErrorCode;
using base::failure;

// Between two looks at a pipe that has nothing yet. Not all that a descriptor may be can be waited for by epoll.
constexpr std::chrono::milliseconds look_again{10};

// O_NONBLOCK belongs to the open file and would change it for the client too: a pipe, file or terminal is opened anew, a
// socket is read with a flag.
struct Source {
  net::Descriptor descriptor;
  bool socket = false;

  ssize_t read(std::span<std::uint8_t> to) const {
    return socket ? ::recv(descriptor.number(), to.data(), to.size(), MSG_DONTWAIT)
                  : ::read(descriptor.number(), to.data(), to.size());
  }
};

base::Result<Source> source_of(net::Descriptor given) {
  struct stat about{};
  if (::fstat(given.number(), &about) != 0)
    return failure(ErrorCode::file_failed, "pin descriptor", static_cast<std::uint64_t>(errno));
  if (S_ISSOCK(about.st_mode)) return Source{std::move(given), true};
  const std::string path = "/proc/self/fd/" + std::to_string(given.number());
  net::Descriptor again(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!again) return failure(ErrorCode::file_failed, "pin descriptor", static_cast<std::uint64_t>(errno));
  // A regular file is read from where the client stands.
  if (S_ISREG(about.st_mode)) ::lseek(again.number(), ::lseek(given.number(), 0, SEEK_CUR), SEEK_SET);
  return Source{std::move(again), false};
}

// So many lines, line ends between them but not behind the last one; what stood behind it is wiped.
boost::asio::awaitable<base::Result<base::Secret>> read_lines(boost::asio::any_io_executor executor, net::Descriptor descriptor,
                                                              std::chrono::milliseconds timeout, std::ptrdiff_t lines) {
  auto source = source_of(std::move(descriptor));
  if (!source) co_return base::failure_of(source);
  auto text = base::Secret::make();
  if (!text) co_return base::failure_of(text);
  boost::asio::steady_timer pause(executor);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::span<std::uint8_t> buffer = text->buffer();
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = source->read(buffer.subspan(size));
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      co_return failure(ErrorCode::file_failed, "pin descriptor", static_cast<std::uint64_t>(errno));
    if (got == 0) break;
    if (got > 0) {
      size += static_cast<std::size_t>(got);
      if (std::ranges::count(buffer.first(size), '\n') >= lines) break;
      if (size == buffer.size()) co_return failure(ErrorCode::parameter_invalid, "pin: too long");
      continue;
    }
    if (std::chrono::steady_clock::now() >= deadline)
      co_return failure(ErrorCode::parameter_invalid, "pin: nothing came through the descriptor");
    pause.expires_after(look_again);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  std::size_t end = 0;
  for (std::ptrdiff_t line = 0; line < lines && end < size; ++line)
    end = static_cast<std::size_t>(std::ranges::find(buffer.subspan(end, size - end), '\n') - buffer.begin()) + 1;
  size = std::min(size, end > 0 ? end - 1 : 0);
  base::wipe(buffer.subspan(size));
  text->resize(size);
  co_return std::move(*text);
}

base::Result<base::Secret> one_pin(base::BytesView line) {
  if (!line.empty() && line.back() == '\r') line = line.first(line.size() - 1);
  if (line.empty()) return failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
  return base::Secret::copy_of(line);
}

}  // namespace

boost::asio::awaitable<base::Result<base::Secret>> read_pin(boost::asio::any_io_executor executor, net::Descriptor descriptor,
                                                            std::chrono::milliseconds timeout) {
  const auto text = co_await read_lines(executor, std::move(descriptor), timeout, 1);
  if (!text) co_return std::unexpected(text.error());
  co_return one_pin(text->bytes());
}

boost::asio::awaitable<base::Result<std::pair<base::Secret, base::Secret>>> read_two_pins(boost::asio::any_io_executor executor,
                                                                                          net::Descriptor descriptor,
                                                                                          std::chrono::milliseconds timeout) {
  const auto text = co_await read_lines(executor, std::move(descriptor), timeout, 2);
  if (!text) co_return std::unexpected(text.error());
  const base::BytesView bytes = text->bytes();
  const auto end = static_cast<std::size_t>(std::ranges::find(bytes, '\n') - bytes.begin());
  auto first = one_pin(bytes.first(end));
  if (!first) co_return base::failure_of(first);
  auto second = one_pin(bytes.subspan(std::min(end + 1, bytes.size())));
  if (!second) co_return base::failure_of(second);
  co_return std::pair(std::move(*first), std::move(*second));
}

}  // namespace signet::web_bridge
