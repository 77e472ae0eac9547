#include "web_bridge/control_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>

#include "answers.hpp"

namespace signet::web_bridge {

namespace asio = boost::asio;
using asio::awaitable;
using base::ErrorCode;
using base::failure;
using boost::system::error_code;
using Unix = asio::local::stream_protocol;

namespace {

constexpr auto as_values = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t most_descriptors = 4;  // passed and not yet taken; a command passes one
constexpr std::size_t read_size = 64 * 1024;
constexpr std::chrono::milliseconds accept_pause{100};
constexpr std::chrono::seconds stop_timeout{2};

std::unexpected<base::Error> failed(std::string what) {
  const int error = errno;
  return failure(ErrorCode::file_failed, what + ": " + std::strerror(error), static_cast<std::uint64_t>(error));
}

class ControlChannel : public Channel {
 public:
  ControlChannel(Unix::socket socket, std::size_t message_bytes) : socket_(std::move(socket)), message_bytes_(message_bytes) {}

  awaitable<base::Result<std::string>> read() override {
    for (;;) {
      if (const std::size_t end = buffer_.find('\n', searched_); end != std::string::npos) {
        if (end > message_bytes_) break;
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        searched_ = 0;
        co_return line;
      }
      searched_ = buffer_.size();
      if (buffer_.size() > message_bytes_) break;
      const auto [error] = co_await socket_.async_wait(Unix::socket::wait_read, as_values);
      if (error) co_return failure(ErrorCode::network_failed, error.message());
      if (!receive()) co_return failure(ErrorCode::network_failed, "ended");
    }
    co_return failure(ErrorCode::message_too_large, "a line over " + std::to_string(message_bytes_) + " bytes");
  }

  awaitable<base::Result<void>> write(std::string text) override {
    text += '\n';
    const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(text), as_values);
    if (error) co_return failure(ErrorCode::network_failed, error.message());
    co_return base::Result<void>{};
  }

  awaitable<void> close(std::uint16_t, std::string) override {
    cut();
    co_return;
  }

  void cut() override {
    error_code ignored;
    socket_.shutdown(Unix::socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

  base::Result<void> still_served() override { return {}; }  // SO_PEERCRED was fixed when it connected

  net::Descriptor take_descriptor() override {
    if (descriptors_.empty()) return {};
    net::Descriptor first = std::move(descriptors_.front());
    descriptors_.pop_front();
    return first;
  }

 private:
  // False at the end. Descriptors are taken in whatever else is wrong: those not wanted must be closed.
  bool receive() {
    const std::size_t before = buffer_.size();
    buffer_.resize(before + read_size);
    iovec bytes{buffer_.data() + before, read_size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_descriptors)];
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const int error = errno;
    buffer_.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got < 0) return error == EAGAIN || error == EINTR;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      for (std::size_t i = 0; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
        int number;
        std::memcpy(&number, CMSG_DATA(part) + i * sizeof number, sizeof number);
        net::Descriptor descriptor(number);
        if (descriptors_.size() < most_descriptors) descriptors_.push_back(std::move(descriptor));
      }
    }
    return got > 0;
  }

  Unix::socket socket_;
  std::size_t message_bytes_;
  std::string buffer_;
  std::size_t searched_ = 0;  // no line end before
  std::deque<net::Descriptor> descriptors_;
};

base::Result<uid_t> user_of(Unix::socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return failed("SO_PEERCRED");
  return peer.uid;
}

base::Result<net::Descriptor> bound(const std::filesystem::path& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof name.sun_path)
    return failure(ErrorCode::file_failed, "the path of the control socket is too long");
  std::memcpy(name.sun_path, path.c_str(), path.native().size());
  const auto* const address = reinterpret_cast<const sockaddr*>(&name);

  const std::filesystem::path folder = path.parent_path();
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed(folder.string());
  struct stat about{};
  if (::lstat(folder.c_str(), &about) != 0) return failed(folder.string());
  if (!S_ISDIR(about.st_mode) || about.st_uid != ::geteuid() || (about.st_mode & 077) != 0)
    return failure(ErrorCode::file_failed, folder.string() + " is not a folder of this user alone");

  net::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return failed("socket");
  if (::bind(socket.number(), address, sizeof name) != 0) {
    if (errno != EADDRINUSE) return failed(path.string());
    const net::Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(probe.number(), address, sizeof name) == 0)
      return failure(ErrorCode::file_failed, "another agent answers on " + path.string());
    // Left behind by one that ended without tidying up.
    if (::unlink(path.c_str()) != 0 || ::bind(socket.number(), address, sizeof name) != 0) return failed(path.string());
  }
  if (::chmod(path.c_str(), 0600) != 0) return failed(path.string());  // before anyone can connect
  if (::listen(socket.number(), SOMAXCONN) != 0) return failed(path.string());
  return socket;
}

}  // namespace

class ControlServer::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(asio::any_io_executor executor, NativeFace& face, ControlServerOptions options)
      : executor_(executor),
        face_(face),
        options_(std::move(options)),
        acceptor_(executor),
        ended_(executor, asio::steady_timer::time_point::max()) {}

  base::Result<void> start() {
    const bool inherited = static_cast<bool>(options_.inherited);
    if (!inherited) {
      auto made = bound(options_.socket);
      if (!made) return base::failure_of(made);
      options_.inherited = std::move(*made);
    }
    error_code error;
    acceptor_.assign(Unix(), options_.inherited.number(), error);
    if (error) return failure(ErrorCode::file_failed, error.message(), static_cast<std::uint64_t>(error.value()));
    (void)options_.inherited.release();
    made_ = !inherited;
    asio::co_spawn(executor_, accept(shared_from_this()), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
    return {};
  }

  void stop_accepting() {
    if (!acceptor_.is_open()) return;
    error_code ignored;
    acceptor_.close(ignored);
    if (made_) ::unlink(options_.socket.c_str());
  }

  void cut_all() {
    for (const auto& weak : channels_) {
      if (const auto alive = weak.lock()) alive->cut();
    }
  }

  static awaitable<void> stop(std::shared_ptr<Implementation> self) {
    self->stop_accepting();
    self->cut_all();
    const auto deadline = std::chrono::steady_clock::now() + stop_timeout;
    while (!self->channels_.empty() && std::chrono::steady_clock::now() < deadline) {
      self->ended_.expires_at(deadline);
      co_await self->ended_.async_wait(as_values);
    }
  }

 private:
  using Self = std::shared_ptr<Implementation>;

  static awaitable<void> accept(Self self) {
    while (self->acceptor_.is_open()) {
      auto [error, socket] = co_await self->acceptor_.async_accept(as_values);
      if (!self->acceptor_.is_open()) break;
      if (error) {
        self->face_.event("accept_failed", {{"detail", error.message()}});
        asio::steady_timer pause(self->executor_, accept_pause);
        co_await pause.async_wait(as_values);
        continue;
      }
      asio::co_spawn(self->executor_, serve(self, std::move(socket)), [self](std::exception_ptr thrown) {
        if (!thrown) return;
        try {
          std::rethrow_exception(thrown);
        } catch (const std::exception& exception) {
          self->face_.event("connection_failed", {{"detail", exception.what()}});
        }
      });
    }
  }

  static awaitable<void> serve(Self self, Unix::socket socket) {
    const auto user = user_of(socket);
    const auto channel = std::make_shared<ControlChannel>(std::move(socket), self->face_.limits().message_bytes);
    std::optional<base::Error> error;
    if (!user || *user != ::geteuid()) {
      error = base::Error{ErrorCode::other_user, "this agent serves another user", 0, {}};
    }
    const auto origin = signing::Origin::command_line();
    auto place = self->face_.admit(origin);
    if (!error && !place) error = place.error();
    if (error) {
      self->face_.event("refused", {{"code", std::string(name(error->code))}, {"origin", "command-line"}});
      co_await channel->write(refused_event(*error));
      channel->cut();
      co_return;
    }
    struct Listed {
      Implementation& server;
      std::list<std::weak_ptr<ControlChannel>>::iterator place;
      Listed(Implementation& the_server, const std::shared_ptr<ControlChannel>& one)
          : server(the_server), place(server.channels_.insert(server.channels_.end(), one)) {}
      Listed(const Listed&) = delete;
      Listed& operator=(const Listed&) = delete;
      ~Listed() {
        server.channels_.erase(place);
        server.ended_.cancel();
      }
    } const listed(*self, channel);
    co_await self->face_.serve(channel, Caller{origin, *user}, std::move(*place));
  }

  asio::any_io_executor executor_;
  NativeFace& face_;
  ControlServerOptions options_;
  Unix::acceptor acceptor_;
  bool made_ = false;  // the path is ours to remove
  std::list<std::weak_ptr<ControlChannel>> channels_;
  asio::steady_timer ended_;
};

ControlServer::ControlServer(asio::any_io_executor executor, NativeFace& face, ControlServerOptions options)
    : implementation_(std::make_shared<Implementation>(std::move(executor), face, std::move(options))) {}

ControlServer::~ControlServer() {
  implementation_->stop_accepting();
  implementation_->cut_all();
}

base::Result<void> ControlServer::start() { return implementation_->start(); }
void ControlServer::stop_accepting() { implementation_->stop_accepting(); }
awaitable<void> ControlServer::stop() { return Implementation::stop(implementation_); }

}  // namespace signet::web_bridge
