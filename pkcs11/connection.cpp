#include "connection.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "card_probe.hpp"

namespace signet::pkcs11 {
namespace {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;
using wire::Kind;

// C_Sign and C_GetTokenInfo give an error at once for a token that is gone, or never come back (OpenSC 0.23), also when they were
// called a moment after it had gone; a slow card that was put in again is listed within some seconds.
constexpr auto after_pull = std::chrono::seconds(3);
constexpr auto listing_is_suspect = std::chrono::seconds(5);
constexpr auto listing_after_pull = std::chrono::seconds(8);
constexpr auto end_grace = std::chrono::seconds(3);   // for C_Logout and the signature in flight
constexpr auto reap_grace = std::chrono::seconds(1);  // from the end of the socket, or SIGKILL, to the end of the process
constexpr auto while_it_sets_a_pin = std::chrono::seconds(1);
constexpr auto until_stopped = std::chrono::milliseconds(20);  // SIGSTOP reaches a process that runs at once

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::load:
      return "loading the module";
    case Kind::tokens:
      return "listing the tokens";
    case Kind::certificates:
      return "reading certificates";
    case Kind::login:
      return "login";
    case Kind::logout:
      return "logout";
    case Kind::key:
      return "finding a key";
    case Kind::sign:
      return "signing";
    case Kind::change_pin:
      return "changing the PIN";
    case Kind::unblock_pin:
      return "unblocking the PIN";
    default:
      return "nothing";
  }
}

bool sets_pins(Kind kind) { return kind == Kind::change_pin || kind == Kind::unblock_pin; }

std::unexpected<Error> cannot_start(const char* what, int error) {
  return base::failure(ErrorCode::token_host_died,
                       std::string("cannot start signet-token-host: ") + what + ": " + std::strerror(error),
                       static_cast<std::uint64_t>(error));
}

// Numbers that the host's own, 3 and 4, do not run over when they are put in place.
int high(int descriptor) {
  const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, host_call_page + 1);
  const int reason = errno;
  close(descriptor);
  errno = reason;
  return copy;
}

class SpawnSettings {
 public:
  SpawnSettings(int socket, int page) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, socket, host_socket);
    posix_spawn_file_actions_adddup2(&actions, page, host_call_page);
    posix_spawn_file_actions_addclosefrom_np(&actions, host_call_page + 1);

    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    // A session of its own: what the module forks is killed with it, and a Ctrl-C at the terminal is for the agent alone.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;  // C objects that point into themselves
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

}  // namespace

struct Connection::Pending {
  Pending(const asio::any_io_executor& executor, std::uint32_t number, Kind what, Clock::duration time, std::size_t count)
      : request(number), kind(what), timeout(time), signatures(count), done(executor, Clock::time_point::max()) {}

  std::uint32_t request;
  Kind kind;
  Clock::duration timeout;
  std::size_t signatures;   // as many as were asked for
  asio::steady_timer done;  // cancelled when there is a reply
  std::optional<base::Result<base::Bytes>> reply;
  std::vector<base::Bytes> so_far;
};

Connection::Connection(asio::any_io_executor executor, HostOptions options)
    : options_(std::move(options)),
      socket_(executor),
      process_(executor),
      time_(executor),
      grace_(executor),
      guard_(executor),
      reaped_signal_(executor, Clock::time_point::max()),
      gone_signal_(executor, Clock::time_point::max()) {
  if (options_.name.empty()) options_.name = "a module";
}

base::Result<std::shared_ptr<Connection>> Connection::spawn(asio::any_io_executor executor, const HostOptions& options) {
  if (!options.module.starts_with('/')) return base::failure(ErrorCode::module_failed, "the module's path is not absolute");
  auto connection = std::make_shared<Connection>(executor, options);

  // No other than this process makes it larger or smaller: reading it never faults.
  const int page = high(memfd_create("signet-token-host", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (page < 0) return cannot_start("memfd_create", errno);
  void* const mapped =
      ftruncate(page, call_page_size) == 0 && fcntl(page, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0
          ? mmap(nullptr, call_page_size, PROT_READ, MAP_SHARED, page, 0)
          : MAP_FAILED;
  if (mapped == MAP_FAILED) {
    const int reason = errno;
    close(page);
    return cannot_start("mmap", reason);
  }
  connection->page_.reset(static_cast<const CallPage*>(mapped));
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    const int reason = errno;
    close(page);
    return cannot_start("socketpair", reason);
  }
  connection->socket_.assign(asio::local::stream_protocol(), ends[0]);
  const int host_end = high(ends[1]);
  if (host_end < 0) {
    const int reason = errno;
    close(page);
    return cannot_start("fcntl", reason);
  }
  const SpawnSettings settings(host_end, page);
  // The file that the path leads to now: a link that is turned round later leads nowhere else.
  std::error_code unresolved;
  const auto resolved = std::filesystem::canonical(options.module, unresolved);
  connection->file_ = unresolved ? options.module : resolved.string();
  std::vector<std::string> words{options.program, "--descriptors", std::to_string(options.max_descriptors), "--memory-mb",
                                 std::to_string(options.max_memory_mb)};
  if (options.network) words.emplace_back("--network");
  if (options.purpose == HostPurpose::unblocks_pins) words.emplace_back("--unblocks-pins");
  words.push_back(connection->file_);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int error = posix_spawn(&connection->process_id_, options.program.c_str(), &settings.actions, &settings.attributes,
                                arguments.data(), environ);
  close(host_end);
  close(page);
  if (error != 0) {
    connection->process_id_ = 0;
    return cannot_start("posix_spawn", error);
  }
  const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, connection->process_id_, 0));
  if (pidfd < 0) {
    const int reason = errno;
    kill(-connection->process_id_, SIGKILL);
    waitpid(connection->process_id_, nullptr, 0);
    connection->process_id_ = 0;
    return cannot_start("pidfd_open", reason);
  }
  connection->process_.assign(pidfd);
  connection->start();
  return connection;
}

// Only when the executor is gone, or nothing of ours ran on it any more.
Connection::~Connection() {
  if (process_id_ == 0 || exit_) return;
  siginfo_t info{};
  if (may_set_a_pin()) {
    kill(process_id_, SIGSTOP);
    while (waitid(P_PID, static_cast<id_t>(process_id_), &info, WSTOPPED | WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    if (sets_a_pin()) {  // it ends by itself, and init reaps it
      kill(process_id_, SIGCONT);
      return;
    }
  }
  kill(-process_id_, SIGKILL);
  // By number, not P_PIDFD: Asio made the pidfd non-blocking, and waitid would not wait on it.
  while (waitid(P_PID, static_cast<id_t>(process_id_), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

void Connection::start() {
  watch_process();
  asio::co_spawn(socket_.get_executor(), read(shared_from_this()), asio::detached);
}

// What is left to read when the process has ended is still read: its last reply may be there.
void Connection::watch_process() {
  process_.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](boost::system::error_code error) {
    if (error) return;
    self->reap();
    boost::system::error_code ignored;
    // A process that the module forked may hold the other end open for ever; nothing it writes is wanted.
    self->socket_.shutdown(asio::socket_base::shutdown_receive, ignored);
  });
}

void Connection::reap() {
  if (exit_) return;
  kill(-process_id_, SIGKILL);  // what else is in its session; its number is not free for others before it is reaped
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(process_id_), &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
    exit_ = (info.si_code == CLD_EXITED ? "ended with status " : "ended by signal ") + std::to_string(info.si_status);
  } else {
    exit_ = "ended";  // somebody else reaped it
  }
  reaped_signal_.cancel();
}

// Now, or when it sets no PIN any more.
void Connection::kill_process() {
  if (exit_) return;
  kill_when_over_ = !may_be_killed();
  if (!kill_when_over_) {
    kill(-process_id_, SIGKILL);
    return;
  }
  guard_.expires_after(until_next_look());
  guard_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->kill_process();
  });
}

// What is first among the pending is what the host is at.
bool Connection::may_set_a_pin() const { return abandoned_request_ || (!pending_.empty() && sets_pins(pending_.front()->kind)); }

bool Connection::sets_a_pin() const { return in_call() == "C_SetPIN" || in_call() == "C_InitPIN"; }

// It is stopped before it is looked at for the last time: else it could begin to set the PIN between the look and the kill.
bool Connection::may_be_killed() {
  if (!may_set_a_pin()) return true;
  if (sets_a_pin()) {
    let_go_on();
    return false;
  }
  if (stopped_) return true;
  stopped_ = kill(process_id_, SIGSTOP) == 0;
  return false;
}

Connection::Clock::duration Connection::until_next_look() const {
  return stopped_ ? Clock::duration(until_stopped) : Clock::duration(while_it_sets_a_pin);
}

void Connection::let_go_on() {
  if (std::exchange(stopped_, false)) kill(process_id_, SIGCONT);
}

// Called before the pending are failed and forgotten.
void Connection::abandon_first() {
  if (!exit_ && !pending_.empty() && sets_pins(pending_.front()->kind)) abandoned_request_ = pending_.front()->request;
  let_go_on();
}

void Connection::Unmap::operator()(const CallPage* page) const { munmap(const_cast<CallPage*>(page), call_page_size); }

// The thread that waits for events is in its call most of the time: it is of interest only where the other is in none.
std::string_view Connection::in_call() const { return call_name(page_->serving.load(std::memory_order_relaxed)); }

std::string Connection::where() const {
  std::string_view call = in_call();
  if (call.empty() && pending_.empty()) call = call_name(page_->events.load(std::memory_order_relaxed));
  return call.empty() ? std::string() : ", in " + std::string(call);
}

void Connection::fault(const Error& error) {
  if (std::exchange(faulty_, true)) return;
  if (const auto callback = std::exchange(options_.on_fault, {})) callback(error);
}

std::string Connection::how_it_ended() const { return exit_.value_or("closed its socket"); }

Error Connection::died(std::string detail) const {
  const std::string doing = pending_.empty() ? "" : " while " + std::string(name(pending_.front()->kind));
  return {ErrorCode::token_host_died, "the host of " + options_.name + " " + std::move(detail) + doing + where(), 0};
}

asio::awaitable<void> Connection::read(std::shared_ptr<Connection> self) {
  boost::system::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  while (!error) {
    wire::HeaderBytes bytes{};
    co_await asio::async_read(self->socket_, asio::buffer(bytes), token);
    if (error) break;
    const auto header = wire::decode(bytes);
    if (!header || header->pin_size != 0) {
      self->bad_frame("the header");
      break;
    }
    base::Bytes payload(header->payload_size);
    co_await asio::async_read(self->socket_, asio::buffer(payload), token);
    if (error || !self->accept(*header, std::move(payload))) break;
  }

  if (!self->exit_) {
    // The socket ends a moment before its process does. A killed process that is already ending keeps its exit status.
    self->kill_process();
    self->reaped_signal_.expires_at(self->kill_when_over_ ? Clock::time_point::max() : Clock::now() + reap_grace);
    co_await self->reaped_signal_.async_wait(token);
  }
  if (self->late_) co_await decide_why_late(self);
  self->finish();
}

// A host that waits for another program to let go of the card hangs as one does whose module is at fault. It does not hold the
// card itself any more: whoever holds it now is another.
asio::awaitable<void> Connection::decide_why_late(std::shared_ptr<Connection> self) {
  Error first = *self->late_;
  if (self->pulled_) {
    first.code = ErrorCode::token_removed;
    first.detail = "a token was pulled out: " + first.detail;
  } else if (co_await card_held(self->socket_.get_executor(), self->options_.program, self->slots_)) {
    first.code = ErrorCode::card_busy;
    first.detail = "another program holds a card: " + first.detail;
  } else {
    self->fault(first);
  }
  self->reason_ = first;
  // Nobody is at fault, and who waited behind it waited for the same; but of a module that serves other tokens too only the
  // first call was about the one that is gone.
  Error others = first;
  if (first.code == ErrorCode::token_host_timeout || (self->pulled_ && self->others_remain_))
    others.code = ErrorCode::token_host_died;
  self->fail_pending(first, others);
}

bool Connection::accept(const wire::Header& header, base::Bytes payload) {
  switch (header.kind) {
    case Kind::slot_event: {
      wire::Reader reader(payload);
      SlotEvent event;
      event.slot_id = reader.integer<std::uint64_t>();
      event.token_present = reader.boolean();
      if (!reader.complete()) {
        bad_frame("a slot event");
        return false;
      }
      if (const auto callback = on_event_; callback && alive()) callback(event);
      return true;
    }
    case Kind::events_ended:
      waits_for_events_ = false;
      return true;
    default:
      break;
  }
  let_go_on();
  if (abandoned_request_ == header.request) {
    abandoned_request_.reset();
    if (std::exchange(kill_when_over_, false)) {
      guard_.cancel();
      grace_.expires_after(end_grace);
      grace_.async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (!error) self->kill_process();
      });
    }
  }
  if (!alive()) return true;  // the replies to calls that failed already
  return accept_reply(header, std::move(payload));
}

bool Connection::accept_reply(const wire::Header& header, base::Bytes payload) {
  if (pending_.empty() || header.request != pending_.front()->request) {
    bad_frame("a reply that nobody waits for");
    return false;
  }
  const auto first = pending_.front();
  if (header.kind == Kind::signatures_so_far && first->kind == Kind::sign) {
    wire::Reader reader(payload);
    auto signatures = wire::read_signatures(reader);
    if (!reader.complete() || signatures.empty() || signatures.size() > first->signatures - first->so_far.size()) {
      bad_frame("signatures");
      return false;
    }
    std::ranges::move(signatures, std::back_inserter(first->so_far));
    first_pending_changed();  // it works: its time runs anew
    return true;
  }
  if (header.kind != first->kind) {
    bad_frame("a reply of another kind");
    return false;
  }
  pending_.pop_front();
  first->reply = std::move(payload);
  first->done.cancel();
  if (header.host_ends) {
    ended_itself();
  } else {
    first_pending_changed();
  }
  return true;
}

asio::awaitable<Connection::Reply> Connection::call(std::shared_ptr<Connection> self, Kind kind, base::Bytes payload,
                                                    std::optional<base::Secret> pin, Clock::duration timeout,
                                                    std::size_t signatures) {
  if (self->reason_) {
    Error error = *self->reason_;
    error.code = ErrorCode::token_host_died;
    co_return Reply{std::unexpected(std::move(error)), {}, false};
  }
  const std::uint32_t presented_before = self->page_->presented.load(std::memory_order_relaxed);
  const auto mine = std::make_shared<Pending>(self->socket_.get_executor(), self->next_request_++, kind, timeout, signatures);
  self->pending_.push_back(mine);
  if (self->pending_.size() == 1) self->first_pending_changed();
  if (kind != Kind::load) {
    const wire::Header header{.payload_size = static_cast<std::uint32_t>(payload.size()),
                              .request = mine->request,
                              .kind = kind,
                              .pin_size = static_cast<std::uint16_t>(pin ? pin->bytes().size() : 0)};
    self->outgoing_.push_back({wire::encode(header), std::move(pin), std::move(payload)});
    pin.reset();
    if (!self->writing_) self->write_next();
  }
  boost::system::error_code ignored;
  while (!mine->reply) {
    co_await mine->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    // Cancelled from outside: the host serves the request all the same, and its reply is taken and dropped.
    if (!mine->reply && (co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
      co_return Reply{base::failure(ErrorCode::internal, "the call was cancelled"), {}};
  }
  // A host that runs still may present it yet.
  const bool pin_presented = !self->exit_ || self->page_->presented.load(std::memory_order_relaxed) != presented_before;
  co_return Reply{std::move(*mine->reply), std::move(mine->so_far), pin_presented};
}

void Connection::write_next() {
  writing_ = !outgoing_.empty();
  if (!writing_) return;
  const Outgoing& next = outgoing_.front();
  const base::BytesView pin = next.pin ? next.pin->bytes() : base::BytesView{};
  // The PIN goes from its locked page into the kernel; the first element of the queue stays until then.
  const std::array<asio::const_buffer, 3> parts{asio::buffer(next.header), asio::buffer(pin.data(), pin.size()),
                                                asio::buffer(next.payload)};
  asio::async_write(socket_, parts, [self = shared_from_this()](boost::system::error_code error, std::size_t) {
    self->outgoing_.pop_front();
    if (error) {
      self->outgoing_.clear();  // the reader sees the end too, and says why
      self->writing_ = false;
      return;
    }
    self->write_next();
  });
}

bool Connection::first_is_listing() const {
  return pending_.front()->kind == Kind::tokens || pending_.front()->kind == Kind::certificates;
}

void Connection::token_pulled(bool others_remain) {
  others_remain_ = others_remain;
  lists_hurried_until_ = Clock::now() + listing_is_suspect;
  if (pending_.empty() || !alive() || sets_pins(pending_.front()->kind) || (others_remain && !first_is_listing())) return;
  hurry(after_pull);
  if (!watching_time_ || deadline_ < time_.expiry()) watch_time();
}

void Connection::hurry(Clock::duration time) {
  const Clock::time_point soon = Clock::now() + time;
  if (soon >= deadline_) return;
  deadline_ = soon;
  pulled_ = true;
}

void Connection::first_pending_changed() {
  if (pending_.empty()) return;
  pulled_ = false;
  deadline_ = Clock::now() + pending_.front()->timeout;
  if (Clock::now() < lists_hurried_until_ && first_is_listing()) hurry(listing_after_pull);
  if (!watching_time_ || deadline_ < time_.expiry()) watch_time();
}

// One timer that is moved only when it rings or must ring earlier: not with each of ten thousand replies a second.
void Connection::watch_time() {
  watching_time_ = true;
  time_.expires_at(deadline_);
  time_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error) return;
    self->watching_time_ = false;
    if (self->pending_.empty() || !self->alive()) return;
    if (Clock::now() < self->deadline_) return self->watch_time();
    if (!self->may_be_killed()) {
      self->deadline_ = Clock::now() + self->until_next_look();
      return self->watch_time();
    }
    self->kill_process();
    self->late_ = self->reason_ = Error{ErrorCode::token_host_timeout,
                                        "the host of " + self->options_.name + " did not answer in time while " +
                                            std::string(name(self->pending_.front()->kind)) + self->where(),
                                        0};
    boost::system::error_code ignored;
    self->socket_.shutdown(asio::socket_base::shutdown_both, ignored);
  });
}

void Connection::fail_pending(const Error& first, const Error& others) {
  auto failed = std::exchange(pending_, {});
  for (std::size_t i = 0; i < failed.size(); ++i) {
    failed[i]->reply = std::unexpected(i == 0 ? first : others);
    failed[i]->done.cancel();
  }
}

void Connection::ask_to_end(Error reason) {
  if (reason_) return;
  abandon_first();
  reason_ = reason;
  fail_pending(reason, reason);
  outgoing_.erase(outgoing_.begin() + (writing_ ? 1 : 0), outgoing_.end());
  time_.cancel();
  boost::system::error_code ignored;
  // The host sees this between two signatures, logs out and ends.
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  grace_.expires_after(end_grace);
  grace_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->kill_process();
  });
}

void Connection::kill_now(Error first) {
  if (!reason_) abandon_first();
  kill_process();
  if (!reason_) {
    reason_ = first;
    fault(first);
    Error others = first;
    others.code = ErrorCode::token_host_died;
    fail_pending(first, others);
    time_.cancel();
  }
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_both, ignored);
}

// The reply told the error itself, if there was one.
void Connection::ended_itself() {
  const std::uint32_t noted = page_->self_end.load(std::memory_order_relaxed);
  const auto why = noted <= last_self_end ? static_cast<SelfEnd>(noted) : SelfEnd::none;
  const Error reason{ErrorCode::token_host_died,
                     "the host of " + options_.name +
                         (why == SelfEnd::rubbish       ? " ended itself: its module answered what no module answers"
                          : why == SelfEnd::descriptors ? " makes way for another: its module left too many descriptors open"
                          : why == SelfEnd::memory      ? " makes way for another: its module holds too much memory"
                                                        : " ended itself after an error of the token"),
                     0};
  if (why == SelfEnd::rubbish) fault(reason);
  ask_to_end(reason);
}

void Connection::bad_frame(std::string_view what) { kill_now(died("wrote what is no frame (" + std::string(what) + ")")); }

void Connection::finish() {
  if (!reason_) {
    const Error reason = died(how_it_ended());
    reason_ = reason;
    fault(reason);
    fail_pending(reason, reason);
  }
  gone_ = true;
  time_.cancel();
  grace_.cancel();
  guard_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  gone_signal_.cancel();
  if (const auto callback = std::exchange(on_end_, {})) callback(*reason_);
  forget_callbacks();
}

asio::awaitable<void> Connection::wait_for_end(std::shared_ptr<Connection> self) {
  boost::system::error_code ignored;
  if (!self->gone_) co_await self->gone_signal_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void Connection::on_end(std::function<void(Error)> callback) {
  on_end_ = std::move(callback);
  if (!gone_) return;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (const auto late = std::exchange(self->on_end_, {})) late(*self->reason_);
  });
}

void Connection::forget_callbacks() {
  on_event_ = {};
  on_end_ = {};
}

}  // namespace signet::pkcs11
