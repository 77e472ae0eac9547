#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "call_log.hpp"
#include "fake_modules.hpp"
#include "lacking.hpp"
#include "memory_scan.hpp"

using namespace signet;
using namespace signet::test;
using namespace boost::asio::experimental::awaitable_operators;
using base::ErrorCode;
using pkcs11::Key;
using pkcs11::Mechanism;
using pkcs11::SignedChunk;
using pkcs11::TokenHost;

namespace {

struct Fault {
  std::string module;
  ErrorCode code;
  std::string detail;
};

// Zombies left out: what the host forked is init's to reap.
std::size_t processes_in_session(int session) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream stat(entry.path() / "stat");
    std::string line;
    if (!std::getline(stat, line)) continue;
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    char state = 'Z';
    int parent = 0, group = 0, its_session = 0;
    fields >> state >> parent >> group >> its_session;
    if (state != 'Z' && its_session == session) ++count;
  }
  return count;
}

// Root has another group meanwhile: what it starts, too.
class OtherGroup {
 public:
  OtherGroup() {
    if (::getuid() == 0) REQUIRE(::setresgid(nobody, nobody, nobody) == 0);
  }
  ~OtherGroup() {
    if (::getuid() == 0) (void)!::setresgid(0, 0, 0);
  }
  OtherGroup(const OtherGroup&) = delete;  // gives the group back once
  OtherGroup& operator=(const OtherGroup&) = delete;

 private:
  static constexpr gid_t nobody = 65534;
};

// A process that does nothing to be hidden. It runs when the constructor is done.
class Sleeper {
 public:
  Sleeper() {
    const char* const words[] = {"sleep", "60", nullptr};
    REQUIRE(::posix_spawnp(&process_, "sleep", nullptr, nullptr, const_cast<char* const*>(words), environ) == 0);
  }
  ~Sleeper() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;  // one process
  Sleeper& operator=(const Sleeper&) = delete;
  pid_t process_id() const { return process_; }

 private:
  pid_t process_ = -1;
};

// What /proc tells of a process that is not dumpable is root's and root's group's (proc(5)).
bool is_dumpable(pid_t process) {
  struct stat about{};
  REQUIRE(::stat(("/proc/" + std::to_string(process) + "/limits").c_str(), &about) == 0);
  return about.st_uid != 0 || about.st_gid != 0;
}

}  // namespace

TEST_CASE("a module that cannot be loaded or initialised is said to, with the reason") {
  const auto fault = GENERATE(values<Fault>({
      {"no_function_list", ErrorCode::module_failed, "gave no list"},
      {"half_function_list", ErrorCode::module_failed, "functions missing"},
      {"wild_function_list", ErrorCode::module_failed, "while loading the module, in C_Initialize"},
      {"initialize_fails", ErrorCode::module_failed, "C_Initialize: CKR_GENERAL_ERROR"},
      {"crash_in_initialize", ErrorCode::module_failed, "by signal 11 while loading the module, in C_Initialize"},
      {"hang_in_initialize", ErrorCode::token_host_timeout, "while loading the module, in C_Initialize"},
      {"exit_in_initialize", ErrorCode::module_failed, "with status 3 while loading the module, in C_Initialize"},
      {"not_there", ErrorCode::module_failed, "No such file"},
  }));
  CAPTURE(fault.module);
  Agent agent(fault.module);
  const auto host = run(agent.io, agent.modules.host(0));
  REQUIRE_FALSE(host);
  CAPTURE(host.error().detail);
  CHECK(host.error().code == fault.code);
  CHECK(mentions(host.error(), fault.detail));
  CHECK_FALSE(mentions(host.error(), SIGNET_FAKE_MODULES));  // it goes to web pages
  CHECK(agent.modules.states()[0].last_error == host.error());
  CHECK(run(agent.io, agent.modules.tokens()).empty());
}

TEST_CASE("a path that is relative, no ELF file or no module is refused, and so is a missing host program") {
  boost::asio::io_context io;
  const auto start = [&](const std::string& path) {
    auto with_path = options();
    with_path.module = path;
    return run(io, TokenHost::start(with_path));
  };
  for (const std::string path : {"libsofthsm2.so", "", "/etc/hostname", "/", SIGNET_TOKEN_HOST}) {
    CAPTURE(path);
    const auto host = start(path);
    REQUIRE_FALSE(host);
    CHECK(host.error().code == ErrorCode::module_failed);
    CHECK_FALSE(host.error().detail.empty());
  }
  auto without_program = options("good");
  without_program.program = "/no/such/signet-token-host";
  const auto host = run(io, TokenHost::start(without_program));
  REQUIRE_FALSE(host);
  CHECK(host.error().code == ErrorCode::token_host_died);
  CHECK(host.error().origin == ENOENT);
  CHECK_FALSE(mentions(host.error(), "/"));
}

TEST_CASE("a module that crashes or hangs in C_Login fails the login, and another host is started after it") {
  const auto fault =
      GENERATE(values<Fault>({{"crash_in_login", ErrorCode::token_host_died, "while login, in C_Login"},
                              {"hang_in_login", ErrorCode::token_host_timeout, "while login, in C_Login"},
                              {"hang_in_open_session", ErrorCode::token_host_timeout, "while login, in C_OpenSession"}}));
  CAPTURE(fault.module);
  Agent agent(fault.module);
  auto host = agent.host();
  const int before = host->process_id();
  const auto pin = secret(right_pin);
  const auto [login, waiting] = run(agent.io, host->login(fake_token, &pin) && host->tokens());
  REQUIRE_FALSE(login);
  CAPTURE(login.error().detail);
  CHECK(login.error().code == fault.code);
  CHECK(mentions(login.error(), fault.detail));
  CHECK(mentions(login.error(), "the host of " + fault.module + " "));
  CHECK_FALSE(mentions(login.error(), "/"));
  REQUIRE_FALSE(waiting);
  CHECK(waiting.error().code == ErrorCode::token_host_died);
  CHECK_FALSE(host->alive());
  host = agent.host();
  CHECK(host->process_id() != before);
  CHECK(value_of(run(agent.io, host->tokens())).size() == 1);
}

TEST_CASE("a module that crashes, hangs, exits or lies in C_Sign fails the signature, and another host is started after it") {
  const auto fault = GENERATE(values<Fault>({
      {"crash_in_sign", ErrorCode::token_host_died, "while signing, in C_Sign"},
      {"hang_in_sign", ErrorCode::token_host_timeout, "while signing, in C_Sign"},
      {"exit_in_sign", ErrorCode::token_host_died, "ended with status 0 while signing, in C_Sign"},
      {"leaves_child_behind", ErrorCode::token_host_died, "while signing"},
      {"writes_on_socket", ErrorCode::token_host_died, "no frame"},
      {"long_signature", ErrorCode::token_failed, "a signature of 1099511627776 bytes"},
      {"short_signature", ErrorCode::token_failed, "a signature of 3 bytes"},
      {"garbage_return", ErrorCode::token_failed, "C_Sign: CK_RV 0xdeadbeef"},
  }));
  CAPTURE(fault.module);
  Agent agent(fault.module);
  auto host = agent.host();
  const int before = host->process_id();
  agent.login(*host);
  const auto chunk = agent.sign(*host);
  const base::Error error = chunk ? chunk->error.value_or(base::Error{}) : chunk.error();
  CAPTURE(error.detail);
  CHECK(error.code == fault.code);
  CHECK(mentions(error, fault.detail));
  CHECK_FALSE(host->alive());
  host = agent.host();
  CHECK(host->process_id() != before);
  CHECK(until(agent.io, [&] { return processes_in_session(before) == 0; }));  // not even what it forked
  agent.login(*host);
}

TEST_CASE("a module that hangs while it lists is given less time than one that works, and another host is started after it") {
  auto patient = options();
  patient.call_timeout = patient.login_timeout = std::chrono::minutes(5);
  const auto fault = GENERATE(values<Fault>({
      {"hang_in_token_info", ErrorCode::token_host_timeout, "while listing the tokens, in C_GetTokenInfo"},
      {"hang_in_slot_list", ErrorCode::token_host_timeout, "while listing the tokens, in C_GetSlotList"},
      {"hang_in_certificates", ErrorCode::token_host_timeout, "while reading certificates, in C_FindObjectsInit"},
  }));
  CAPTURE(fault.module);
  Agent agent(fault.module, patient);
  const auto host = agent.host();
  const auto listed = [&]() -> base::Result<void> {
    if (auto tokens = run(agent.io, host->tokens()); !tokens) return base::failure_of(tokens);
    if (auto certificates = run(agent.io, host->certificates(slot)); !certificates) return base::failure_of(certificates);
    return {};
  }();
  REQUIRE_FALSE(listed);
  CHECK(listed.error().code == fault.code);
  CHECK(mentions(listed.error(), fault.detail));
  CHECK_FALSE(host->alive());
  CHECK(agent.host()->process_id() != host->process_id());
}

TEST_CASE("the limit for listings is none for a login or a signature") {
  auto hasty = options();
  hasty.list_timeout = std::chrono::seconds(0);
  Agent agent("slow_sign", hasty);
  const auto host = agent.host();
  agent.login(*host);
  CHECK(value_of(agent.sign(*host, 3)).signatures.size() == 3);
  CHECK(host->alive());
}

TEST_CASE("what was signed before the card was pulled is not lost, and the host ends") {
  Agent agent("removed_in_sign");
  auto host = agent.host();
  agent.login(*host);
  const auto chunk = value_of(agent.sign(*host, 5));
  CHECK(chunk.signatures.size() == 2);
  REQUIRE(chunk.error);
  CHECK(chunk.error->code == ErrorCode::token_removed);
  CHECK(chunk.error->origin == 0x32);  // CKR_DEVICE_REMOVED
  CHECK_FALSE(host->alive());
}

TEST_CASE("a slow token is not taken for a dead one, and what it signed before it hung is not lost") {
  Agent agent("slow_sign");
  auto host = agent.host();
  agent.login(*host);
  const auto begin = std::chrono::steady_clock::now();
  const auto chunk = value_of(agent.sign(*host, 5));  // three signatures of 0.3 s, then none: time runs from the third
  CHECK(std::chrono::steady_clock::now() - begin > std::chrono::milliseconds(1800));
  CHECK(chunk.signatures.size() == 3);
  REQUIRE(chunk.error);
  CHECK(chunk.error->code == ErrorCode::token_host_timeout);
  CHECK_FALSE(host->alive());
}

TEST_CASE("what was signed and told before the host's last answer turned out to be none is not lost") {
  Agent agent("rubbish_reply");
  auto host = agent.host();
  agent.login(*host);
  const auto chunk = value_of(agent.sign(*host, 5));
  CHECK(chunk.signatures == std::vector<base::Bytes>(2, base::Bytes(256, 0x5A)));
  REQUIRE(chunk.error);
  CHECK(chunk.error->code == ErrorCode::token_host_died);
  CHECK_FALSE(host->alive());
}

TEST_CASE("a module that prints or forks does not get in the way") {
  const std::string module = GENERATE("prints_on_stdout", "forks", "good");
  CAPTURE(module);
  Agent agent(module);
  auto host = agent.host();
  agent.login(*host);
  for (int i = 0; i < 20; ++i) {
    const auto chunk = value_of(agent.sign(*host, 2));
    CHECK_FALSE(chunk.error);
    CHECK(chunk.signatures == std::vector<base::Bytes>(2, base::Bytes(256, 0x5A)));
  }
  run(agent.io, host->end());
}

TEST_CASE("a module that claims more slots than any machine has is refused") {
  Agent agent("many_slots");
  auto host = agent.host();
  const auto tokens = run(agent.io, host->tokens());
  REQUIRE_FALSE(tokens);
  CHECK(tokens.error().code == ErrorCode::token_failed);
  CHECK(mentions(tokens.error(), "2305843009213693952 slots"));
  CHECK_FALSE(host->alive());
}

TEST_CASE("a token's texts are made fit to be shown") {
  Agent agent("absurd_strings");
  const auto places = run(agent.io, agent.modules.tokens());
  REQUIRE(places.size() == 1);
  const auto& token = places[0].token;
  for (const std::string* text : {&token.label, &token.manufacturer, &token.model, &token.serial}) {
    CHECK(base::is_utf8(*text));
    CHECK(text->size() <= 128);
    CHECK(text->find('\x1b') == std::string::npos);
    CHECK(text->find('\n') == std::string::npos);
    CHECK(text->find("\xe2\x80\xae") == std::string::npos);
  }
  CHECK(token.model.empty());
  CHECK(token.serial == "xxxxxxxxxxxxxxxx");
  CHECK(token.pin_max == 0);
}

TEST_CASE("a module whose events never end is not listened to for ever") {
  Agent agent("endless_events");
  unsigned events = 0;
  auto host = agent.host();
  host->on_event([&](pkcs11::SlotEvent event) { events += event.slot_id == slot && event.token_present ? 1 : 0; });
  REQUIRE(run(agent.io, host->tokens()));  // events are waited for after the first answer
  CHECK(until(agent.io, [&] { return !host->waits_for_events(); }));
  CHECK(events > 0);
  CHECK(events <= 100);
  agent.login(*host);
}

TEST_CASE("each wrong PIN spends one try and what is left of them is told") {
  const test::CallLog log;
  Agent agent("good");
  auto host = agent.host();
  const auto wrong = secret("9999");
  const auto first = value_of(run(agent.io, host->login(fake_token, &wrong)));
  REQUIRE(first.error);
  CHECK(first.error->code == ErrorCode::pin_incorrect);
  CHECK(first.token.pin_count_low);
  CHECK_FALSE(first.token.pin_final_try);
  CHECK(log.lines().size() == 1);
  const auto second = value_of(run(agent.io, host->login(fake_token, &wrong)));
  CHECK(second.token.pin_final_try);
  CHECK(log.lines().size() == 2);
  const auto third = value_of(run(agent.io, host->login(fake_token, &wrong)));
  REQUIRE(third.error);
  CHECK(third.error->code == ErrorCode::pin_locked);
  CHECK(third.token.pin_locked);
  CHECK(log.lines().size() == 3);
  CHECK(host->alive());
}

TEST_CASE("a PIN of a length that the token does not take is said to be that") {
  Agent agent("good");
  auto host = agent.host();
  const auto pin = secret("123456789");
  CHECK(value_of(run(agent.io, host->login(fake_token, &pin))).error->code == ErrorCode::pin_length);
}

TEST_CASE("a login that is a stranger's is ended before ours, and the PIN is still presented once") {
  const test::CallLog log;
  Agent agent("strangers_login");
  auto host = agent.host();
  agent.login(*host);
  CHECK(log.lines() == std::vector<std::string>{"user"});
  CHECK_FALSE(value_of(agent.sign(*host)).error);
}

TEST_CASE("a context PIN that is refused is presented once, however many signatures wait behind it") {
  const test::CallLog log;
  Agent agent("good");
  auto host = agent.host();
  agent.login(*host);
  const Key key = agent.key(*host, 2);
  REQUIRE(key.always_authenticate);
  const auto wrong = secret("9999");
  const auto [first, second] = run(agent.io, host->sign(key, Mechanism::rsa_pkcs, digests(3), &wrong) &&
                                                 host->sign(key, Mechanism::rsa_pkcs, digests(3), &wrong));
  CHECK(value_of(first).error->code == ErrorCode::pin_incorrect);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::token_host_died);
  run(agent.io, host->end());
  CHECK(log.lines() == std::vector<std::string>{"user", "context"});
}

TEST_CASE("the host keeps no copy of a PIN after the call") {
  Agent agent("good");  // keeps none either: what is found is the host's
  auto host = agent.host();
  const auto pin = secret("83015527");
  CHECK(value_of(run(agent.io, host->login(fake_token, &pin))).error->code == ErrorCode::pin_incorrect);
  const auto copies = copies_in_memory(host->process_id(), pin.bytes());
  if (!copies) return lacking("only root can read a host's memory");
  CHECK(*copies == 0);
  CHECK(copies_in_memory(host->process_id(), base::as_bytes(module_path("good"))).value() > 0);  // the scan finds what is there
}

TEST_CASE("a host is not dumpable") {
  // A group that is not root's, so that root can tell as well.
  const OtherGroup group;
  const Sleeper other;
  CHECK(is_dumpable(other.process_id()));
  Agent agent("good");
  auto host = agent.host();
  CHECK_FALSE(is_dumpable(host->process_id()));
}

TEST_CASE("a host has no core file") {
  Agent agent("good");
  auto host = agent.host();
  std::ifstream limits("/proc/" + std::to_string(host->process_id()) + "/limits");
  std::string core;
  for (std::string line; std::getline(limits, line);) {
    if (line.starts_with("Max core file size")) core = line;
  }
  std::istringstream fields(core.substr(std::min(core.size(), std::strlen("Max core file size"))));
  std::string soft, hard;
  fields >> soft >> hard;
  CHECK(soft == "0");
  CHECK(hard == "0");
}

TEST_CASE("a host has no descriptor of the agent's but its socket") {
  const int of_the_agents = dup(STDERR_FILENO);  // not close-on-exec
  Agent agent("good");
  auto host = agent.host();
  std::error_code error;
  std::vector<std::string> descriptors;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(host->process_id()) + "/fd", error))
    descriptors.push_back(entry.path().filename());
  close(of_the_agents);
  if (error) return lacking("only root can see a host's descriptors");
  std::ranges::sort(descriptors);
  CHECK(descriptors == std::vector<std::string>{"0", "1", "2", "3"});
}
