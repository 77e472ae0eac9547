// A card that has two PINs, which its module shows as two tokens.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "run.hpp"
#include "token_login.hpp"

using namespace signet;
using namespace signet::signing;
using test::run;

namespace {

base::Secret secret(std::string_view text) { return base::Secret::copy_of(base::as_bytes(text)).value(); }
base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

struct Bench {
  std::filesystem::path log =
      std::filesystem::temp_directory_path() / ("signet-two-pins-" + std::to_string(static_cast<long>(getpid())));
  boost::asio::io_context io;
  pkcs11::Modules modules;

  explicit Bench(std::vector<std::string> names)
      : modules(io.get_executor(), {.program = SIGNET_TOKEN_HOST, .module = {}}, modules_of(std::move(names))) {
    std::filesystem::remove(log);
    setenv("FAKE_TOKEN_LOG", log.c_str(), 1);
  }
  ~Bench() {
    unsetenv("FAKE_TOKEN_LOG");
    std::filesystem::remove(log);
  }
  Bench(const Bench&) = delete;  // one variable
  Bench& operator=(const Bench&) = delete;

  static std::vector<pkcs11::ModuleOptions> modules_of(std::vector<std::string> names) {
    std::vector<pkcs11::ModuleOptions> all;
    for (const std::string& name : names) all.push_back({.name = name, .path = SIGNET_FAKE_MODULES "/" + name + ".so"});
    return all;
  }
  std::vector<std::string> labels() {
    std::vector<std::string> all;
    for (const pkcs11::TokenPlace& place : run(io, modules.tokens())) all.push_back(place.token.label);
    return all;
  }
  std::vector<std::string> logins() const {
    std::ifstream file(log);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("in") || line.starts_with("out")) all.push_back(line);
    }
    return all;
  }
};
using Lines = std::vector<std::string>;
const Lines both{"Fake token (card)", "Fake token (signature)"};

}  // namespace

TEST_CASE("a card that its module shows in a slot for each of its PINs is shown as often") {
  CHECK(Bench({"two_pins"}).labels() == both);
}

TEST_CASE("another module's slot of a card that is shown already, with nothing to sign with, is not shown") {
  CHECK(Bench({"two_pins", "good"}).labels() == both);
  CHECK(Bench({"two_pins", "two_pins"}).labels() == both);
}

TEST_CASE("who logs in to a card's second slot ends the login of the first") {
  Bench bench({"two_pins"});
  const auto places = run(bench.io, bench.modules.tokens());
  REQUIRE(places.size() == 2);
  TokenLogins logins(bench.modules, {});
  const auto ready = [&](std::size_t place, const char* pin, std::uint8_t key) {
    const PinOwner owner{places[place].token.serial, {key}, Origin::command_line(), 0};
    return run(bench.io, logins.ready(places[place], owner, secret(pin), now())).has_value();
  };
  REQUIRE(ready(0, "1234", 1));
  REQUIRE(ready(1, "5678", 3));
  CHECK(bench.logins() == Lines{"in 7", "out 7", "in 8"});
  REQUIRE(ready(0, "1234", 1));
  CHECK(bench.logins() == Lines{"in 7", "out 7", "in 8", "out 8", "in 7"});
}
