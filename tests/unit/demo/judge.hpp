#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/bytes.hpp"

namespace signet::demo {

// The openssl program, in a folder of its own that is removed in the end: its judgement does not rest on our code.
class Judge {
 public:
  Judge() {
    std::string pattern = (std::filesystem::temp_directory_path() / "signet-judge-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
  }
  Judge(const Judge&) = delete;  // one folder
  Judge& operator=(const Judge&) = delete;
  ~Judge() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // Where there is no such program the tests say so and pass; not in CI, where everything must run.
  bool is_present() const {
    if (run("version").accepted) return true;
    if (std::getenv("CI") != nullptr) FAIL("the openssl program is missing");
    WARN("skipped: the openssl program is missing");
    return false;
  }

  void write(const std::string& file, std::string_view text) const { std::ofstream(folder_ / file, std::ios::binary) << text; }
  void write(const std::string& file, base::BytesView bytes) const { write(file, base::as_text(bytes)); }
  base::Bytes read(const std::string& file) const {
    const std::string text = contents(file);
    return {text.begin(), text.end()};
  }

  struct Verdict {
    bool accepted = false;
    std::string output;
  };
  // The arguments are ours, never from outside.
  Verdict run(const std::string& arguments) const {
    const std::string command = "cd '" + folder_.string() + "' && openssl " + arguments + " >output 2>&1 </dev/null";
    const bool accepted = std::system(command.c_str()) == 0;
    return {accepted, contents("output")};
  }

 private:
  std::string contents(const std::string& file) const {
    std::ifstream in(folder_ / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::filesystem::path folder_;
};

}  // namespace signet::demo
