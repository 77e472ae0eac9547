#include "agent/screen.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "base/owned.hpp"
#include "temporary_folder.hpp"

using namespace signet;
using namespace signet::agent;
using namespace std::chrono_literals;

namespace {

using Bus = base::Owned<sd_bus, sd_bus_flush_close_unref>;

// Only what a test sets is in the environment while it lives.
class CleanEnvironment {
 public:
  CleanEnvironment() {
    for (const char* name : screen_variables) {
      const char* const value = std::getenv(name);
      before_.emplace_back(name, value != nullptr ? std::optional<std::string>(value) : std::nullopt);
      ::unsetenv(name);
    }
    ::setenv("XDG_RUNTIME_DIR", "/no/such/folder", 1);
  }
  ~CleanEnvironment() {
    for (const auto& [name, value] : before_) {
      if (value) ::setenv(name.c_str(), value->c_str(), 1);
      if (!value) ::unsetenv(name.c_str());
    }
  }
  CleanEnvironment(const CleanEnvironment&) = delete;  // restores once
  CleanEnvironment& operator=(const CleanEnvironment&) = delete;

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

// A D-Bus daemon of its own, as the address in the environment.
class PrivateBus {
 public:
  PrivateBus() {
    const std::string address = "unix:path=" + (folder_ / "bus").string();
    std::ofstream(folder_ / "bus.conf") << "<busconfig><listen>" << address
                                        << "</listen><policy context=\"default\"><allow send_destination=\"*\"/>"
                                           "<allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>";
    std::string program = "dbus-daemon", configuration = "--config-file=" + (folder_ / "bus.conf").string(), stay = "--nofork";
    char* const arguments[] = {program.data(), configuration.data(), stay.data(), nullptr};
    REQUIRE(::posix_spawnp(&process_, program.c_str(), nullptr, nullptr, arguments, environ) == 0);
    for (int i = 0; i < 1'000 && !std::filesystem::exists(folder_ / "bus"); ++i) std::this_thread::sleep_for(10ms);
    REQUIRE(std::filesystem::exists(folder_ / "bus"));
    ::setenv("DBUS_SESSION_BUS_ADDRESS", address.c_str(), 1);
  }
  ~PrivateBus() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
  }
  PrivateBus(const PrivateBus&) = delete;  // owns a process
  PrivateBus& operator=(const PrivateBus&) = delete;

 private:
  test::TemporaryFolder folder_;
  pid_t process_ = 0;
};

int give_environment(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data, sd_bus_error*) {
  std::vector<char*> entries;
  for (std::string& entry : *static_cast<std::vector<std::string>*>(data)) entries.push_back(entry.data());
  entries.push_back(nullptr);
  return sd_bus_message_append_strv(reply, entries.data());
}

constexpr sd_bus_vtable manager_interface[] = {SD_BUS_VTABLE_START(0),
                                               SD_BUS_PROPERTY("Environment", "as", give_environment, 0, 0), SD_BUS_VTABLE_END};

// The user's systemd, as far as this asks it.
class UserManager {
 public:
  explicit UserManager(std::vector<std::string> environment, bool answers = true) : environment_(std::move(environment)) {
    sd_bus* opened = nullptr;
    REQUIRE(sd_bus_open_user(&opened) >= 0);
    bus_.reset(opened);
    REQUIRE(sd_bus_add_object_vtable(opened, nullptr, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                     manager_interface, &environment_) >= 0);
    REQUIRE(sd_bus_request_name(opened, "org.freedesktop.systemd1", 0) >= 0);
    if (!answers) return;
    thread_ = std::thread([this] {
      while (!ends_) {
        while (sd_bus_process(bus_.get(), nullptr) > 0) {
        }
        sd_bus_wait(bus_.get(), 20'000);
      }
    });
  }
  ~UserManager() {
    ends_ = true;
    if (thread_.joinable()) thread_.join();
  }
  UserManager(const UserManager&) = delete;  // owns a thread
  UserManager& operator=(const UserManager&) = delete;

 private:
  std::vector<std::string> environment_;
  Bus bus_;
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("of what a command tells, only the variables of a screen are taken, and no value that is odd") {
  const Screen taken = accepted_screen({{"DISPLAY", ":1"},
                                        {"WAYLAND_DISPLAY", ""},
                                        {"GPG_TTY", "/dev/pts/1\nOPTION ttyname=/dev/pts/2"},
                                        {"XAUTHORITY", "/run/\x1B[2J"},
                                        {"LANG", std::string("ro\0", 3)},
                                        {"TERM", std::string(1'024, 'x')},
                                        {"LC_ALL", std::string(1'023, 'x')},
                                        {"LD_PRELOAD", "/tmp/evil.so"},
                                        {"display", ":2"},
                                        {"PATH", "/tmp"}});
  CHECK(taken == Screen{{"DISPLAY", ":1"}, {"LC_ALL", std::string(1'023, 'x')}});
}

TEST_CASE("a dialog is possible with a display or a terminal") {
  CHECK(can_show({{"DISPLAY", ":0"}}));
  CHECK(can_show({{"WAYLAND_DISPLAY", "wayland-0"}}));
  CHECK(can_show({{"GPG_TTY", "/dev/pts/1"}}));
  const auto nowhere = can_show({{"TERM", "xterm"}, {"LANG", "ro_RO.UTF-8"}});
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == base::ErrorCode::no_dialog_possible);
  CHECK(nowhere.error().detail.find("signet status") != std::string::npos);
}

TEST_CASE("without a user manager it is what the command line told, then the agent's own environment") {
  const CleanEnvironment clean;
  ::setenv("DISPLAY", ":9", 1);
  ::setenv("LANG", "ru_RU.UTF-8", 1);
  ::setenv("TERM", "", 1);
  ::setenv("XAUTHORITY", "a\nb", 1);
  Screen screen = current_screen({{"DISPLAY", ":1"}, {"GPG_TTY", "/dev/pts/3"}});
  screen.erase("XDG_RUNTIME_DIR");
  CHECK(screen == Screen{{"DISPLAY", ":1"}, {"GPG_TTY", "/dev/pts/3"}, {"LANG", "ru_RU.UTF-8"}});
}

TEST_CASE("what the user manager knows goes before both, and is asked anew each time") {
  const CleanEnvironment clean;
  ::setenv("LANG", "ru_RU.UTF-8", 1);
  const PrivateBus bus;
  const Screen told{{"DISPLAY", ":1"}, {"GPG_TTY", "/dev/pts/3"}};
  CHECK(current_screen(told).at("DISPLAY") == ":1");
  {
    const UserManager manager({"DISPLAY=:5", "WAYLAND_DISPLAY=wayland-1", "XAUTHORITY=/run/user/1000/a=b",
                               "LD_PRELOAD=/tmp/evil.so", "LANG=", "TERM=x\ny", "GPG_TTY", "=:7",
                               "LC_ALL=" + std::string(1'024, 'x')});
    Screen screen = current_screen(told);
    screen.erase("DBUS_SESSION_BUS_ADDRESS");
    screen.erase("XDG_RUNTIME_DIR");
    CHECK(screen == Screen{{"DISPLAY", ":5"},
                           {"GPG_TTY", "/dev/pts/3"},
                           {"LANG", "ru_RU.UTF-8"},
                           {"WAYLAND_DISPLAY", "wayland-1"},
                           {"XAUTHORITY", "/run/user/1000/a=b"}});
  }
  CHECK(current_screen(told).at("DISPLAY") == ":1");
}

TEST_CASE("a user manager that does not answer holds a dialog up for two seconds") {
  const CleanEnvironment clean;
  const PrivateBus bus;
  const UserManager manager({"DISPLAY=:5"}, false);
  const auto began = std::chrono::steady_clock::now();
  CHECK(current_screen({{"DISPLAY", ":1"}}).at("DISPLAY") == ":1");
  CHECK(std::chrono::steady_clock::now() - began < 10s);
}
