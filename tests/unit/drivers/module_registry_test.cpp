#include "drivers/module_registry.hpp"

#include <catch2/catch.hpp>

#include "folder.hpp"

using namespace signet;
using namespace signet::drivers;

namespace {

struct Files {
  test::Folder folder;
  RegistryPlaces places{.package_modules = folder.path / "package",
                        .system_modules = folder.path / "system",
                        .user_modules = folder.path / "user",
                        .system_configuration = folder.path / "system.conf",
                        .user_configuration = folder.path / "user.conf",
                        .module_folders = {folder.path / "lib" / "pkcs11", folder.path / "lib"}};

  Registry read() const { return read_registry(places, "signetd"); }
  const RegisteredModule only() const {
    const Registry registry = read();
    REQUIRE(registry.modules.size() == 1);
    return registry.modules.front();
  }
};

}  // namespace

TEST_CASE("modules are found as p11-kit finds them") {
  const Files files;
  files.folder.write("package/opensc-pkcs11.module", "# a comment\n\nmodule: opensc-pkcs11.so\n");
  files.folder.write("package/softhsm2.module", "  module :\t/usr/lib/softhsm/libsofthsm2.so  \r\n x-other: 1\npriority: 10\n");
  files.folder.write("package/p11-kit-trust.module", "module: /usr/lib/p11-kit-trust.so\ntrust-policy: yes\npriority: -1");
  files.folder.write("package/remote.module", "remote: |ssh host p11-kit remote");
  files.folder.write("package/gone.module", "module: not-there.so");
  files.folder.write("package/not a module.module", "module: /x.so");
  files.folder.write("package/other.conf", "module: /x.so");
  files.folder.write("lib/opensc-pkcs11.so", "");
  const Registry registry = files.read();
  CHECK(registry.problems.empty());
  REQUIRE(registry.modules.size() == 3);
  CHECK(registry.modules[0].name == "softhsm2");  // the highest priority
  CHECK(registry.modules[0].path == "/usr/lib/softhsm/libsofthsm2.so");
  CHECK(registry.modules[0].priority == 10);
  CHECK(registry.modules[1].name == "opensc-pkcs11");
  CHECK(registry.modules[1].path == files.folder.path / "lib" / "opensc-pkcs11.so");
  CHECK(registry.modules[1].enabled);
  CHECK_FALSE(registry.modules[1].trust);
  CHECK(registry.modules[2].trust);
}

TEST_CASE("enable-in and disable-in hold for this program") {
  const Files files;
  const auto enabled = [&](const std::string& line) {
    files.folder.write("package/m.module", "module: /m.so\n" + line);
    return files.only().enabled;
  };
  CHECK(enabled(""));
  CHECK(enabled("enable-in: firefox, signetd"));
  CHECK(enabled("enable-in: firefox signetd"));
  CHECK_FALSE(enabled("enable-in: firefox"));
  CHECK_FALSE(enabled("enable-in: signetd-other"));
  CHECK_FALSE(enabled("disable-in: signetd"));
  CHECK_FALSE(enabled("disable-in: firefox,signetd"));
  CHECK(enabled("disable-in: firefox"));
}

TEST_CASE("what the user says of a module comes before what the system says, and that before its package, key by key") {
  const Files files;
  files.folder.write("package/m.module", "module: /package.so\npriority: 1\nenable-in: other");
  files.folder.write("system/m.module", "module: /system.so\npriority: 2");
  files.folder.write("user/m.module", "priority: 3");
  const auto module = files.only();
  CHECK(module.path == "/system.so");
  CHECK(module.priority == 3);
  CHECK_FALSE(module.enabled);
  files.folder.write("user/m.module", "module:");  // so a user switches one off
  CHECK(files.read().modules.empty());
}

TEST_CASE("user-config says whether the user's files count") {
  const Files files;
  files.folder.write("system/s.module", "module: /s.so");
  files.folder.write("user/u.module", "module: /u.so");
  const auto names = [&](const char* system, const char* user) {
    files.folder.write("system.conf", system);
    files.folder.write("user.conf", user);
    std::string all;
    for (const auto& module : files.read().modules) all += module.name;
    return all;
  };
  CHECK(names("", "") == "su");
  CHECK(names("user-config: none", "user-config: only") == "s");
  CHECK(names("user-config: only", "") == "u");
  CHECK(names("user-config: merge", "user-config: only") == "u");
  CHECK(names("user-config: merge", "user-config: none") == "s");
  CHECK(names("user-config: maybe", "") == "su");
  REQUIRE(files.read().problems.size() == 1);
  CHECK(files.read().problems[0].detail.contains("user-config must be none, merge or only"));
}

TEST_CASE("files that are no module's configuration are left out, and told with line and reason") {
  const Files files;
  files.folder.write("package/a.module", "module: /a.so");
  files.folder.write("package/b.module", "module: /b.so\nno colon");
  files.folder.write("package/c.module", std::string("module: /c\0.so", 13));
  files.folder.write("package/d.module", "module: /" + std::string(5000, 'd'));
  files.folder.write("package/e.module", std::string(70'000, '\n'));
  files.folder.write("package/f.module", std::string(300, '\n') + "module: /f.so");
  files.folder.write("package/g.module", "[section]");
  const Registry registry = files.read();
  REQUIRE(registry.modules.size() == 1);
  CHECK(registry.modules[0].name == "a");
  REQUIRE(registry.problems.size() == 6);
  CHECK(registry.problems[0].detail ==
        (files.places.package_modules / "b.module").string() + ", line 2: must be a name, a colon and a value");
  CHECK(registry.problems[1].detail.contains("c.module, line 1: is no text of at most 4096 bytes"));
  CHECK(registry.problems[2].detail.contains("d.module, line 1: is no text of at most 4096 bytes"));
  CHECK(registry.problems[4].detail.contains("f.module, line 257: has more lines than 256"));
  CHECK(registry.problems[5].detail.contains("g.module, line 1"));
}

TEST_CASE("this machine's registry names the modules that its packages brought") {
  const Registry registry = read_registry(RegistryPlaces::of("/nonexistent"), "signetd");
  for (const auto& problem : registry.problems) FAIL_CHECK(problem.detail);
  for (const auto& module : registry.modules) CHECK(module.path.is_absolute());
}
