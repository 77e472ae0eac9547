// How a module whose hosts end by faults is started again, what is none, and what is never killed.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <csignal>
#include <filesystem>

#include "card_probe.hpp"
#include "connection.hpp"
#include "fake_modules.hpp"
#include "host/calls.hpp"

using namespace signet;
using namespace signet::test;
using base::ErrorCode;
using pkcs11::Connection;
using pkcs11::TokenHost;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

namespace {

// An agent whose modules are stopped after three faults, with pauses of 100 and more milliseconds.
struct StrictAgent : Agent {
  explicit StrictAgent(const std::string& fault, pkcs11::HostOptions host_options = options(),
                       pkcs11::FaultPolicy policy = policy_of_test())
      : Agent(fault, host_options, policy) {}
  static pkcs11::FaultPolicy policy_of_test() {
    return {.stopped_after = 3, .period = seconds(60), .first_pause = milliseconds(100)};
  }
  pkcs11::ModuleState state() { return modules.states()[0]; }
  // The error of a signature, in a host that is started for it.
  base::Error fails_to_sign() {
    const auto one = host();
    login(*one);
    const auto chunk = sign(*one);
    if (chunk && !chunk->error) FAIL("it signed");
    return chunk ? *chunk->error : chunk.error();
  }
};

// What a module's function sees of its process and its page.
struct Seen {
  const pkcs11::CallPage* page = nullptr;
  std::string call;
  int signal_of_death = -1;
  bool ends_when_asked = false;

  CK_RV look() {
    call = pkcs11::call_name(page->serving);
    prctl(PR_GET_PDEATHSIG, &signal_of_death);
    struct sigaction term{};
    sigaction(SIGTERM, nullptr, &term);
    ends_when_asked = term.sa_handler == SIG_DFL;
    return CKR_OK;
  }
} seen;

// How long a module takes for what the variable names.
class TimeFor {
 public:
  TimeFor(const char* variable, milliseconds time) : variable_(variable) {
    setenv(variable, std::to_string(time.count()).c_str(), 1);
  }
  ~TimeFor() { unsetenv(variable_); }
  TimeFor(const TimeFor&) = delete;  // one variable
  TimeFor& operator=(const TimeFor&) = delete;

 private:
  const char* variable_;
};
struct LoginTime : TimeFor {
  explicit LoginTime(milliseconds time) : TimeFor("FAKE_TOKEN_LOGIN_MS", time) {}
};
struct SetPinTime : TimeFor {
  explicit SetPinTime(milliseconds time) : TimeFor("FAKE_TOKEN_SET_PIN_MS", time) {}
};

}  // namespace

TEST_CASE("a module is started again at once after its first fault, then with pauses that grow, and no more after too many") {
  StrictAgent agent("crash_in_sign");
  std::vector<Clock::duration> waited;
  for (int i = 0; i < 3; ++i) {
    const auto begin = Clock::now();
    (void)agent.host();
    waited.push_back(Clock::now() - begin);
    CHECK(agent.fails_to_sign().code == ErrorCode::token_host_died);
    CHECK(agent.state().faults == static_cast<unsigned>(i + 1));
  }
  CHECK(waited[2] >= milliseconds(90));
  CHECK(waited[2] > waited[1]);
  CHECK(agent.state().stopped);

  const auto refused = run(agent.io, agent.modules.host(0));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::module_failed);
  CHECK(mentions(refused.error(), "crash_in_sign is not started any more after 3 faults"));
  CHECK(mentions(refused.error(), "in C_Sign"));
  CHECK(mentions(refused.error(), "signet restart \"crash_in_sign\""));
  CHECK(run(agent.io, agent.modules.tokens()).empty());
  CHECK(agent.state().starts == 3);
  CHECK(mentions(agent.state().last_error.value(), "in C_Sign"));
  run(agent.io, agent.modules.restart(0));
  CHECK(agent.state().faults == 0);
  CHECK_FALSE(agent.state().stopped);
  CHECK(run(agent.io, agent.modules.tokens()).size() == 1);
}

TEST_CASE("a device that is plugged in anew lets a stopped module begin again, after its pause and not for ever") {
  StrictAgent agent("crash_in_sign");
  const auto crash_until_stopped = [&] {
    for (int i = 0; i < 3 && !agent.state().stopped; ++i) (void)agent.fails_to_sign();
    REQUIRE(agent.state().stopped);
  };
  for (int i = 0; i < 3; ++i) {
    crash_until_stopped();
    const auto crashed = Clock::now();
    agent.modules.forgive(0);
    CHECK_FALSE(agent.state().stopped);
    CHECK(agent.state().faults == 1);
    const auto host = agent.host();
    CHECK(Clock::now() - crashed >= milliseconds(150));  // 200 after the third fault
    agent.modules.forgive(0);                            // of a module that runs nothing is forgotten
    CHECK(agent.state().faults == 1);
  }
  crash_until_stopped();
  agent.modules.forgive(0);
  CHECK(agent.state().stopped);
  run(agent.io, agent.modules.restart(0));
  CHECK(run(agent.io, agent.modules.tokens()).size() == 1);
}

TEST_CASE("crashes, exits, hangs and answers that no module gives are faults, also while a module is loaded") {
  const auto fault = GENERATE(as<std::string>(), "crash_in_initialize", "exit_in_initialize", "hang_in_initialize",
                              "crash_in_sign", "exit_in_sign", "hang_in_sign", "long_signature", "short_signature",
                              "writes_on_socket", "no_session_handle", "many_objects", "many_slots", "hang_in_slot_list");
  CAPTURE(fault);
  StrictAgent agent(fault);
  if (const auto host = run(agent.io, agent.modules.host(0))) {
    const auto pin = secret(right_pin);
    if (run(agent.io, (*host)->tokens())) {
      if (const auto login = run(agent.io, (*host)->login(fake_token, &pin)); login && !login->error) {
        if (const auto key = run(agent.io, (*host)->key(slot, {1})))
          (void)run(agent.io, (*host)->sign(*key, pkcs11::Mechanism::rsa_pkcs, digests(1), nullptr));
      }
    }
    CHECK(until(agent.io, [&] { return !(*host)->alive(); }));
  }
  CHECK(agent.state().faults == 1);
}

TEST_CASE("people, cards and ends that were asked for are no faults") {
  SECTION("a card that was pulled") {
    StrictAgent agent("removed_in_sign");
    const auto host = agent.host();
    agent.login(*host);
    CHECK(value_of(agent.sign(*host, 5)).error->code == ErrorCode::token_removed);
    run(agent.io, host->end());
    CHECK(agent.state().faults == 0);
  }
  SECTION("an error of the token, also one that nobody has heard of") {
    StrictAgent agent("garbage_return");
    CHECK(agent.fails_to_sign().code == ErrorCode::token_failed);
    CHECK(agent.state().faults == 0);
  }
  SECTION("a module that does not want to begin") {
    StrictAgent agent("initialize_fails");
    for (int i = 0; i < 4; ++i) CHECK_FALSE(run(agent.io, agent.modules.host(0)));
    CHECK(agent.state().faults == 0);
    CHECK_FALSE(agent.state().stopped);
  }
  SECTION("an end, and one that takes the module too long") {
    StrictAgent agent(GENERATE("good", "hang_in_login"));
    const auto host = agent.host();
    const auto pin = secret(right_pin);
    boost::asio::co_spawn(agent.io, host->login(fake_token, &pin), [](std::exception_ptr, auto) {});
    agent.io.restart();
    agent.io.run_for(milliseconds(100));
    run(agent.io, agent.modules.end_host(0));
    CHECK_FALSE(host->alive());
    CHECK(agent.state().faults == 0);
  }
  SECTION("wrong PINs") {
    StrictAgent agent("good");
    const auto host = agent.host();
    const auto wrong = secret("9999");
    for (int i = 0; i < 4; ++i) CHECK(value_of(run(agent.io, host->login(fake_token, &wrong))).error);
    CHECK(agent.state().faults == 0);
  }
}

TEST_CASE("a module that is not wanted is not started, unless it is wanted once what was plugged in is known") {
  StrictAgent agent("good");
  agent.modules.want(0, false);
  const auto refused = run(agent.io, agent.modules.host(0));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::token_removed);
  CHECK(agent.state().starts == 0);
  agent.modules.hook({.vet = {},
                      .settled = [&]() -> boost::asio::awaitable<void> {
                        agent.modules.want(0, true);
                        co_return;
                      },
                      .why_none = {}});
  const auto host = agent.host();
  CHECK(agent.state().starts == 1);
  // One that runs is there for who used it.
  agent.modules.hook({});
  agent.modules.want(0, false);
  CHECK(agent.host() == host);
}

TEST_CASE("faults that lie further back than the period count no more") {
  StrictAgent agent("crash_in_sign", options(),
                    {.stopped_after = 2, .period = milliseconds(300), .first_pause = milliseconds(1)});
  for (int i = 0; i < 3; ++i) {
    (void)agent.fails_to_sign();
    boost::asio::steady_timer past(agent.io, milliseconds(400));
    run(agent.io, past.async_wait(boost::asio::use_awaitable));
  }
  CHECK_FALSE(agent.state().stopped);
  CHECK(agent.state().faults == 0);
}

TEST_CASE("a person at a PIN pad is waited for longer than a module") {
  const LoginTime person(milliseconds(1500));
  auto limits = options();
  limits.pin_pad_timeout = seconds(10);
  StrictAgent agent("slow_login", limits);
  const auto host = agent.host();
  CHECK_FALSE(value_of(run(agent.io, host->login(fake_token, nullptr))).error);
  CHECK(host->alive());
  // A PIN that was typed elsewhere takes no such time.
  const auto pin = secret(right_pin);
  const auto login = run(agent.io, host->login(fake_token, &pin));
  REQUIRE_FALSE(login);
  CHECK(login.error().code == ErrorCode::token_host_timeout);
}

TEST_CASE("the PIN pad's own time is configurable, and over at last") {
  const LoginTime person(seconds(30));
  StrictAgent agent("slow_login");
  pkcs11::Modules modules(agent.io.get_executor(), options(),
                          {{.name = "pad", .path = module_path("slow_login"), .pin_pad_timeout = milliseconds(300)}});
  const auto host = value_of(run(agent.io, modules.host(0)));
  const auto begin = Clock::now();
  const auto login = run(agent.io, host->login(fake_token, nullptr));
  REQUIRE_FALSE(login);
  CHECK(login.error().code == ErrorCode::token_host_timeout);
  CHECK(Clock::now() - begin < seconds(5));
}

TEST_CASE("a PC/SC that does not answer holds no card") {
  const auto path = std::filesystem::temp_directory_path() / ("signet-pcscd-" + std::to_string(getpid()));
  boost::asio::io_context io;
  boost::asio::local::stream_protocol::acceptor silent(io, path.string());
  setenv("PCSCLITE_CSOCK_NAME", path.c_str(), 1);
  const bool held = run(io, pkcs11::card_held(io.get_executor(), SIGNET_TOKEN_HOST));
  unsetenv("PCSCLITE_CSOCK_NAME");
  std::filesystem::remove(path);
  CHECK_FALSE(held);
}

TEST_CASE("a PIN is set before its host ends, whatever is asked meanwhile, and then nothing holds the host") {
  // Longer than the grace that a host has to end.
  const SetPinTime card(seconds(5));
  boost::asio::io_context io;
  auto limits = options("slow_set_pin");
  unsigned faults = 0;
  limits.on_fault = [&](const base::Error&) { ++faults; };
  auto connection = Connection::spawn(io.get_executor(), limits).value();
  REQUIRE(run(io, Connection::call(connection, pkcs11::wire::Kind::load, {}, {}, seconds(5))).payload);
  const int process = connection->process_id();
  base::Bytes payload;
  pkcs11::wire::Writer writer(payload);
  write(writer, pkcs11::wire::PinRequest{.target = pkcs11::wire::target_of(fake_token), .first_size = 4});
  std::optional<base::Error> error;
  const auto begin = Clock::now();
  boost::asio::co_spawn(io, Connection::call(connection, pkcs11::wire::Kind::change_pin, payload, secret("12345678"), seconds(5)),
                        [&](std::exception_ptr, Connection::Reply reply) {
                          if (!reply.payload) error = reply.payload.error();
                        });
  CHECK(until(io, [&] { return connection->in_call() == "C_SetPIN"; }));
  const bool at_once = GENERATE(false, true);
  if (at_once) {
    connection->kill_now({ErrorCode::token_host_died, "something is wrong", 0});
  } else {
    connection->ask_to_end({ErrorCode::token_host_died, "the host is to end", 0});
  }
  CHECK(until(io, [&] { return error.has_value(); }));  // who asked knows at once
  while (Clock::now() - begin < milliseconds(4500)) {
    io.restart();
    io.run_for(milliseconds(50));
    REQUIRE(kill(process, 0) == 0);
  }
  // Unless the machine stood still meanwhile.
  if (const auto in_call = connection->in_call(); Clock::now() - begin < seconds(5)) CHECK(in_call == "C_SetPIN");
  run(io, Connection::wait_for_end(connection));
  CHECK(Clock::now() - begin < seconds(10));
  CHECK(connection->in_call() == "C_Finalize");  // where its module hangs for good
  CHECK(kill(process, 0) != 0);
  CHECK(faults == (at_once ? 1U : 0U));
}

TEST_CASE("a PIN that is set slowly is set, whatever the limit") {
  const SetPinTime card(milliseconds(2500));
  StrictAgent agent("slow_set_pin");  // a second for a login
  const auto host = agent.host();
  const auto old_pin = secret(right_pin), new_pin = secret("12345");
  const auto done = value_of(run(agent.io, host->change_pin(fake_token, &old_pin, &new_pin)));
  CHECK_FALSE(done.error);
  CHECK(host->alive());
}

TEST_CASE("a module that hangs over a PIN's change before it sets the PIN is ended; whether a try is spent is told") {
  const auto [module, code, call] = GENERATE(table<std::string, ErrorCode, std::string>({
      {"hang_in_login", ErrorCode::pin_unknown, "C_Login"},
      {"hang_in_open_session", ErrorCode::token_host_timeout, "C_OpenSession"},
  }));
  CAPTURE(module);
  StrictAgent agent(module);
  const auto host = agent.host();
  const int process = host->process_id();
  const auto old_pin = secret(right_pin), new_pin = secret("12345");
  const auto begin = Clock::now();
  const auto done = run(agent.io, host->change_pin(fake_token, &old_pin, &new_pin));
  CHECK(Clock::now() - begin < seconds(5));
  REQUIRE_FALSE(done);
  CHECK(done.error().code == code);
  CHECK(mentions(done.error(), "while changing the PIN, in " + call));
  CHECK_FALSE(host->alive());
  CHECK(kill(process, 0) != 0);
}

TEST_CASE("a host that writes a PIN outlives its agent and the end of a session, and no other call does") {
  const int file = memfd_create("page", MFD_CLOEXEC);
  REQUIRE(ftruncate(file, pkcs11::call_page_size) == 0);
  seen.page = static_cast<const pkcs11::CallPage*>(mmap(nullptr, pkcs11::call_page_size, PROT_READ, MAP_SHARED, file, 0));
  REQUIRE(pkcs11::host::map_call_page(file));
  CK_FUNCTION_LIST module{};
  module.C_Logout = [](CK_SESSION_HANDLE) { return seen.look(); };
  module.C_InitPIN = [](CK_SESSION_HANDLE, unsigned char*, CK_ULONG) { return seen.look(); };
  module.C_SetPIN = [](CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG) { return seen.look(); };
  CK_FUNCTION_LIST& noted = *pkcs11::host::noted(module);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto before = std::signal(SIGTERM, SIG_DFL);  // Catch has a handler
  noted.C_Logout(1);
  CHECK((seen.call == "C_Logout" && seen.signal_of_death == SIGKILL && seen.ends_when_asked));
  noted.C_InitPIN(1, nullptr, 0);
  CHECK((seen.call == "C_InitPIN" && seen.signal_of_death == 0 && !seen.ends_when_asked));
  noted.C_SetPIN(1, nullptr, 0, nullptr, 0);
  CHECK((seen.call == "C_SetPIN" && seen.signal_of_death == 0 && !seen.ends_when_asked));
  noted.C_Logout(1);
  CHECK((seen.signal_of_death == SIGKILL && seen.ends_when_asked));
  std::signal(SIGTERM, before);
  prctl(PR_SET_PDEATHSIG, 0);
  CHECK(seen.page->serving == 0);
  CHECK(noted.C_Sign == nullptr);  // what a module lacks is lacking
}

TEST_CASE("a module that leaks makes way for a fresh one, and nothing that was signed is lost") {
  auto limits = options();
  limits.max_descriptors = 40;
  limits.sign_timeout = seconds(10);
  StrictAgent agent("leaks_descriptors", limits);
  std::size_t made = 0;
  unsigned hosts = 0;
  while (made < 400 && hosts < 100) {
    const auto host = agent.host();
    ++hosts;
    agent.login(*host);
    while (made < 400) {
      const auto chunk = agent.sign(*host, std::min<std::size_t>(100, 400 - made));
      REQUIRE(chunk);
      made += chunk->signatures.size();
      if (!chunk->error) continue;
      CHECK(chunk->error->code == ErrorCode::token_host_died);  // never the module's own failure
      CHECK(until(agent.io, [&] { return mentions(agent.state().last_error.value_or(base::Error{}), "too many descriptors"); }));
      break;
    }
  }
  CHECK(made == 400);
  CHECK(hosts > 5);
  CHECK(agent.state().faults == 0);
}

TEST_CASE("memory that a module gathers while nobody is logged in is given back by a fresh host") {
  auto limits = options();
  limits.max_memory_mb = 200;
  limits.list_timeout = seconds(10);
  StrictAgent agent("leaks_memory", limits);
  for (int i = 0; i < 120; ++i) REQUIRE(run(agent.io, agent.modules.tokens()).size() == 1);
  CHECK(agent.state().starts > 1);
  CHECK(agent.state().starts < 30);
  CHECK(agent.state().faults == 0);
}

TEST_CASE("lengths that no attribute has are taken for none") {
  StrictAgent agent("long_attributes");
  const auto host = agent.host();
  agent.login(*host);
  CHECK_FALSE(value_of(agent.sign(*host)).error);
}
