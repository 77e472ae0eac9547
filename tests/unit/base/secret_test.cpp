#include "base/secret.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

using namespace signet::base;

namespace {

// The flags of the mapping that holds an address, from /proc/self/smaps.
std::string mapping_flags(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) inside = wanted >= from && wanted < to;
    if (inside && line.starts_with("VmFlags:")) return line;
  }
  return {};
}

}  // namespace

TEST_CASE("a secret's memory is locked, left out of core dumps and emptied by fork") {
  const Secret secret = Secret::copy_of(as_bytes("unit-pin-4711")).value();
  const std::string flags = mapping_flags(secret.bytes().data());
#if !__has_feature(address_sanitizer)  // it makes mlock do nothing
  CHECK(flags.find(" lo") != std::string::npos);
#endif
  CHECK(flags.find(" dd") != std::string::npos);
  CHECK(flags.find(" wf") != std::string::npos);
  const pid_t child = fork();
  if (child == 0) _exit(std::ranges::all_of(secret.bytes(), [](std::uint8_t b) { return b == 0; }) ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

TEST_CASE("a moved secret leaves nothing behind") {
  Secret first = Secret::copy_of(as_bytes("1234")).value();
  Secret second = std::move(first);
  CHECK(first.empty());  // NOLINT(bugprone-use-after-move): that is the question
  CHECK(as_text(second.bytes()) == "1234");
  Secret third = Secret::copy_of(as_bytes("5678")).value();
  third = std::move(second);
  CHECK(as_text(third.bytes()) == "1234");
  CHECK(second.empty());  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("a wiped secret is zeroed where it stood") {
  Secret secret = Secret::copy_of(as_bytes("1234")).value();
  const auto memory = secret.buffer();
  secret.wipe();
  CHECK(secret.empty());
  CHECK(std::ranges::all_of(memory, [](std::uint8_t b) { return b == 0; }));
}

TEST_CASE("a secret longer than its capacity is refused") {
  CHECK(Secret::copy_of(Bytes(Secret::capacity + 1)).error().code == ErrorCode::parameter_invalid);
  CHECK(Secret::copy_of(Bytes(Secret::capacity)).value().bytes().size() == Secret::capacity);
}
