#pragma once

#include "pkcs11/token_host.hpp"

namespace signet::pkcs11 {

struct ModuleOptions {
  std::string name;  // how people and the configuration call it
  std::string path;
  std::optional<UnblockWay> unblock = {};  // how its tokens' PINs are unblocked, where the configuration knows better
};

// A token, with the module that serves it.
struct TokenPlace {
  std::size_t module = 0;  // index into Modules::options()
  Token token;
};

struct ModuleState {
  std::string name;
  bool running = false;
  int process_id = 0;
  std::optional<base::Error> last_error;
  unsigned starts = 0;
};

// The configured modules and their hosts. A host is started when it is first needed, and again after it ended; starts happen
// one after another (two processes that initialise SoftHSM at once fail in one of six). One thread.
class Modules {
 public:
  Modules(boost::asio::any_io_executor executor, HostOptions host, std::vector<ModuleOptions> modules);
  ~Modules();
  Modules(const Modules&) = delete;  // owns processes
  Modules& operator=(const Modules&) = delete;

  const std::vector<ModuleOptions>& options() const;
  std::vector<ModuleState> states() const;

  // The running host of a module, started if need be.
  boost::asio::awaitable<base::Result<std::shared_ptr<TokenHost>>> host(std::size_t module);
  // All tokens of all modules, the same token (by serial and manufacturer) only once. A failing module is left out; states() says why.
  boost::asio::awaitable<std::vector<TokenPlace>> tokens();
  // A host that is the caller's alone, beside the module's ordinary one: it is in no list and is not ended with the others, so
  // that nothing cuts a PIN's change short, and nobody else's calls wait behind it.
  boost::asio::awaitable<base::Result<std::shared_ptr<TokenHost>>> start_apart(std::size_t module, HostPurpose purpose);
  // Ends the host of a module (after a PIN was wiped); the next call starts another.
  boost::asio::awaitable<void> end_host(std::size_t module);
  boost::asio::awaitable<void> end_all();

  // A token came or went, or a host ended: called with the module's index.
  void on_change(std::function<void(std::size_t)> callback);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace signet::pkcs11
