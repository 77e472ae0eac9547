#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "process.hpp"

namespace signet::bench {

struct AgentOptions {
  std::filesystem::path programs;  // where signetd and signet are
  std::filesystem::path demo;      // demo/ of the source tree: its pinentry
  std::filesystem::path folder;    // its own, empty
  std::string module;
  std::string pin;
  std::filesystem::path pki;  // made by `signet demo pki`; with it there is a TSA
  unsigned tsa_delay_ms = 0;
};

// A signetd with everything it needs, ended with the object. Throws when something does not start.
class AgentUnderTest {
 public:
  explicit AgentUnderTest(const AgentOptions& options);

  static constexpr const char* origin = "https://bench.example";
  std::uint16_t port() const { return port_; }
  // The first certificate whose common name holds this text.
  std::string certificate(const std::string& common_name) const;
  std::filesystem::path control_socket() const { return options_.folder / "run" / "control.sock"; }
  // A token host of the agent; 0 where none runs.
  pid_t host_process() const;
  // `signet restart` of the first module: its faults are forgiven.
  void restart_module() const;
  // How often a dialog asked for a PIN, so far.
  std::size_t pins_asked() const;
  std::size_t descriptors() const;
  long rss_kib() const { return agent_->rss_kib(); }
  // Of the agent and its running hosts, from smaps_rollup (wants root, as the agent is not dumpable).
  long pss_kib() const;
  // CPU time of the agent alone so far, in ticks of 10 ms.
  std::chrono::duration<double> cpu() const { return agent_->cpu(); }
  // ... and of its TSA, which there must be.
  std::chrono::duration<double> tsa_cpu() const { return tsa_->cpu(); }

 private:
  std::string ask(const std::string& words) const;
  std::vector<std::string> children() const;
  AgentOptions options_;
  std::optional<Process> tsa_, agent_;  // the agent ends first
  std::uint16_t port_ = 0;
};

}  // namespace signet::bench
