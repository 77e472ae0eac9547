#include "agent/logind.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <map>
#include <set>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "net/descriptor.hpp"
#include "service/text.hpp"

namespace signet::agent {

namespace asio = boost::asio;
using asio::awaitable;
using base::ErrorCode;
using service::tr;
using std::chrono::steady_clock;

namespace {

constexpr const char* login1 = "org.freedesktop.login1";
constexpr const char* manager_path = "/org/freedesktop/login1";
constexpr const char* manager_interface = "org.freedesktop.login1.Manager";
constexpr const char* session_interface = "org.freedesktop.login1.Session";
constexpr const char* user_interface = "org.freedesktop.login1.User";
constexpr const char* properties_interface = "org.freedesktop.DBus.Properties";
constexpr const char* bus_driver = "org.freedesktop.DBus";

constexpr const char* watched_signals[] = {
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',"
    "arg0='org.freedesktop.login1'",
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.login1.Manager',path='/org/freedesktop/login1'",
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.login1.Session',"
    "path_namespace='/org/freedesktop/login1/session'",
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
    "path_namespace='/org/freedesktop/login1'",
};

constexpr auto call_timeout = std::chrono::seconds{10};
// A flood of signals leaves the agent's other work its turns.
constexpr int most_messages_in_a_row = 64;
// A machine may have no system bus; one that comes later is found.
constexpr auto shortest_pause = std::chrono::seconds{1};
constexpr auto longest_pause = std::chrono::seconds{60};
// logind's own default, for one that does not tell its InhibitDelayMaxUSec.
constexpr auto usual_delay = std::chrono::microseconds{5'000'000};
constexpr std::size_t shown_reason = 160;

using Bus = base::Owned<sd_bus, sd_bus_close_unref>;
using Message = base::Owned<sd_bus_message, sd_bus_message_unref>;
using Slot = base::Owned<sd_bus_slot, sd_bus_slot_unref>;
using Reply = std::expected<Message, std::string>;  // or why there is none, for the log and the status

// A call that waits for its reply.
struct Pending {
  explicit Pending(const asio::any_io_executor& executor) : answered(executor, steady_clock::time_point::max()) {}
  Reply reply = std::unexpected("the connection to the system bus was lost");
  Slot slot;
  asio::steady_timer answered;
};

// One connection to the bus. Its handlers hold it, so that those of one that was given up harm no later one.
struct Connection {
  Connection(const asio::any_io_executor& executor, Bus the_bus, int descriptor_of_bus)
      : bus(std::move(the_bus)), descriptor(executor, descriptor_of_bus), timeout(executor) {}
  ~Connection() { descriptor.release(); }
  Connection(const Connection&) = delete;  // the bus owns the descriptor's number
  Connection& operator=(const Connection&) = delete;

  Bus bus;
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer timeout;
  bool reading = false, writing = false, given_up = false;
  std::set<Pending*> pending;
};

struct Session {
  std::string id;
  bool locked = false;
};

struct Held {
  const char* what;
  const char* mode;
  bool wanted = false;
  bool asking = false;
  net::Descriptor descriptor = {};
  std::optional<std::string> refused = {};
};

std::string shown(const char* text) { return base::shown(text == nullptr ? "" : text, shown_reason); }

// A session of a person; not that of a user manager, of a service, or of the greeter.
bool is_of_person(std::string_view session_class) { return session_class.starts_with("user"); }

}  // namespace

class Logind::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(asio::any_io_executor executor, std::vector<uid_t> users, Ports ports)
      : executor_(std::move(executor)),
        users_(std::move(users)),
        ports_(std::move(ports)),
        retry_(executor_),
        sleep_deadline_(executor_) {}

  void connect();
  void give_up();
  void want(Held& inhibitor);
  void drop(Held& inhibitor);
  std::optional<base::Error> away() const;
  State state() const;

  Held awake_{.what = "idle:sleep", .mode = "block"};

 private:
  using ConnectionPointer = std::shared_ptr<Connection>;

  void pump(const ConnectionPointer& connection);
  void arm(const ConnectionPointer& connection);
  void lost(const ConnectionPointer& connection, const std::string& reason);
  void missing(std::string reason);
  awaitable<Reply> call(Message request);
  Message request(const char* path, const char* interface, const char* method) const;
  awaitable<Reply> get(std::string path, const char* interface, const char* property);

  static int on_reply(sd_bus_message* message, void* pending, sd_bus_error*);
  static int on_signal(sd_bus_message* message, void* self, sd_bus_error*);
  void heard(sd_bus_message* message);
  void heard_from_manager(sd_bus_message* message, std::string_view member);
  void properties_changed(sd_bus_message* message, const std::string& path);
  awaitable<void> ask_owner();
  void owner_is(std::string owner);

  awaitable<void> read_longest_delay();
  void look();
  awaitable<void> keep_looking();
  awaitable<void> look_once();
  awaitable<std::optional<std::string>> path_of(Message request);
  awaitable<std::optional<std::string>> display_of(uid_t user);
  awaitable<std::optional<Session>> session_at(std::string path);

  awaitable<void> take(Held& inhibitor);
  void locked();
  awaitable<void> keep_locking();
  void sleeps();
  void wakes();

  asio::any_io_executor executor_;
  std::vector<uid_t> users_;
  Ports ports_;

  ConnectionPointer connection_;
  asio::steady_timer retry_;
  std::chrono::seconds pause_ = shortest_pause;
  bool given_up_ = false;
  std::string owner_;  // the unique name of logind's connection; empty: it is not there
  std::optional<std::string> missing_ = "not asked yet";
  bool told_missing_ = false;

  std::map<std::string, Session> sessions_;  // watched, by object path
  bool looking_ = false, look_again_ = false;

  bool locking_ = false, lock_again_ = false;

  Held delay_{.what = "sleep", .mode = "delay", .wanted = true};
  std::chrono::microseconds longest_delay_ = usual_delay;
  bool asleep_ = false;  // from the announcement until it is said that the machine is awake
  bool wiping_ = false;
  asio::steady_timer sleep_deadline_;
};

void Logind::Implementation::connect() {
  if (given_up_) return;
  sd_bus* opened = nullptr;
  int result = sd_bus_open_system_with_description(&opened, "signetd");
  Bus bus(opened);
  if (result >= 0) result = sd_bus_set_method_call_timeout(bus.get(), std::chrono::microseconds(call_timeout).count());
  for (const char* rule : watched_signals) {
    if (result >= 0) result = sd_bus_add_match_async(bus.get(), nullptr, rule, on_signal, nullptr, this);
  }
  const int descriptor = result >= 0 ? sd_bus_get_fd(bus.get()) : result;
  if (descriptor < 0) {
    lost(nullptr, "no system bus: " + std::string(std::strerror(-descriptor)));
    return;
  }
  connection_ = std::make_shared<Connection>(executor_, std::move(bus), descriptor);
  asio::co_spawn(executor_, [self = shared_from_this()] { return self->ask_owner(); }, asio::detached);
}

// Reads and writes what is there, then waits for more.
void Logind::Implementation::pump(const ConnectionPointer& connection) {
  for (int i = 0; i < most_messages_in_a_row; ++i) {
    if (connection->given_up) return;
    const int result = sd_bus_process(connection->bus.get(), nullptr);
    if (result < 0) return lost(connection, std::strerror(-result));
    if (result == 0) return arm(connection);
  }
  asio::post(executor_, [self = shared_from_this(), connection] { self->pump(connection); });
}

void Logind::Implementation::arm(const ConnectionPointer& connection) {
  if (connection->given_up) return;
  sd_bus* const bus = connection->bus.get();
  const int events = sd_bus_get_events(bus);
  if (events < 0) return lost(connection, std::strerror(-events));
  using Wait = asio::posix::stream_descriptor::wait_type;
  const auto wait = [&](Wait what, bool Connection::* waiting) {
    if (connection.get()->*waiting) return;
    connection.get()->*waiting = true;
    connection->descriptor.async_wait(what, [weak = weak_from_this(), connection, waiting](boost::system::error_code error) {
      connection.get()->*waiting = false;
      if (const auto self = weak.lock(); self && !error) self->pump(connection);
    });
  };
  if ((events & POLLIN) != 0) wait(Wait::wait_read, &Connection::reading);
  if ((events & POLLOUT) != 0) wait(Wait::wait_write, &Connection::writing);
  std::uint64_t until = 0;  // microseconds of CLOCK_MONOTONIC, which steady_clock is
  if (sd_bus_get_timeout(bus, &until) < 0 || until == UINT64_MAX) {
    connection->timeout.cancel();
    return;
  }
  connection->timeout.expires_at(steady_clock::time_point(std::chrono::microseconds(until)));
  connection->timeout.async_wait([weak = weak_from_this(), connection](boost::system::error_code error) {
    if (const auto self = weak.lock(); self && !error) self->pump(connection);
  });
}

// Without a connection: there was none to be had.
void Logind::Implementation::lost(const ConnectionPointer& connection, const std::string& reason) {
  if (connection && connection->given_up) return;
  if (connection) {
    connection->given_up = true;
    connection->timeout.cancel();
    connection->descriptor.cancel();
    for (Pending* const pending : connection->pending) {
      pending->slot.reset();
      pending->answered.cancel();
    }
  }
  connection_.reset();
  owner_is({});
  if (given_up_) return;
  missing("system bus: " + reason);
  retry_.expires_after(pause_);
  pause_ = std::min(2 * pause_, longest_pause);
  retry_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (const auto self = weak.lock(); self && !error) self->connect();
  });
}

void Logind::Implementation::missing(std::string reason) {
  if (!std::exchange(told_missing_, true))
    spdlog::warn("logind is not there: locks and sleep are not noticed, nothing keeps the machine awake reason=\"{}\"", reason);
  missing_ = std::move(reason);
}

void Logind::Implementation::give_up() {
  given_up_ = true;
  retry_.cancel();
  sleep_deadline_.cancel();
  if (connection_) lost(connection_, "given up");
}

Message Logind::Implementation::request(const char* path, const char* interface, const char* method) const {
  sd_bus_message* made = nullptr;
  if (!connection_ || owner_.empty() ||
      sd_bus_message_new_method_call(connection_->bus.get(), &made, owner_.c_str(), path, interface, method) < 0)
    return {};
  return Message(made);
}

int Logind::Implementation::on_reply(sd_bus_message* message, void* pending, sd_bus_error*) {
  auto& call = *static_cast<Pending*>(pending);
  if (const sd_bus_error* const error = sd_bus_message_get_error(message)) {
    call.reply = std::unexpected(shown(error->name) + (error->message == nullptr ? "" : ": " + shown(error->message)));
  } else {
    call.reply = Message(sd_bus_message_ref(message));
  }
  call.answered.cancel();
  return 0;
}

awaitable<Reply> Logind::Implementation::call(Message request) {
  const ConnectionPointer connection = connection_;
  if (!connection || !request) co_return std::unexpected("logind is not there");
  Pending pending(executor_);
  sd_bus_slot* slot = nullptr;
  if (const int result = sd_bus_call_async(connection->bus.get(), &slot, request.get(), on_reply, &pending, 0); result < 0)
    co_return std::unexpected(std::string(std::strerror(-result)));
  pending.slot.reset(slot);
  connection->pending.insert(&pending);
  arm(connection);
  boost::system::error_code ignored;
  co_await pending.answered.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  connection->pending.erase(&pending);
  co_return std::move(pending.reply);
}

awaitable<Reply> Logind::Implementation::get(std::string path, const char* interface, const char* property) {
  Message get = request(path.c_str(), properties_interface, "Get");
  if (get) sd_bus_message_append(get.get(), "ss", interface, property);
  co_return co_await call(std::move(get));
}

awaitable<void> Logind::Implementation::ask_owner() {
  const auto self = shared_from_this();
  const ConnectionPointer connection = connection_;
  sd_bus_message* made = nullptr;
  if (!connection || sd_bus_message_new_method_call(connection->bus.get(), &made, bus_driver, "/org/freedesktop/DBus", bus_driver,
                                                    "GetNameOwner") < 0)
    co_return;
  Message ask(made);
  sd_bus_message_append(ask.get(), "s", login1);
  const auto reply = co_await call(std::move(ask));
  if (connection->given_up) co_return;
  const char* owner = nullptr;
  if (reply && sd_bus_message_read(reply->get(), "s", &owner) >= 0) {
    owner_is(owner);
  } else if (owner_.empty()) {
    missing(reply ? "the system bus does not say who logind is" : reply.error());
  }
}

void Logind::Implementation::owner_is(std::string owner) {
  if (owner == owner_) return;
  owner_ = std::move(owner);
  // Another logind knows nothing of what was asked of the one before.
  for (Held* const inhibitor : {&awake_, &delay_}) {
    inhibitor->descriptor = net::Descriptor();
    inhibitor->refused.reset();
  }
  asleep_ = false;
  delay_.wanted = true;
  if (owner_.empty()) {
    sessions_.clear();
    if (connection_) missing("org.freedesktop.login1 is not on the system bus");
    return;
  }
  missing_.reset();
  pause_ = shortest_pause;
  if (std::exchange(told_missing_, false)) spdlog::info("logind is there again");
  look();
  for (Held* const inhibitor : {&awake_, &delay_}) {
    if (inhibitor->wanted) want(*inhibitor);
  }
  asio::co_spawn(executor_, [self = shared_from_this()] { return self->read_longest_delay(); }, asio::detached);
}

awaitable<void> Logind::Implementation::read_longest_delay() {
  const auto self = shared_from_this();
  const auto reply = co_await get(manager_path, manager_interface, "InhibitDelayMaxUSec");
  std::uint64_t longest = 0;
  const bool told = reply && sd_bus_message_read(reply->get(), "v", "t", &longest) >= 0;
  longest_delay_ = told ? std::chrono::microseconds(std::min<std::uint64_t>(longest, 600'000'000)) : usual_delay;
}

int Logind::Implementation::on_signal(sd_bus_message* message, void* self, sd_bus_error*) {
  static_cast<Implementation*>(self)->heard(message);
  return 0;
}

void Logind::Implementation::heard(sd_bus_message* message) {
  const auto text = [](const char* value) { return std::string_view(value == nullptr ? "" : value); };
  const std::string_view from = text(sd_bus_message_get_sender(message)), member = text(sd_bus_message_get_member(message)),
                         interface = text(sd_bus_message_get_interface(message));
  if (from == bus_driver) {
    const char *name = nullptr, *before = nullptr, *now = nullptr;
    if (member == "NameOwnerChanged" && sd_bus_message_read(message, "sss", &name, &before, &now) >= 0 && text(name) == login1)
      owner_is(now);
    return;
  }
  // Whoever is on the bus may send signals straight to us; a match by a well-known name does not keep them out.
  if (owner_.empty() || from != owner_) return;
  const std::string path(text(sd_bus_message_get_path(message)));
  if (interface == manager_interface) return heard_from_manager(message, member);
  if (interface == properties_interface) return properties_changed(message, path);
  const auto session = sessions_.find(path);
  if (interface != session_interface || session == sessions_.end()) return;
  if (member == "Lock") locked();
  if (member == "Unlock") {
    session->second.locked = false;
    if (looking_) look_again_ = true;
  }
}

void Logind::Implementation::heard_from_manager(sd_bus_message* message, std::string_view member) {
  int begins = 0;
  if (member == "PrepareForSleep" && sd_bus_message_read(message, "b", &begins) >= 0) {
    begins != 0 ? sleeps() : wakes();
  } else if (member == "PrepareForShutdown" && sd_bus_message_read(message, "b", &begins) >= 0) {
    if (begins != 0) asio::co_spawn(executor_, ports_.shutting_down(), asio::detached);
  } else if (member == "SessionNew") {
    look();
  } else if (member == "SessionRemoved") {
    const char *id = nullptr, *path = nullptr;
    if (sd_bus_message_read(message, "so", &id, &path) < 0) return;
    // Whoever logged out has gone, also where the agent stays for other sessions.
    if (sessions_.erase(path) != 0) locked();
    look();
  }
}

void Logind::Implementation::properties_changed(sd_bus_message* message, const std::string& path) {
  const auto session = sessions_.find(path);
  if (session == sessions_.end()) {
    // The session of a user's display may be another one now.
    if (path.starts_with("/org/freedesktop/login1/user/")) look();
    return;
  }
  const char* interface = nullptr;
  if (sd_bus_message_read(message, "s", &interface) < 0 || std::string_view(interface) != session_interface) return;
  if (sd_bus_message_enter_container(message, 'a', "{sv}") < 0) return;
  while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
    const char* name = nullptr;
    if (sd_bus_message_read(message, "s", &name) < 0) return;
    int hint = 0;
    if (std::string_view(name) == "LockedHint") {
      if (sd_bus_message_read(message, "v", "b", &hint) < 0) return;
      const bool before = std::exchange(session->second.locked, hint != 0);
      if (looking_) look_again_ = true;
      if (hint != 0 && !before) locked();
    } else if (sd_bus_message_skip(message, "v") < 0) {
      return;
    }
    sd_bus_message_exit_container(message);
  }
  sd_bus_message_exit_container(message);
  // Names of those whose values are not told.
  if (sd_bus_message_enter_container(message, 'a', "s") < 0) return;
  const char* name = nullptr;
  while (sd_bus_message_read(message, "s", &name) > 0) {
    if (std::string_view(name) == "LockedHint") look();
  }
}

void Logind::Implementation::look() {
  look_again_ = true;
  if (std::exchange(looking_, true)) return;
  asio::co_spawn(executor_, [self = shared_from_this()] { return self->keep_looking(); }, asio::detached);
}

awaitable<void> Logind::Implementation::keep_looking() {
  const auto self = shared_from_this();
  while (std::exchange(look_again_, false)) co_await look_once();
  looking_ = false;
}

// Which sessions are the person's, and whether they are locked.
awaitable<void> Logind::Implementation::look_once() {
  const std::string asked = owner_;
  if (asked.empty()) co_return;
  std::set<std::string> paths;
  if (const char* const id = std::getenv("XDG_SESSION_ID"); id != nullptr && *id != 0) {
    Message ask = request(manager_path, manager_interface, "GetSession");
    if (ask && sd_bus_message_append(ask.get(), "s", id) >= 0) {
      if (auto path = co_await path_of(std::move(ask))) paths.insert(std::move(*path));
    }
  }
  if (paths.empty()) {
    Message ask = request(manager_path, manager_interface, "GetSessionByPID");
    if (ask && sd_bus_message_append(ask.get(), "u", static_cast<std::uint32_t>(::getpid())) >= 0) {
      if (auto path = co_await path_of(std::move(ask))) paths.insert(std::move(*path));
    }
  }
  for (const uid_t user : users_) {
    if (auto path = co_await display_of(user)) paths.insert(std::move(*path));
  }
  std::map<std::string, Session> found;
  for (const std::string& path : paths) {
    if (auto session = co_await session_at(path)) found.emplace(path, std::move(*session));
  }
  if (owner_ != asked) co_return;
  bool newly_locked = false;
  for (const auto& [path, session] : found) {
    const auto before = sessions_.find(path);
    newly_locked = newly_locked || (session.locked && (before == sessions_.end() || !before->second.locked));
  }
  sessions_ = std::move(found);
  if (newly_locked) locked();
}

awaitable<std::optional<std::string>> Logind::Implementation::path_of(Message request) {
  const auto reply = co_await call(std::move(request));
  const char* path = nullptr;
  if (!reply || sd_bus_message_read(reply->get(), "o", &path) < 0) co_return std::nullopt;
  co_return std::string(path);
}

awaitable<std::optional<std::string>> Logind::Implementation::display_of(uid_t user) {
  Message ask = request(manager_path, manager_interface, "GetUser");
  if (!ask || sd_bus_message_append(ask.get(), "u", static_cast<std::uint32_t>(user)) < 0) co_return std::nullopt;
  const auto user_path = co_await path_of(std::move(ask));
  if (!user_path) co_return std::nullopt;
  const auto reply = co_await get(*user_path, user_interface, "Display");
  const char *id = nullptr, *path = nullptr;
  if (!reply || sd_bus_message_read(reply->get(), "v", "(so)", &id, &path) < 0 || *id == 0) co_return std::nullopt;
  co_return std::string(path);
}

// Nothing for one that is not there, or is not a person's whom this agent serves.
awaitable<std::optional<Session>> Logind::Implementation::session_at(std::string path) {
  Message ask = request(path.c_str(), properties_interface, "GetAll");
  if (!ask || sd_bus_message_append(ask.get(), "s", session_interface) < 0) co_return std::nullopt;
  const auto reply = co_await call(std::move(ask));
  if (!reply) co_return std::nullopt;
  sd_bus_message* const rows = reply->get();
  Session session;
  bool served = false, of_person = false;
  if (sd_bus_message_enter_container(rows, 'a', "{sv}") < 0) co_return std::nullopt;
  while (sd_bus_message_enter_container(rows, 'e', "sv") > 0) {
    const char *name = nullptr, *text = nullptr;
    if (sd_bus_message_read(rows, "s", &name) < 0) co_return std::nullopt;
    const std::string_view property(name);
    int result = 0;
    if (property == "User") {
      std::uint32_t user = 0;
      result = sd_bus_message_read(rows, "v", "(uo)", &user, &text);
      served = result >= 0 && std::ranges::find(users_, user) != users_.end();
    } else if (property == "Class") {
      result = sd_bus_message_read(rows, "v", "s", &text);
      of_person = result >= 0 && is_of_person(text);
    } else if (property == "Id") {
      result = sd_bus_message_read(rows, "v", "s", &text);
      if (result >= 0) session.id = base::shown(text, 64);
    } else if (property == "LockedHint") {
      int hint = 0;
      result = sd_bus_message_read(rows, "v", "b", &hint);
      session.locked = result >= 0 && hint != 0;
    } else {
      result = sd_bus_message_skip(rows, "v");
    }
    if (result < 0) co_return std::nullopt;
    sd_bus_message_exit_container(rows);
  }
  if (!served || !of_person) co_return std::nullopt;
  co_return session;
}

void Logind::Implementation::want(Held& inhibitor) {
  inhibitor.wanted = true;
  if (inhibitor.descriptor || inhibitor.asking || owner_.empty()) return;
  asio::co_spawn(executor_, [self = shared_from_this(), &inhibitor] { return self->take(inhibitor); }, asio::detached);
}

void Logind::Implementation::drop(Held& inhibitor) {
  inhibitor.wanted = false;
  inhibitor.descriptor = net::Descriptor();
}

awaitable<void> Logind::Implementation::take(Held& inhibitor) {
  const auto self = shared_from_this();
  if (std::exchange(inhibitor.asking, true)) co_return;
  while (inhibitor.wanted && !inhibitor.descriptor && !owner_.empty()) {
    const std::string asked = owner_;
    Message ask = request(manager_path, manager_interface, "Inhibit");
    const bool blocks = std::string_view(inhibitor.mode) == "block";
    const std::string why = blocks ? tr("Documents are being signed") : tr("PINs are forgotten before the machine sleeps");
    if (ask) sd_bus_message_append(ask.get(), "ssss", inhibitor.what, "Signet", why.c_str(), inhibitor.mode);
    const auto reply = co_await call(std::move(ask));
    if (owner_ != asked) continue;
    int descriptor = -1;  // the message's own
    std::string reason;
    if (!reply) {
      reason = reply.error();
    } else if (sd_bus_message_read(reply->get(), "h", &descriptor) < 0) {
      reason = "the answer holds no descriptor";
    } else if (inhibitor.wanted) {
      inhibitor.descriptor = net::Descriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
      if (!inhibitor.descriptor) reason = std::strerror(errno);
    }
    if (reason.empty()) {
      inhibitor.refused.reset();
      continue;
    }
    if (!inhibitor.refused)
      spdlog::warn("inhibitor refused what={} mode={} reason=\"{}\"", inhibitor.what, inhibitor.mode, reason);
    inhibitor.refused = std::move(reason);
    break;
  }
  inhibitor.asking = false;
}

void Logind::Implementation::locked() {
  lock_again_ = true;
  if (std::exchange(locking_, true)) return;
  asio::co_spawn(executor_, [self = shared_from_this()] { return self->keep_locking(); }, asio::detached);
}

awaitable<void> Logind::Implementation::keep_locking() {
  const auto self = shared_from_this();
  while (std::exchange(lock_again_, false)) co_await ports_.locked();
  locking_ = false;
}

void Logind::Implementation::sleeps() {
  asleep_ = true;
  if (std::exchange(wiping_, true)) return;
  // logind does not wait any longer: the rest of it is left for the wipe to find.
  sleep_deadline_.expires_after(longest_delay_ * 9 / 10);
  sleep_deadline_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || !self->wiping_) return;
    spdlog::warn("the machine sleeps before a token's host has ended");
    self->drop(self->delay_);
  });
  asio::co_spawn(executor_, ports_.sleeping(), [self = shared_from_this()](std::exception_ptr) {
    self->wiping_ = false;
    self->sleep_deadline_.cancel();
    self->drop(self->delay_);
    if (!self->asleep_) self->want(self->delay_);
  });
}

void Logind::Implementation::wakes() {
  asleep_ = false;
  if (!wiping_) want(delay_);
}

std::optional<base::Error> Logind::Implementation::away() const {
  if (asleep_) return base::Error{ErrorCode::machine_asleep, "the machine goes to sleep", 0, {}};
  const auto is_locked = [](const auto& row) { return row.second.locked; };
  if (!sessions_.empty() && std::ranges::all_of(sessions_, is_locked))
    return base::Error{ErrorCode::screen_locked, "the screen is locked", 0, {}};
  return std::nullopt;
}

Logind::State Logind::Implementation::state() const {
  State state{.missing = missing_, .sessions = {}, .locked = false, .inhibitors = {}};
  for (const auto& [path, session] : sessions_) {
    state.sessions.push_back(session.id);
    state.locked = state.locked || session.locked;
  }
  for (const Held* const inhibitor : {&delay_, &awake_}) {
    if (inhibitor->wanted)
      state.inhibitors.push_back(
          {inhibitor->what, inhibitor->mode, static_cast<bool>(inhibitor->descriptor), inhibitor->refused});
  }
  return state;
}

Logind::Logind(asio::any_io_executor executor, std::vector<uid_t> users, Ports ports)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(users), std::move(ports))) {}
Logind::~Logind() { implementation_->give_up(); }

void Logind::start() { implementation_->connect(); }
void Logind::keep_awake() { implementation_->want(implementation_->awake_); }
void Logind::let_sleep() { implementation_->drop(implementation_->awake_); }
std::optional<base::Error> Logind::away() const { return implementation_->away(); }
Logind::State Logind::state() const { return implementation_->state(); }

}  // namespace signet::agent
