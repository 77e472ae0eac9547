#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace signet::test {

// A folder of its own, gone at the end.
struct Folder {
  std::filesystem::path path = [] {
    std::string name = (std::filesystem::temp_directory_path() / "signet-trust-XXXXXX").string();
    return std::filesystem::path(::mkdtemp(name.data()));
  }();
  Folder() = default;
  Folder(const Folder&) = delete;  // removed once
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

}  // namespace signet::test
