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
  Process(const std::string& program, std::vector<std::string> slots) {
    std::string word = program, option = "--card-held";
    std::vector<char*> words{word.data(), option.data()};
    for (std::string& slot : slots) words.push_back(slot.data());
    words.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    // An alarm ends it where PC/SC does not answer.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (posix_spawn(&id_, program.c_str(), &actions, &attributes, words.data(), environ) != 0) id_ = 0;
    posix_spawnattr_destroy(&attributes);
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

asio::awaitable<bool> card_held(asio::any_io_executor executor, std::string program, std::vector<std::string> slots) {
  using namespace asio::experimental::awaitable_operators;
  Process process(program, std::move(slots));
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
