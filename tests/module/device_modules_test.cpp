#include "drivers/device_modules.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "fake_modules.hpp"
#include "run.hpp"
#include "usb_bus.hpp"

// In umockdev-wrapper: what is plugged in, and what that does to the modules that serve it.

using namespace signet;
using namespace signet::drivers;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::run;
using test::Stick;
using test::until;

namespace {

const Stick token{0x096e, 0x0807, 3, "1-3", "A1B2C3"};
const Stick mouse{0x046d, 0xc077, 4, "1-4"};

std::string path_of(const std::string& module) { return SIGNET_FAKE_MODULES "/" + module + ".so"; }

pkcs11::HostOptions host_options() {
  return {.program = SIGNET_TOKEN_HOST,
          .module = {},
          .load_timeout = seconds(5),
          .list_timeout = seconds(5),
          .pin_pad_timeout = seconds(30)};
}

// No pcscd of the machine's, and the hosts are no programs of umockdev's.
struct Environment {
  Environment() {
    setenv("PCSCLITE_CSOCK_NAME", "/no/such/pcscd.comm", 1);
    unsetenv("LD_PRELOAD");
  }
};

struct Bench {
  Environment environment;
  test::UsbBus bus;
  boost::asio::io_context io;
  pkcs11::Modules modules;
  DeviceModules devices;
  unsigned changes = 0;

  // `configured`: the module that the configuration names, if any; `of_token`: that of the token's family.
  Bench(const std::vector<std::string>& configured, const std::string& of_token)
      : modules(io.get_executor(), host_options(), modules_of(configured),
                {.stopped_after = 3, .period = seconds(60), .first_pause = milliseconds(10)}),
        devices(io.get_executor(), modules, device_options(configured, of_token)) {
    devices.on_change([this] { ++changes; });
    devices.start();
    run(io, devices.settled());
  }
  ~Bench() { run(io, devices.stop()); }
  Bench(const Bench&) = delete;  // owns threads
  Bench& operator=(const Bench&) = delete;

  static std::vector<pkcs11::ModuleOptions> modules_of(const std::vector<std::string>& names) {
    std::vector<pkcs11::ModuleOptions> all;
    for (const std::string& name : names) all.push_back({.name = name, .path = path_of(name)});
    return all;
  }
  static DeviceModulesOptions device_options(const std::vector<std::string>& configured, const std::string& of_token) {
    DeviceModulesOptions options;
    for (const std::string& name : configured) options.configuration.modules.push_back({name, path_of(name), {}});
    options.configuration.trust = {{SIGNET_FAKE_MODULES}, ::getuid()};
    Family family;
    family.id = "bench";
    family.name = "Token of the bench";
    family.usb = {UsbId::parse("096E:0807").value()};  // of `token`
    family.modules.emplace_back().name = of_token;
    family.modules.back().files = {of_token + ".so"};
    family.modules.back().folders = {SIGNET_FAKE_MODULES};
    options.families = {family};
    // Nothing of what is installed on this machine.
    for (std::filesystem::path* const place :
         {&options.registry.package_modules, &options.registry.system_modules, &options.registry.system_configuration})
      place->clear();
    return options;
  }
  // Until what was plugged in or out has been looked at.
  void change(const std::function<void()>& what) {
    const unsigned before = changes;
    what();
    REQUIRE(until(io, [&] { return changes > before; }));
    run(io, devices.settled());
  }
  pkcs11::ModuleState state() { return modules.states().at(0); }
};

}  // namespace

TEST_CASE("a module that was stopped is tried again for its own device that was plugged in anew, and for no other") {
  Bench bench({}, "crash_in_initialize");
  bench.change([&] { bench.bus.add(token); });
  REQUIRE(bench.modules.states().size() == 1);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(run(bench.io, bench.modules.host(0)));
  REQUIRE(bench.state().stopped);
  bench.change([&] { bench.bus.add(mouse); });
  CHECK(bench.state().stopped);
  bench.change([&] { bench.bus.remove(token); });
  Stick again = token;
  again.address = 9;
  bench.change([&] { bench.bus.add(again); });
  CHECK_FALSE(bench.state().stopped);
  CHECK(bench.state().faults == 1);
}

TEST_CASE("a person at a PIN pad is not cut short because a mouse was unplugged") {
  setenv("FAKE_TOKEN_LOGIN_MS", "4500", 1);  // longer than a call has when its token was pulled
  Bench bench({"slow_login"}, "good");
  bench.change([&] { bench.bus.add(mouse); });
  const auto host = run(bench.io, bench.modules.host(0));
  REQUIRE(host);
  std::optional<base::Result<pkcs11::TokenHost::Login>> login;
  boost::asio::co_spawn(bench.io, (*host)->login(test::fake_token, nullptr),
                        [&](std::exception_ptr, base::Result<pkcs11::TokenHost::Login> done) { login = std::move(done); });
  REQUIRE(until(bench.io, [&] { return (*host)->in_call() == "C_Login"; }));
  bench.change([&] { bench.bus.remove(mouse); });
  REQUIRE(until(bench.io, [&] { return login.has_value(); }));
  unsetenv("FAKE_TOKEN_LOGIN_MS");
  REQUIRE(*login);
  CHECK_FALSE((*login)->error);
}
