#pragma once

#include <cstdlib>
#include <filesystem>

namespace signet::test {

// A folder of its own, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder() = default;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;  // owns files
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_ = [] {
    char name[] = "/tmp/signet-agent-XXXXXX";
    return std::filesystem::path(::mkdtemp(name));
  }();
};

}  // namespace signet::test
