#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace signet::agent {

// org.freedesktop.login1 on the system bus (DBUS_SYSTEM_BUS_ADDRESS): when the person's screen is locked, when the machine goes
// to sleep, and the inhibitors that keep it awake. All calls are asynchronous, on one thread (the executor's). Where there is no
// logind, or it went away, that is logged once and told by state(), and it is found again by itself. What other clients of the
// bus send in logind's name is dropped.
class Logind {
 public:
  struct Ports {
    // A session that is watched was locked, or ended. Never called anew before it has returned; several locks may be one call.
    std::function<boost::asio::awaitable<void>()> locked;
    // The machine waits with its sleep until this has returned, but not longer than logind's InhibitDelayMaxUSec.
    std::function<boost::asio::awaitable<void>()> sleeping;
    std::function<boost::asio::awaitable<void>()> shutting_down;
  };
  // Watched are the session of this process (XDG_SESSION_ID, or by its process id) and the display's session of each of the
  // users.
  Logind(boost::asio::any_io_executor executor, std::vector<uid_t> users, Ports ports);
  ~Logind();
  Logind(const Logind&) = delete;  // one connection, one watch
  Logind& operator=(const Logind&) = delete;

  void start();

  // From now on neither idleness nor anybody's wish to sleep interrupts what runs, until let_sleep().
  void keep_awake();
  void let_sleep();

  // Why nobody can be asked now: screen_locked as long as a screen locker says so (LockedHint) of all sessions, machine_asleep.
  std::optional<base::Error> away() const;

  struct Inhibitor {
    std::string what, mode;  // as in Inhibit(): "idle:sleep", "block"
    bool held = false;
    std::optional<std::string> refused;
  };
  struct State {
    std::optional<std::string> missing;  // why nothing of locks and sleep is heard
    std::vector<std::string> sessions;   // ids of those that are watched
    bool locked = false;
    std::vector<Inhibitor> inhibitors;  // those that are wanted now
  };
  State state() const;

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace signet::agent
