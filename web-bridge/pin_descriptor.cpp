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

}  // namespace

boost::asio::awaitable<base::Result<base::Secret>> read_pin(boost::asio::any_io_executor executor, net::Descriptor descriptor,
                                                            std::chrono::milliseconds timeout) {
  auto source = source_of(std::move(descriptor));
  if (!source) co_return base::failure_of(source);
  auto pin = base::Secret::make();
  if (!pin) co_return base::failure_of(pin);
  boost::asio::steady_timer pause(executor);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::span<std::uint8_t> buffer = pin->buffer();
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = source->read(buffer.subspan(size));
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      co_return failure(ErrorCode::file_failed, "pin descriptor", static_cast<std::uint64_t>(errno));
    if (got == 0) break;
    if (got > 0) {
      const auto fresh = buffer.subspan(size, static_cast<std::size_t>(got));
      const auto end = std::ranges::find(fresh, '\n');
      size += static_cast<std::size_t>(end - fresh.begin());
      if (end != fresh.end()) break;
      if (size == buffer.size()) co_return failure(ErrorCode::parameter_invalid, "pin: too long");
      continue;
    }
    if (std::chrono::steady_clock::now() >= deadline)
      co_return failure(ErrorCode::parameter_invalid, "pin: nothing came through the descriptor");
    pause.expires_after(look_again);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  if (size > 0 && buffer[size - 1] == '\r') --size;
  base::wipe(buffer.subspan(size));  // what stood after the line end
  pin->resize(size);
  if (pin->empty()) co_return failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
  co_return std::move(*pin);
}

}  // namespace signet::web_bridge
