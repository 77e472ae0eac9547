#include "agent/assuan_client.hpp"

#include <assuan.h>
#include <fcntl.h>
#include <gpg-error.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

namespace signet::agent {

using base::ErrorCode;
using base::failure;

namespace {

// Pages of their own for whatever libassuan asks for: locked, left out of dumps, wiped before they are given back.
struct alignas(std::max_align_t) Block {
  std::size_t bytes;  // of the whole mapping; what was asked for follows
};
constexpr std::size_t page = 4096;

Block* block_of(void* payload) { return static_cast<Block*>(payload) - 1; }

void* locked_malloc(std::size_t size) {
  const std::size_t bytes = (size + sizeof(Block) + page - 1) / page * page;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  if (mlock(memory, bytes) != 0 || madvise(memory, bytes, MADV_DONTDUMP) != 0 || madvise(memory, bytes, MADV_WIPEONFORK) != 0) {
    munmap(memory, bytes);
    return nullptr;
  }
  auto* const block = static_cast<Block*>(memory);
  block->bytes = bytes;
  return block + 1;
}

void locked_free(void* payload) {
  if (payload == nullptr) return;
  Block* const block = block_of(payload);
  const std::size_t bytes = block->bytes;
  base::wipe({reinterpret_cast<std::uint8_t*>(block), bytes});
  munmap(block, bytes);
}

void* locked_realloc(void* payload, std::size_t size) {
  if (payload == nullptr) return locked_malloc(size);
  const std::size_t old = block_of(payload)->bytes - sizeof(Block);
  void* const larger = locked_malloc(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, payload, std::min(old, size));
  locked_free(payload);
  return larger;
}

assuan_malloc_hooks locked_memory{locked_malloc, locked_realloc, locked_free};

base::Result<void> start_process(const std::string& program, const Screen& screen, int socket, pid_t& process) {
  std::vector<std::string> assignments{"PATH=/usr/local/bin:/usr/bin:/bin"};
  for (const char* name : {"HOME", "USER"}) {
    if (const char* value = std::getenv(name)) assignments.push_back(std::string(name) + "=" + value);
  }
  for (const auto& [name, value] : screen) assignments.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& assignment : assignments) environment.push_back(assignment.data());
  environment.push_back(nullptr);

  std::string path = program;
  std::vector<char*> arguments{path.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, socket, 0);
  posix_spawn_file_actions_adddup2(&actions, socket, 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  const int error = posix_spawnp(&process, path.c_str(), &actions, &attributes, arguments.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return failure(ErrorCode::no_dialog_possible, "cannot start " + program + ": install a pinentry program",
                   static_cast<std::uint64_t>(error));
  return {};
}

// pinentry's answers: cancelled and timed out are the person's, all else is the machine's.
base::Error translated(gpg_error_t error) {
  switch (gpg_err_code(error)) {
    case GPG_ERR_CANCELED:
    case GPG_ERR_FULLY_CANCELED:
    case GPG_ERR_NOT_CONFIRMED:
      return {ErrorCode::user_cancelled, "cancelled in the dialog", error, {}};
    case GPG_ERR_TIMEOUT:
      return {ErrorCode::user_cancelled, "the dialog timed out", error, {}};
    case GPG_ERR_EOF:
    case GPG_ERR_EPIPE:
      return {ErrorCode::user_cancelled, "the dialog was closed", error, {}};
    case GPG_ERR_ENOMEM:
      return {ErrorCode::memory_not_lockable, "for the dialog", error, {}};
    default:
      return {ErrorCode::no_dialog_possible, std::string("pinentry: ") + gpg_strerror(error), error, {}};
  }
}

struct Received {
  base::Secret* secret;
  bool overflow = false;
};

gpg_error_t receive(void* opaque, const void* data, std::size_t size) {
  auto& received = *static_cast<Received*>(opaque);
  const std::size_t have = received.secret->bytes().size();
  if (have + size > base::Secret::capacity) {
    received.overflow = true;
    return 0;
  }
  std::memcpy(received.secret->buffer().data() + have, data, size);
  received.secret->resize(have + size);
  return 0;
}

gpg_error_t note_repeated(void* opaque, const char* status) {
  if (std::string_view(status) == "PIN_REPEATED") *static_cast<bool*>(opaque) = true;
  return 0;
}

}  // namespace

std::string assuan_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '%':
        out += "%25";
        break;
      case '\n':
        out += "%0A";
        break;
      case '\r':
        out += "%0D";
        break;
      default:
        out += c;
    }
  }
  return out;
}

struct Pinentry::State {
  std::string program;
  assuan_context_t context = nullptr;
  int socket = -1;    // for hanging up: open as long as this lives, so that its number is nobody else's
  int to_greet = -1;  // the same, for the context: it owns what it was given, and has closed it where that failed
  pid_t process = -1;
  std::chrono::milliseconds patience = usual_patience;
  // libassuan waits for a line as long as it takes, whatever the socket's own time limit: another thread hangs up.
  std::mutex guard{};
  std::condition_variable changed{};
  std::optional<std::chrono::steady_clock::time_point> deadline{};
  bool lost_patience = false;
  std::atomic<bool> hung_up = false;  // it did not end by itself
  bool ending = false;
  std::thread watchdog{};

  void hang_up() {
    hung_up = true;
    ::kill(process, SIGTERM);
    // Where the program is a script, something that it started may hold the other end.
    ::shutdown(socket, SHUT_RDWR);
  }

  void watch() {
    std::unique_lock lock(guard);
    while (!ending) {
      if (!deadline) {
        changed.wait(lock);
      } else if (changed.wait_until(lock, *deadline) == std::cv_status::timeout && deadline &&
                 std::chrono::steady_clock::now() >= *deadline) {
        deadline.reset();
        lost_patience = true;
        hang_up();
      }
    }
  }

  void expect_within(std::optional<std::chrono::milliseconds> time) {
    {
      const std::lock_guard lock(guard);
      deadline = time ? std::optional(std::chrono::steady_clock::now() + *time) : std::nullopt;
    }
    changed.notify_all();
  }

  bool gave_up() {
    const std::lock_guard lock(guard);
    return lost_patience;
  }

  base::Error silent(const char* what) const {
    return {ErrorCode::no_dialog_possible,
            program + what + " within " + std::to_string(patience.count() / 1000) +
                " s: dialog.pinentry in the configuration names the program",
            ETIMEDOUT,
            {}};
  }

  ~State() {
    {
      const std::lock_guard lock(guard);
      ending = true;
    }
    changed.notify_all();
    if (watchdog.joinable()) watchdog.join();
    if (context != nullptr) assuan_release(context);
    for (const int descriptor : {socket, to_greet})
      if (descriptor >= 0) ::close(descriptor);
    if (process > 0) {
      // It has lost its connection and gets a signal; a dialog that ignores both is ended for good.
      ::kill(process, SIGTERM);
      const int ended = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
      pollfd waiting{ended, POLLIN, 0};
      if (ended < 0 || ::poll(&waiting, 1, 500) != 1) ::kill(process, SIGKILL);
      if (hung_up) ::kill(-process, SIGKILL);  // what a script has started, too: it leads a session of its own
      if (ended >= 0) ::close(ended);
      ::waitpid(process, nullptr, 0);
    }
  }
};

Pinentry::Pinentry(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pinentry::Pinentry(Pinentry&&) noexcept = default;
Pinentry& Pinentry::operator=(Pinentry&&) noexcept = default;
Pinentry::~Pinentry() = default;

void Pinentry::interrupt() const { state_->hang_up(); }

base::Result<Pinentry> Pinentry::start(const std::string& program, const Screen& screen) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return failure(ErrorCode::no_dialog_possible, "socketpair", static_cast<std::uint64_t>(errno));
  auto state = std::make_unique<State>();
  state->program = program;
  state->socket = sockets[0];
  state->to_greet = ::fcntl(sockets[0], F_DUPFD_CLOEXEC, 0);
  auto started = start_process(program, screen, sockets[1], state->process);
  ::close(sockets[1]);
  if (!started) return base::failure_of(started);
  if (gpg_error_t error = assuan_new_ext(&state->context, GPG_ERR_SOURCE_DEFAULT, &locked_memory, nullptr, nullptr); error != 0)
    return std::unexpected(translated(error));
  state->watchdog = std::thread([watched = state.get()] { watched->watch(); });
  return Pinentry(std::move(state));
}

base::Result<void> Pinentry::greet(const Screen& screen, std::chrono::milliseconds patience) {
  state_->patience = patience;
  if (state_->to_greet < 0) return failure(ErrorCode::no_dialog_possible, "no descriptor is left", EMFILE);
  state_->expect_within(patience);
  const gpg_error_t error = assuan_socket_connect_fd(state_->context, std::exchange(state_->to_greet, -1), 0);
  state_->expect_within(std::nullopt);
  if (error != 0) {
    if (state_->gave_up()) return std::unexpected(state_->silent(" did not greet"));
    return failure(ErrorCode::no_dialog_possible, state_->program + " did not greet: " + gpg_strerror(error), error);
  }
  for (const auto& [option, variable] : {std::pair{"ttyname", "GPG_TTY"}, {"ttytype", "TERM"}, {"lc-messages", "LANG"}}) {
    // Not every pinentry knows every option: what it refuses it does not need.
    if (const auto value = screen.find(variable); value != screen.end())
      (void)transact(std::string("OPTION ") + option + "=" + assuan_escaped(value->second));
  }
  (void)transact("OPTION no-grab");
  if (state_->gave_up()) return std::unexpected(state_->silent(" did not answer"));
  return {};
}

// A line that no person has to think about.
base::Result<void> Pinentry::transact(const std::string& line) {
  state_->expect_within(state_->patience);
  const gpg_error_t error = assuan_transact(state_->context, line.c_str(), nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  state_->expect_within(std::nullopt);
  if (error == 0) return {};
  return std::unexpected(state_->gave_up() ? state_->silent(" did not answer") : translated(error));
}

base::Result<void> Pinentry::set(const std::string& command, const std::string& text) {
  const std::string line = command + " " + assuan_escaped(text);
  if (line.size() > most_escaped_bytes + 50) return failure(ErrorCode::parameter_invalid, command + " is too long for pinentry");
  return transact(line);
}

base::Result<Pinentry::Answer> Pinentry::confirm() {
  const gpg_error_t error = assuan_transact(state_->context, "CONFIRM", nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  if (error == 0) return Answer::ok;
  if (gpg_err_code(error) == GPG_ERR_NOT_CONFIRMED) return Answer::not_ok;
  const base::Error reason = translated(error);
  if (reason.code == ErrorCode::user_cancelled) return Answer::cancelled;
  return std::unexpected(reason);
}

base::Result<Pinentry::Typed> Pinentry::get_pin() {
  auto pin = base::Secret::make();
  if (!pin) return base::failure_of(pin);
  assuan_begin_confidential(state_->context);
  Received received{&*pin};
  bool repeated = false;
  const gpg_error_t error =
      assuan_transact(state_->context, "GETPIN", receive, &received, nullptr, nullptr, note_repeated, &repeated);
  assuan_end_confidential(state_->context);
  if (error != 0) return std::unexpected(translated(error));
  if (received.overflow) return failure(ErrorCode::pin_length, "longer than any PIN");
  return Typed{std::move(*pin), repeated};
}

}  // namespace signet::agent
