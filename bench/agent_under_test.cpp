#include "agent_under_test.hpp"

#include <sys/stat.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace signet::bench {

namespace json = boost::json;

namespace {

std::string output_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  std::string out;
  char buffer[4096];
  while (const std::size_t size = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, size);
  return pclose(pipe) == 0 ? out : std::string{};
}

}  // namespace

AgentUnderTest::AgentUnderTest(const AgentOptions& options) : options_(options) {
  std::filesystem::create_directories(options.folder / "run");
  chmod((options.folder / "run").c_str(), 0700);
  std::ofstream(options.folder / "pin") << options.pin << '\n';
  std::ofstream(options.folder / "pinentry")
      << "#!/bin/sh\ntee -a '" << (options.folder / "asked").string() << "' | '" << (options.demo / "pinentry").string() << "' '"
      << (options.folder / "pin").string() << "'\n";
  chmod((options.folder / "pinentry").c_str(), 0700);
  std::string time_stamping;
  if (!options.pki.empty()) {
    tsa_.emplace(std::vector<std::string>{(options.programs / "signet").string(), "demo", "tsa", options.pki.string(),
                                          "--delay-ms", std::to_string(options.tsa_delay_ms)},
                 options.folder / "tsa");
    wait_for("the TSA", [&] { return text_of(options.folder / "tsa").ends_with('\n'); });
    std::string address = text_of(options.folder / "tsa");
    address.pop_back();
    time_stamping = "[time_stamping]\nurls = [\"" + address + "\"]\n";
  }
  std::ofstream(options.folder / "signet.toml")
      << "control_socket = \"" << control_socket().string() << "\"\njournal = \"" << (options.folder / "journal").string()
      << "\"\n[[modules]]\npath = \"" << options.module << "\"\n"
      << time_stamping << "[web]\norigins = [\"" << origin << "\"]\n[dialog]\npinentry = \""
      << (options.folder / "pinentry").string() << "\"\n";
  agent_.emplace(
      std::vector<std::string>{(options.programs / "signetd").string(), "--config", (options.folder / "signet.toml").string()},
      options.folder / "signetd.log");
  wait_for("signetd", [&] {
    const std::string status = ask("status");
    if (status.empty()) return false;
    port_ = json::parse(status).at("port").to_number<std::uint16_t>();
    return true;
  });
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

pid_t AgentUnderTest::host_process() const {
  for (const std::string& child : children()) {
    if (text_of("/proc/" + child + "/comm").starts_with("signet-token-ho")) return std::stoi(child);
  }
  return 0;
}

std::size_t AgentUnderTest::descriptors() const {
  const std::filesystem::directory_iterator open("/proc/" + std::to_string(agent_->id()) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

void AgentUnderTest::restart_module() const {
  const json::value status = json::parse(ask("status"));
  ask("restart '" + std::string(status.at("modules").as_array().at(0).at("name").as_string()) + "'");
}

std::size_t AgentUnderTest::pins_asked() const {
  const std::string asked = text_of(options_.folder / "asked");
  std::size_t found = 0;
  for (std::size_t at = asked.find("GETPIN"); at != std::string::npos; at = asked.find("GETPIN", at + 1)) ++found;
  return found;
}

std::vector<std::string> AgentUnderTest::children() const {
  std::vector<std::string> all;
  std::ifstream children("/proc/" + std::to_string(agent_->id()) + "/task/" + std::to_string(agent_->id()) + "/children");
  for (std::string child; children >> child;) all.push_back(child);
  return all;
}

long AgentUnderTest::pss_kib() const {
  long sum = kib_in("/proc/" + std::to_string(agent_->id()) + "/smaps_rollup", "Pss:");
  for (const std::string& child : children()) sum += kib_in("/proc/" + child + "/smaps_rollup", "Pss:");
  return sum;
}

}  // namespace signet::bench
