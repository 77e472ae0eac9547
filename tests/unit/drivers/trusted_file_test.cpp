#include "drivers/trusted_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "elf.hpp"
#include "folder.hpp"
#include "lacking.hpp"

using namespace signet;
using namespace signet::drivers;
namespace fs = std::filesystem;

namespace {

struct Place {
  test::Folder folder;
  fs::path real = fs::canonical(folder.path);
  TrustPolicy policy{.allowed_folders = {folder.path}, .user = getuid()};

  fs::path module(const fs::path& name = "lib/module.so") const {
    return real / folder.write(name, test::elf()).lexically_relative(folder.path);
  }
  std::expected<fs::path, Refusal> ask(const fs::path& file) const { return trusted_module(file, policy); }
  void refused(const fs::path& file, Distrust why, const fs::path& where) const {
    const auto answer = ask(file);
    REQUIRE_FALSE(answer);
    CHECK(static_cast<int>(answer.error().why) == static_cast<int>(why));
    CHECK(answer.error().where == where);
  }
};

void allow(const fs::path& path, mode_t mode) { REQUIRE(::chmod(path.c_str(), mode) == 0); }

}  // namespace

TEST_CASE("a module that only root and the user can write is trusted") {
  const Place place;
  const fs::path module = place.module();
  CHECK(place.ask(module) == module);
}

TEST_CASE("modules of the distribution are trusted") {
  const fs::path softhsm = "/usr/lib/softhsm/libsofthsm2.so";
  if (!fs::exists(softhsm)) return test::lacking("SoftHSM2");
  CHECK(trusted_module(softhsm, TrustPolicy{.allowed_folders = TrustPolicy{}.allowed_folders, .user = getuid()}) ==
        fs::canonical(softhsm));
}

TEST_CASE("the answer is where a symbolic link leads to, and that is what is looked at") {
  const Place place;
  const fs::path module = place.module();
  fs::create_symlink(module, place.real / "link.so");
  fs::create_symlink("lib", place.real / "other");
  CHECK(place.ask(place.real / "link.so") == module);
  CHECK(place.ask(place.real / "other" / "module.so") == module);

  const test::Folder outside;
  fs::create_symlink(fs::canonical(outside.write("module.so", test::elf())), place.real / "out.so");
  place.refused(place.real / "out.so", Distrust::outside_allowed_folders, fs::canonical(outside.path / "module.so"));

  // A link that others could have made leads to a module that they can not.
  allow(outside.path, 0777);
  fs::create_symlink(module, outside.path / "in.so");
  CHECK(place.ask(outside.path / "in.so") == module);

  allow(module, 0666);
  place.refused(place.real / "link.so", Distrust::file_writable_by_others, module);
  fs::create_symlink("loop.so", place.real / "loop.so");
  place.refused(place.real / "loop.so", Distrust::unreadable, place.real / "loop.so");
}

TEST_CASE("a module that others can write is refused") {
  const Place place;
  const fs::path module = place.module();
  for (const mode_t mode : {0664, 0646, 0606}) {
    allow(module, mode);
    place.refused(module, Distrust::file_writable_by_others, module);
  }
  allow(module, 0600);
  CHECK(place.ask(module) == module);
}

TEST_CASE("a folder that others can write is refused, and named") {
  const Place place;
  const fs::path module = place.module("a/b/module.so");
  for (const fs::path& folder : {place.real / "a", place.real / "a" / "b"}) {
    for (const mode_t mode : {0775, 0757}) {
      allow(folder, mode);
      place.refused(module, Distrust::folder_writable_by_others, folder);
    }
    allow(folder, 01777);  // sticky: what others put there is theirs, and what is not theirs they can not move
    CHECK(place.ask(module) == module);
    allow(folder, 0755);
  }
}

TEST_CASE("what belongs to somebody else is refused") {
  if (getuid() != 0) return test::lacking("the rights to give a file to another user");
  Place place;
  place.policy.user = 1000;
  const fs::path module = place.module();
  CHECK(place.ask(module) == module);  // root's
  REQUIRE(::chown(module.c_str(), 1000, 1000) == 0);
  CHECK(place.ask(module) == module);  // the user's
  REQUIRE(::chown(module.c_str(), 1001, 1001) == 0);
  place.refused(module, Distrust::file_owner, module);
  REQUIRE(::chown(module.c_str(), 0, 0) == 0);
  REQUIRE(::chown(module.parent_path().c_str(), 1001, 1001) == 0);
  place.refused(module, Distrust::folder_owner, module.parent_path());
}

TEST_CASE("only allowed folders hold modules, whatever their names begin with") {
  Place place;
  const fs::path module = place.module("allowed-not/module.so");
  place.policy.allowed_folders = {place.real / "allowed"};
  place.refused(module, Distrust::outside_allowed_folders, module);
  fs::create_directory(place.real / "allowed");
  place.refused(place.real / "allowed" / ".." / "allowed-not" / "module.so", Distrust::outside_allowed_folders, module);
  place.policy.allowed_folders = {module};
  place.refused(module, Distrust::outside_allowed_folders, module);
  place.policy.allowed_folders = {};
  place.refused(module, Distrust::outside_allowed_folders, module);
  place.refused("module.so", Distrust::outside_allowed_folders, "module.so");
}

TEST_CASE("what is there and no shared object of this machine is refused") {
  const Place place;
  place.refused(place.real / "nothing.so", Distrust::missing, place.real / "nothing.so");
  const auto file = [&](const std::string& content) { return place.real / place.folder.write("file.so", content).filename(); };
  place.refused(file("/* a linker script */"), Distrust::not_a_library, place.real / "file.so");
  place.refused(file(""), Distrust::not_a_library, place.real / "file.so");
  place.refused(file(test::elf().substr(0, 19)), Distrust::not_a_library, place.real / "file.so");
  place.refused(file(test::elf(ET_REL)), Distrust::not_a_library, place.real / "file.so");
  std::string other = test::elf();
  other[18] = static_cast<char>(other[18] ^ 1);
  place.refused(file(other), Distrust::other_architecture, place.real / "file.so");
  other = test::elf();
  other[EI_CLASS] = static_cast<char>(other[EI_CLASS] ^ 3);  // 32 bits for 64
  place.refused(file(other), Distrust::other_architecture, place.real / "file.so");
  fs::create_directory(place.real / "folder.so");
  place.refused(place.real / "folder.so", Distrust::not_regular, place.real / "folder.so");
  REQUIRE(mkfifo((place.real / "fifo.so").c_str(), 0600) == 0);  // and is not waited for
  place.refused(place.real / "fifo.so", Distrust::not_regular, place.real / "fifo.so");
}
