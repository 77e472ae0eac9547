#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>

#include "fake_modules.hpp"

using namespace signet;
using namespace signet::test;

namespace {

// What tried calls were answered, by their names; 0 where they were let through.
using Answers = std::map<std::string, int>;

// Where modules/denied_calls.c writes to.
class Report {
 public:
  Report() : path_(std::filesystem::temp_directory_path() / ("signet-denied-" + std::to_string(getpid()))) {
    std::filesystem::remove(path_);
    setenv("FAKE_TOKEN_REPORT", path_.c_str(), 1);
  }
  ~Report() {
    unsetenv("FAKE_TOKEN_REPORT");
    std::filesystem::remove(path_);
  }
  Report(const Report&) = delete;  // owns a file
  Report& operator=(const Report&) = delete;
  const char* path() const { return path_.c_str(); }

  Answers answers() const {
    Answers all;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      const std::size_t equals = line.rfind('=');
      const int answer = std::stoi(line.substr(equals + 1));
      // One name may be tried with several arguments.
      const auto [row, fresh] = all.emplace(line.substr(0, equals), answer);
      if (!fresh && row->second != answer) row->second = -1;
    }
    return all;
  }

 private:
  std::filesystem::path path_;
};

Answers answers_in_host(const pkcs11::HostOptions& host_options, bool network) {
  const Report report;
  boost::asio::io_context io;
  pkcs11::Modules modules(io.get_executor(), host_options, {{"denied", module_path("denied_calls"), network}});
  REQUIRE(run(io, modules.tokens()).size() == 1);
  run(io, modules.end_all());
  return report.answers();
}

// The same calls in a process that is free to make them.
Answers answers_outside() {
  const Report report;
  const pid_t child = fork();
  if (child == 0) {
    setsid();  // no terminal
    void* const module = dlopen(module_path("denied_calls").c_str(), RTLD_NOW | RTLD_LOCAL);
    const auto try_them =
        module == nullptr ? nullptr : reinterpret_cast<void (*)(const char*)>(dlsym(module, "try_denied_calls"));
    if (try_them != nullptr) try_them(report.path());
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  return report.answers();
}

std::string field(int process, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return line.substr(line.find_first_not_of(" \t", name.size() + 1));
  }
  return {};
}

pkcs11::HostOptions patient() {
  auto some = options();
  some.list_timeout = std::chrono::seconds(10);
  return some;
}

}  // namespace

TEST_CASE("what no token needs is refused with EPERM, each call for itself, and the module can go on") {
  const Answers inside = answers_in_host(patient(), false);
  CHECK(inside.size() > 60);
  for (const auto& [name, answer] : inside) {
    CAPTURE(name);
    CHECK(answer == (name.starts_with("may ") ? 0 : name == "clone3" ? ENOSYS : EPERM));
  }
}

TEST_CASE("the same calls are answered otherwise where nothing refuses them") {
  const Answers inside = answers_in_host(patient(), false), outside = answers_outside();
  REQUIRE_FALSE(outside.empty());
  std::size_t otherwise = 0;
  for (const auto& [name, answer] : inside) {
    if (!name.starts_with("may ") && outside.contains(name) && outside.at(name) != EPERM) ++otherwise;
  }
  // Those that a kernel keeps for root answer EPERM to others anyhow.
  CHECK(otherwise > (geteuid() == 0 ? 40U : 15U));
  CHECK(outside.at("unshare") == 0);
  CHECK(outside.at("socket AF_INET") == 0);
}

TEST_CASE("a module that is allowed the network opens its sockets, and nothing else more") {
  Answers inside = answers_in_host(patient(), true);
  CHECK(inside["socket AF_INET"] == 0);
  CHECK((inside["socket AF_INET6"] == 0 || inside["socket AF_INET6"] == EAFNOSUPPORT));
  for (const std::string name : {"socket AF_PACKET", "socket AF_ALG", "ptrace", "unshare", "io_uring_setup", "mount"}) {
    CAPTURE(name);
    CHECK(inside[name] == EPERM);
  }
}

TEST_CASE("a host and what it starts have no new privileges, and a filter") {
  Agent agent("forks");
  const auto host = agent.host();
  CHECK(field(host->process_id(), "NoNewPrivs") == "1");
  CHECK(field(host->process_id(), "Seccomp") == "2");
  CHECK(field(getpid(), "NoNewPrivs") == "0");
  agent.login(*host);
  CHECK_FALSE(value_of(agent.sign(*host)).error);
}
