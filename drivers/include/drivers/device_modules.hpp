#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "drivers/choice.hpp"
#include "pkcs11/modules.hpp"

namespace signet::drivers {

// Whether a token is the card of this reader: modules of cards tell the reader's name as PC/SC does, as far as it fits.
bool in_reader(const pkcs11::Token& token, const Reader& reader);
struct DeviceModulesOptions {
  Configuration configuration;  // its modules stand first among those of pkcs11::Modules, in the same order
  std::vector<std::filesystem::path> catalogue_folders;  // later ones override
  std::vector<Family> families;                          // the configuration's own, which override those
  RegistryPlaces registry;
  std::string program = "signetd";   // what enable-in and disable-in of p11-kit call it
  std::filesystem::path remembered;  // file that keeps which module serves which unknown card
  bool automatic = true;             // false: nothing is watched, and only what is configured is loaded
};

// A device, and how it is served.
struct ServedDevice {
  Device device;
  Choice choice;
  std::optional<std::size_t> module;  // index into pkcs11::Modules; of choice.chosen()
  bool probing = false;               // the candidates are being tried
  bool fruitless = false;             // all were tried, and none shows a token there
};

// Keeps pkcs11::Modules in step with what is plugged in: a module is wanted while a device is there that it serves, or if the
// configuration names it, and its host is ended some time after its last device has gone. An unknown card is shown to each
// candidate in a host that is started for this and ended, without any login; what is found is remembered by the ATR. Whatever
// comes or goes is told to the modules whose own events cannot be waited for.
// One thread, that of the executor; `modules` must outlive it. What reads the disk runs on a thread of its own.
class DeviceModules {
 public:
  DeviceModules(boost::asio::any_io_executor executor, pkcs11::Modules& modules, DeviceModulesOptions options);
  ~DeviceModules();
  DeviceModules(const DeviceModules&) = delete;  // owns threads
  DeviceModules& operator=(const DeviceModules&) = delete;

  void start();
  // Returns when the threads have ended and no probe is under way.
  boost::asio::awaitable<void> stop();
  // Waits until what was plugged in when it was called has its module (a probe is not waited for), for two seconds at most.
  boost::asio::awaitable<void> settled();

  bool automatic() const;
  const std::vector<ServedDevice>& devices() const;
  const Catalogue& catalogue() const;
  // Why something may be missing: catalogue and registry files that were left out, and what cannot be watched.
  std::vector<base::Error> problems() const;
  // Why cards are not seen: pcscd cannot be asked. Its `origin` is PC/SC's code.
  std::optional<base::Error> pcsc_problem() const;
  // Puts in what the catalogue knows of this token of a module: by its device, else, for a module that the configuration names,
  // what all families say that have its file.
  void know_better(std::size_t module, pkcs11::Token& token) const;
  // What is plugged in, or what serves it, has changed.
  void on_change(std::function<void()> callback);

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace signet::drivers
