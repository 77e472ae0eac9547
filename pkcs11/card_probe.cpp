#include "card_probe.hpp"

#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "call_page.hpp"

namespace signet::pkcs11 {

namespace asio = boost::asio;

namespace {

// Longer than what a program does within one transaction with a card that works.
constexpr auto moment = std::chrono::milliseconds(1500);

// Ends and reaps it, also where the coroutine is dropped.
class Process {
 public:
  explicit Process(const std::string& program) {
    std::string word = program, option = "--card-held";
    char* const words[] = {word.data(), option.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (posix_spawn(&id_, program.c_str(), &actions, nullptr, words, environ) != 0) id_ = 0;
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Process() {
    if (id_ == 0) return;
    kill(id_, SIGKILL);
    waitpid(id_, nullptr, 0);
  }
  Process(const Process&) = delete;  // owns a process
  Process& operator=(const Process&) = delete;

  int descriptor() const { return id_ == 0 ? -1 : static_cast<int>(syscall(SYS_pidfd_open, id_, 0)); }
  // Its exit code; -1 if it runs still, or did not end by itself.
  int ended() {
    int status = 0;
    if (waitpid(id_, &status, WNOHANG) != id_) return -1;
    id_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t id_ = 0;
};

}  // namespace

asio::awaitable<bool> card_held(asio::any_io_executor executor, std::string program) {
  using namespace asio::experimental::awaitable_operators;
  Process process(program);
  const int descriptor = process.descriptor();
  if (descriptor < 0) co_return false;
  asio::posix::stream_descriptor end(executor, descriptor);
  asio::steady_timer timer(executor, moment);
  boost::system::error_code first, second;
  const auto over =
      co_await (end.async_wait(asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, first)) ||
                timer.async_wait(asio::redirect_error(asio::use_awaitable, second)));
  if (over.index() == 1) co_return true;
  co_return process.ended() == exit_card_held;
}

}  // namespace signet::pkcs11
