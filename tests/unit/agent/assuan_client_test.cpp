#include "agent/assuan_client.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <ranges>

using namespace signet;
using namespace signet::agent;

namespace {
std::atomic<unsigned> closed_for_nothing = 0;
}

// In place of the C library's, for all of this program and for libassuan in it: who closes a number that is not open would, with
// another thread, close what that was just given.
extern "C" int close(int descriptor) {
  const auto result = static_cast<int>(::syscall(SYS_close, descriptor));
  if (result != 0 && errno == EBADF) ++closed_for_nothing;
  return result;
}

namespace {

std::ptrdiff_t open_descriptors() { return std::ranges::distance(std::filesystem::directory_iterator("/proc/self/fd")); }

}  // namespace

TEST_CASE("a pinentry that does not greet costs no descriptor, and each is closed once") {
  ::signal(SIGPIPE, SIG_IGN);
  const std::string program = GENERATE(as<std::string>{}, "/bin/true", "/bin/echo", "/no/such/pinentry");
  CAPTURE(program);
  const auto before = open_descriptors();
  const auto code = [&] {
    auto started = Pinentry::start(program, {});
    if (!started) return started.error().code;
    const auto greeted = started->greet({}, std::chrono::seconds(5));
    REQUIRE_FALSE(greeted);
    return greeted.error().code;
  }();
  CHECK(code == base::ErrorCode::no_dialog_possible);
  CHECK(open_descriptors() == before);
  CHECK(closed_for_nothing == 0);
  // The count can tell.
  const int descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(::close(descriptor) == 0);
  CHECK(::close(descriptor) != 0);
  CHECK(closed_for_nothing.exchange(0) == 1);
}
