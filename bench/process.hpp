#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace signet::bench {

// A program that was started, told to end (SIGTERM) and waited for with the object. Throws where it cannot be started.
class Process {
 public:
  // `words`: the program and its arguments. What it prints goes to `output`.
  Process(const std::vector<std::string>& words, const std::filesystem::path& output);
  ~Process();
  Process(Process&& other) noexcept;
  Process(const Process&) = delete;  // owns a process
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }
  long rss_kib() const;
  // CPU time so far, in ticks of 10 ms.
  std::chrono::duration<double> cpu() const;

 private:
  pid_t id_ = -1;
};

std::string text_of(const std::filesystem::path& file);
// The number after `label` at the beginning of a line, as in /proc/PID/status; 0 where there is none.
long kib_in(const std::filesystem::path& file, const std::string& label);
// Throws after a minute.
void wait_for(const char* what, const std::function<bool()>& condition);

}  // namespace signet::bench
