#include "service/files.hpp"

#include <dirent.h>
#include <dlfcn.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>

using namespace signet;

namespace {

constexpr int never = 1'000'000;
std::atomic<int> entries_left = never;  // until the disk fails

struct Folder {
  std::filesystem::path path = [] {
    std::string name = (std::filesystem::temp_directory_path() / "signet-files-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    return std::filesystem::path(name);
  }();
  ~Folder() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path / name) << text; }
};

}  // namespace

// What the standard library lists folders with.
extern "C" dirent* readdir(DIR* folder) {
  static const auto real = reinterpret_cast<dirent* (*)(DIR*)>(::dlsym(RTLD_NEXT, "readdir"));
  if (entries_left-- > 0) return real(folder);
  errno = EIO;
  return nullptr;
}

TEST_CASE("a folder's stamp is another one where a file came, changed or went") {
  const Folder folder;
  const auto empty = service::stamp_of(folder.path);
  CHECK(empty.empty());
  folder.write("a.pem", "a");
  const auto one = service::stamp_of(folder.path);
  CHECK(one != empty);
  CHECK(one == service::stamp_of(folder.path));
  folder.write("a.pem", "longer");
  CHECK(service::stamp_of(folder.path) != one);
  CHECK(service::stamp_of(folder.path / "a.pem").size() == 1);
  std::filesystem::remove(folder.path / "a.pem");
  CHECK(service::stamp_of(folder.path) == empty);
  CHECK(service::stamp_of(folder.path / "nowhere").empty());
}

TEST_CASE("a folder that cannot be read on while it is listed is no exception") {
  const Folder folder;
  for (const char* const name : {"a", "b", "c", "d", "e", "f"}) folder.write(name, name);
  for (const int fails_after : {0, 4}) {
    entries_left = fails_after;
    CHECK_NOTHROW(service::stamp_of(folder.path));
    CHECK(entries_left < 0);
    entries_left = fails_after;
    CHECK_NOTHROW(service::read_trust(folder.path));
    CHECK(entries_left < 0);
  }
  entries_left = never;
  CHECK(service::stamp_of(folder.path).size() == 6);
}
