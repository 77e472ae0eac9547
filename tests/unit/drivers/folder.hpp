#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace signet::test {

// A folder of a test's own, which goes with it. Nobody else may write it.
class Folder {
 public:
  Folder() {
    std::string name = "/tmp/signet-drivers-XXXXXX";
    path = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;  // owns the folder
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path write(const std::filesystem::path& name, std::string_view content) const {
    std::filesystem::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << content;
    return path / name;
  }

  std::filesystem::path path;
};

}  // namespace signet::test
