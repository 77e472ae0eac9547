#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "agent/assuan_client.hpp"
#include "agent/pinentry_dialog.hpp"
#include "temporary_folder.hpp"

using namespace signet;
using namespace signet::agent;
using namespace std::chrono_literals;
using base::ErrorCode;
using Clock = std::chrono::steady_clock;

namespace {

// A program of the test's own, in place of a pinentry.
class Script {
 public:
  explicit Script(const std::string& lines) : path_(folder_ / "script") {
    std::signal(SIGPIPE, SIG_IGN);  // as signetd does
    std::ofstream(path_) << "#!/bin/sh\n" << lines << '\n';
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  std::string path() const { return path_.string(); }

 private:
  test::TemporaryFolder folder_;
  std::filesystem::path path_;
};

template <class Call>
auto within(Clock::duration longest, Call call) {
  const auto began = Clock::now();
  auto result = call();
  CHECK(Clock::now() - began < longest);
  return result;
}

}  // namespace

TEST_CASE("a pinentry that never greets is given up after its time, and the error names it and the key that names it") {
  const Script silent("sleep 1000");
  const auto greeted = within(5s, [&] {
    auto pinentry = Pinentry::start(silent.path(), {});
    REQUIRE(pinentry);
    return pinentry->greet({}, 1'000ms);
  });
  REQUIRE_FALSE(greeted);
  CHECK(greeted.error().code == ErrorCode::no_dialog_possible);
  CHECK(greeted.error().detail ==
        silent.path() + " did not greet within 1 s: dialog.pinentry in the configuration names the program");
}

TEST_CASE("a pinentry that begins to greet and does not end, or stays silent afterwards, is given up too") {
  const Script half("printf 'OK half a li'; sleep 1000");
  CHECK_FALSE(within(5s, [&] { return Pinentry::start(half.path(), {})->greet({}, 200ms); }));
  const Script comments("while echo '# not yet'; do sleep 0.05; done");
  CHECK_FALSE(within(5s, [&] { return Pinentry::start(comments.path(), {})->greet({}, 200ms); }));
  const Script later("echo OK hello; read line; echo OK; sleep 1000");
  auto pinentry = Pinentry::start(later.path(), {});
  REQUIRE(pinentry);
  REQUIRE(pinentry->greet({}, 1'000ms));
  const auto set = within(5s, [&] { return pinentry->set("SETDESC", "something"); });
  REQUIRE_FALSE(set);
  CHECK(set.error().code == ErrorCode::no_dialog_possible);
  CHECK(set.error().detail.contains("did not answer"));
}

TEST_CASE("a person may think for longer than the program may wait") {
  const Script slow("echo OK hello; while read line; do case $line in CONFIRM*) sleep 0.6;; esac; echo OK; done");
  auto pinentry = Pinentry::start(slow.path(), {});
  REQUIRE(pinentry);
  REQUIRE(pinentry->greet({}, 200ms));
  REQUIRE(pinentry->set("SETDESC", "something"));
  CHECK(pinentry->confirm() == Pinentry::Answer::ok);
}

TEST_CASE("a program that ends, and one that is none, say so at once") {
  const Script ends("exit 0");
  const auto greeted = within(5s, [&] { return Pinentry::start(ends.path(), {})->greet({}); });
  REQUIRE_FALSE(greeted);
  CHECK(greeted.error().code == ErrorCode::no_dialog_possible);
  CHECK_FALSE(Pinentry::start("/no/such/program", {}));
}

TEST_CASE("a dialog whose pinentry stays silent is closed at once when who asked is gone") {
  const Script silent("sleep 1000");
  boost::asio::io_context io{1};
  PinentryDialog dialog(
      io.get_executor(), {.pinentry = silent.path()}, [] { return Screen{}; },
      [](const signing::Origin&) { return std::string(); });
  std::optional<ErrorCode> code;
  const auto ask = [&]() -> boost::asio::awaitable<void> {
    signing::PinEntryRequest request;
    request.asker = "me";
    auto entry = co_await dialog.enter_pins(std::move(request), {});
    code = entry ? std::nullopt : std::optional(entry.error().code);
  };
  boost::asio::co_spawn(io, ask(), boost::asio::detached);
  boost::asio::steady_timer closing(io, 300ms);
  closing.async_wait([&](boost::system::error_code) { dialog.close("me"); });
  const auto began = Clock::now();
  io.run();
  CHECK(Clock::now() - began < 4s);
  CHECK(code == ErrorCode::user_cancelled);
}
