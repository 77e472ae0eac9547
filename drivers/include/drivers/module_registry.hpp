#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace signet::drivers {

// A module that p11-kit knows (pkcs11.conf(5)). p11-kit's own library tells the files of modules only after it has loaded them,
// and no module is ever loaded into this process: so its files are read here.
struct RegisteredModule {
  std::string name;  // of its file, without .module
  std::filesystem::path path;
  int priority = 0;     // the higher, the earlier
  bool enabled = true;  // for this program: enable-in, disable-in
  bool trust = false;   // trust-policy: it holds anchors, and no token
};

// Where p11-kit looks. A path that is empty is left out.
struct RegistryPlaces {
  std::filesystem::path package_modules = "/usr/share/p11-kit/modules";
  std::filesystem::path system_modules = "/etc/pkcs11/modules";
  std::filesystem::path user_modules;  // ~/.config/pkcs11/modules
  std::filesystem::path system_configuration = "/etc/pkcs11/pkcs11.conf";
  std::filesystem::path user_configuration;           // ~/.config/pkcs11/pkcs11.conf
  std::vector<std::filesystem::path> module_folders;  // in which a module without a folder is looked for

  // Those of this machine and of the user whose home this is.
  static RegistryPlaces of(const std::filesystem::path& home);
};

struct Registry {
  std::vector<RegisteredModule> modules;  // by priority, then by name
  std::vector<base::Error> problems;      // files that were left out: configuration_invalid with file, line and reason
};

// `program` is what enable-in and disable-in call it. User's files say more than the system's, and those more than packages',
// key by key, as far as user-config lets them.
Registry read_registry(const RegistryPlaces& places, std::string_view program);

}  // namespace signet::drivers
