#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace signet::test {

// What the fake modules write down while this lives: a line for each PIN, and more where a module says so. One at a time.
class CallLog {
 public:
  CallLog() : path_(std::filesystem::temp_directory_path() / ("signet-calls-" + std::to_string(::getpid()))) {
    std::filesystem::remove(path_);
    ::setenv("FAKE_TOKEN_LOG", path_.c_str(), 1);
  }
  ~CallLog() {
    ::unsetenv("FAKE_TOKEN_LOG");
    std::filesystem::remove(path_);
  }
  CallLog(const CallLog&) = delete;  // owns a file
  CallLog& operator=(const CallLog&) = delete;

  std::vector<std::string> lines() const {
    std::ifstream file(path_);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace signet::test
