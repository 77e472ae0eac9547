#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "drivers/catalogue.hpp"
#include "pkcs11/modules.hpp"
#include "service/time_stamps.hpp"
#include "signing/pin_cache.hpp"

namespace signet::agent {

// The configuration of signetd, docs/configuration.md describes every key. Paths are absolute after reading.
struct Configuration {
  std::string language;  // "ro", "ru", "en"; empty: as the environment says

  std::vector<pkcs11::ModuleOptions> modules;
  std::vector<std::vector<std::string>> module_families;  // of each of these: for which devices it is; none: as the catalogue says

  struct Devices {
    bool automatic = true;                               // modules of what is plugged in are found and loaded
    std::vector<std::filesystem::path> catalogue;        // folders with further families
    std::vector<std::filesystem::path> module_folders{"/usr", "/opt"};  // where modules may be
    std::vector<drivers::Family> families;
  } devices;

  service::TimeStamping time_stamping;

  // Whom `signet verify` and `signet extend` trust.
  struct Verification {
    std::filesystem::path trust;  // a folder, or a file; empty: none
    struct TrustedList {
      std::string place;              // a file or an address
      std::filesystem::path signers;  // certificates of which one must have signed it
    };
    std::vector<TrustedList> trusted_lists;
  } verification;

  struct Web {
    std::vector<std::string> origins;  // exact; no pattern
    std::vector<std::uint16_t> ports{18580, 18581, 18582, 18583, 18584};
    std::chrono::seconds wait_for_page{10};
  } web;

  std::vector<std::string> client_users;  // names or numbers; empty: the agent's own user

  signing::PinPolicy pin_cache;
  signing::OnLock on_lock = signing::OnLock::pause;  // pin_cache.on_lock

  struct Dialog {
    std::string pinentry = "pinentry";  // a program on PATH, or an absolute path
    std::chrono::seconds timeout{120};
  } dialog;

  std::filesystem::path journal;         // empty: journal in the state folder
  std::filesystem::path control_socket;  // empty: signet/control.sock in XDG_RUNTIME_DIR
  std::string log_level = "info";
};

// Where signetd looks when no file is named: $XDG_CONFIG_HOME/signet/signet.toml, then /etc/signet/signet.toml.
std::vector<std::filesystem::path> configuration_places();

// configuration_invalid names the file, the line and what is wrong; unknown keys are wrong.
base::Result<Configuration> read_configuration(const std::filesystem::path& file);
base::Result<Configuration> parse_configuration(std::string_view toml, const std::string& file_name);

// $XDG_STATE_HOME/signet or ~/.local/state/signet; $XDG_CACHE_HOME/signet or ~/.cache/signet; $XDG_RUNTIME_DIR/signet or a folder
// below the state folder.
std::filesystem::path state_folder();
std::filesystem::path cache_folder();
std::filesystem::path runtime_folder();

}  // namespace signet::agent
