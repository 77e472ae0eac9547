#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

// For tests in with_card.sh: the pcscd there, which they may end and start again.

namespace signet::test {

using namespace std::chrono_literals;

inline const std::filesystem::path reader_conf = "/run/signet-card/reader.conf.d";

// Again within ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  for (const auto end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(5ms)) {
    if (condition()) return true;
  }
  return condition();
}

class Pcscd {
 public:
  static pid_t running() {
    pid_t pid = 0;
    std::ifstream("/run/pcscd/pcscd.pid") >> pid;
    return pid;
  }

  static void kill() {
    const pid_t pid = running();
    REQUIRE(pid > 0);
    REQUIRE(::kill(pid, SIGKILL) == 0);
    // A child of ours, or of the bench's.
    REQUIRE(eventually([&] { return ::waitpid(pid, nullptr, WNOHANG) == pid || ::kill(pid, 0) != 0 || is_zombie(pid); }));
  }

  static void start(const std::filesystem::path& configuration = reader_conf) {
    std::filesystem::remove("/run/pcscd/pcscd.comm");
    std::filesystem::remove("/run/pcscd/pcscd.pid");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int fd : {0, 1, 2}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    const std::string folder = configuration.string();
    const char* const words[] = {"pcscd", "--foreground", "--config", folder.c_str(), nullptr};
    pid_t pid = 0;
    REQUIRE(::posix_spawnp(&pid, "pcscd", &actions, nullptr, const_cast<char* const*>(words), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(eventually([&] { return running() == pid && std::filesystem::exists("/run/pcscd/pcscd.comm"); }));
  }

 private:
  static bool is_zombie(pid_t pid) {
    std::string stat;
    std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), stat);
    return stat.find(") Z ") != std::string::npos;
  }
};

// A pcscd of ours is not the bench's to end.
struct End : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void testRunEnded(const Catch::TestRunStats&) override {
    const pid_t pid = Pcscd::running();
    if (pid <= 0 || ::waitpid(pid, nullptr, WNOHANG) != 0) return;
    ::kill(pid, SIGTERM);
    ::waitpid(pid, nullptr, 0);
  }
};
CATCH_REGISTER_LISTENER(End)

}  // namespace signet::test
