#pragma once

#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <functional>
#include <string>

namespace signet::test {

// Another user of this machine: a child process that becomes nobody. Only root can make one, and only before there are threads.
class AnotherUser {
 public:
  // `visit` runs in the child, with the place that it is told of, and says what came of it.
  explicit AnotherUser(const std::function<std::string(const std::string& place)>& visit) {
    REQUIRE(::pipe(go_.data()) == 0);
    REQUIRE(::pipe(told_.data()) == 0);
    child_ = ::fork();
    // Each keeps its own ends, so that whoever is left alone reads an end of file.
    ::close(child_ == 0 ? go_[1] : go_[0]);
    ::close(child_ == 0 ? told_[0] : told_[1]);
    if (child_ != 0) return;
    const bool nobody = ::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0;
    const std::string place = line_from(go_[0]);
    if (!nobody || place.empty()) ::_exit(1);
    const std::string said = visit(place);
    ::_exit(::write(told_[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  ~AnotherUser() {
    ::close(go_[1]);
    ::close(told_[0]);
    ::waitpid(child_, nullptr, 0);
  }
  AnotherUser(const AnotherUser&) = delete;  // one child
  AnotherUser& operator=(const AnotherUser&) = delete;

  std::string visit(const std::string& place) {
    REQUIRE(::write(go_[1], place.data(), place.size()) == static_cast<ssize_t>(place.size()));
    return line_from(told_[0]);
  }

 private:
  static std::string line_from(int pipe) {
    char line[200];
    const ssize_t size = ::read(pipe, line, sizeof line);
    return {line, static_cast<std::size_t>(size > 0 ? size : 0)};
  }

  std::array<int, 2> go_{}, told_{};
  pid_t child_ = -1;
};

}  // namespace signet::test
