#include "agent_under_test.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace signet::bench {

namespace json = boost::json;

namespace {

pid_t start(const std::vector<std::string>& words, const std::filesystem::path& output) {
  const pid_t child = fork();
  if (child != 0) return child;
  const int out = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(out, 1);
  dup2(out, 2);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string output_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  std::string out;
  char buffer[4096];
  while (const std::size_t size = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, size);
  return pclose(pipe) == 0 ? out : std::string{};
}

template <class Condition>
void wait_for(const char* what, Condition condition) {
  const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > latest) throw std::runtime_error(std::string(what) + " did not start");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

long kib_in(const std::filesystem::path& file, const std::string& label) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(label)) return std::stol(line.substr(label.size()));
  }
  return 0;
}

}  // namespace

AgentUnderTest::AgentUnderTest(const AgentOptions& options) : options_(options) {
  std::filesystem::create_directories(options.folder / "run");
  chmod((options.folder / "run").c_str(), 0700);
  std::ofstream(options.folder / "pin") << options.pin << '\n';
  std::ofstream(options.folder / "pinentry")
      << "#!/bin/sh\nexec '" << (options.demo / "pinentry").string() << "' '" << (options.folder / "pin").string() << "'\n";
  chmod((options.folder / "pinentry").c_str(), 0700);
  std::string time_stamping;
  if (!options.pki.empty()) {
    tsa_ = start({(options.programs / "signet").string(), "demo", "tsa", options.pki.string(), "--delay-ms",
                  std::to_string(options.tsa_delay_ms)},
                 options.folder / "tsa");
    wait_for("the TSA", [&] { return read(options.folder / "tsa").ends_with('\n'); });
    std::string address = read(options.folder / "tsa");
    address.pop_back();
    time_stamping = "[time_stamping]\nurls = [\"" + address + "\"]\n";
  }
  std::ofstream(options.folder / "signet.toml")
      << "control_socket = \"" << (options.folder / "run" / "control.sock").string() << "\"\njournal = \""
      << (options.folder / "journal").string() << "\"\n[[modules]]\npath = \"" << options.module << "\"\n"
      << time_stamping << "[web]\norigins = [\"" << origin << "\"]\n[dialog]\npinentry = \""
      << (options.folder / "pinentry").string() << "\"\n";
  agent_ = start({(options.programs / "signetd").string(), "--config", (options.folder / "signet.toml").string()},
                 options.folder / "signetd.log");
  wait_for("signetd", [&] {
    const std::string status = ask("status");
    if (status.empty()) return false;
    port_ = json::parse(status).at("port").to_number<std::uint16_t>();
    return true;
  });
}

AgentUnderTest::~AgentUnderTest() {
  for (const pid_t process : {agent_, tsa_}) {
    if (process <= 0) continue;
    kill(process, SIGTERM);
    waitpid(process, nullptr, 0);
  }
}

std::string AgentUnderTest::ask(const std::string& words) const {
  return output_of("'" + (options_.programs / "signet").string() + "' --config '" + (options_.folder / "signet.toml").string() +
                   "' --json " + words + " 2>/dev/null");
}

std::string AgentUnderTest::certificate(const std::string& common_name) const {
  const json::value listed = json::parse(ask("certs"));
  for (const json::value& row : listed.at("certificates").as_array()) {
    if (std::string(row.at("subject").as_string()).find(common_name) != std::string::npos)
      return std::string(row.at("id").as_string());
  }
  throw std::runtime_error("no certificate of " + common_name);
}

long AgentUnderTest::rss_kib() const { return kib_in("/proc/" + std::to_string(agent_) + "/status", "VmRSS:"); }

long AgentUnderTest::pss_kib() const {
  long sum = kib_in("/proc/" + std::to_string(agent_) + "/smaps_rollup", "Pss:");
  std::ifstream children("/proc/" + std::to_string(agent_) + "/task/" + std::to_string(agent_) + "/children");
  for (pid_t child = 0; children >> child;) sum += kib_in("/proc/" + std::to_string(child) + "/smaps_rollup", "Pss:");
  return sum;
}

std::chrono::duration<double> AgentUnderTest::cpu() const {
  // utime and stime of proc(5): fields 14 and 15, counted from the state, which follows the name in brackets.
  const std::string stat = read("/proc/" + std::to_string(agent_) + "/stat");
  std::istringstream rest(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  double user = 0, system = 0;
  rest >> user >> system;
  return std::chrono::duration<double>((user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

}  // namespace signet::bench
