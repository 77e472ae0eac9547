#pragma once

#include "pkcs11/token_host.hpp"

namespace signet::pkcs11 {

struct ModuleOptions {
  std::string name;  // how people and the configuration call it
  std::string path;
  bool network = false;  // may open AF_INET and AF_INET6 sockets
  // In place of those of HostOptions.
  std::optional<std::chrono::milliseconds> load_timeout = {}, list_timeout = {}, login_timeout = {}, pin_pad_timeout = {},
                                           sign_timeout = {};
  std::optional<UnblockWay> unblock = {};  // how its tokens' PINs are unblocked: the configuration's word, before any other
  unsigned quirks = 0;                     // of two modules that show one token, that with fewer serves it; of equals the earlier
};

// When a module whose hosts end by faults (HostOptions::on_fault) is started again: at once after the first, then after a pause
// that doubles with each, and no more once there were too many within the period.
struct FaultPolicy {
  unsigned stopped_after = 5;
  std::chrono::milliseconds period{600'000};
  std::chrono::milliseconds first_pause{500};
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
  bool wanted = true;
  bool configured = true;  // given to the constructor, not added since
  unsigned starts = 0;
  unsigned faults = 0;   // within the policy's period
  bool stopped = false;  // by too many of them: last_error is the last; restart() lets it start again
  std::string in_call;   // the PKCS#11 function that its host is in, "" for none
};

// What who knows of devices adds; each may be empty.
struct ModuleHooks {
  // Looks at a module's file before it is loaded. What it answers is loaded, in place of the path that was asked for.
  std::function<base::Result<std::string>(const std::string& path)> vet = {};
  // Before tokens are listed, or the host of a module is refused: waits until what was plugged in just now has its module.
  std::function<boost::asio::awaitable<void>()> settled = {};
  // What is known of a token of this module besides what the module says (HostOptions::know_better).
  std::function<void(std::size_t module, Token&)> know_better = {};
  // Why there may be no token, where devices tell.
  std::function<std::optional<base::Error>()> why_none = {};
};

// The modules that are wanted now and their hosts. Indices stay what they are: a module that is no longer wanted keeps its place.
// A host is started when it is first needed, and again after it ended; starts happen one after another (two processes that
// initialise SoftHSM at once fail in one of six). One thread.
class Modules {
 public:
  Modules(boost::asio::any_io_executor executor, HostOptions host, std::vector<ModuleOptions> modules, FaultPolicy faults = {});
  ~Modules();
  Modules(const Modules&) = delete;  // owns processes
  Modules& operator=(const Modules&) = delete;

  // Before the first call.
  void hook(ModuleHooks hooks);
  // The index of the module with this path, added if there is none. An added one is wanted.
  std::size_t add(ModuleOptions options);
  // Whether tokens() asks this module: those of the constructor are wanted from the beginning. The host of one that is not wanted
  // any more goes on until end_host().
  void want(std::size_t module, bool wanted);

  const std::vector<ModuleOptions>& options() const;
  std::vector<ModuleState> states() const;

  // The running host of a module, started if need be, after the pause that its faults have earned it; module_failed while it is
  // stopped, token_removed if it is not wanted: its token is not plugged in.
  boost::asio::awaitable<base::Result<std::shared_ptr<TokenHost>>> host(std::size_t module);
  // The tokens of all modules that are wanted, each once: the same serial, manufacturer and label, or of two modules the same
  // certificate in the same slot or beside a serial that is the same or missing, is the same token. Slots of one module with labels
  // of their own are apart: some make one for each PIN of a card. A failing module is left out; states() says why.
  boost::asio::awaitable<std::vector<TokenPlace>> tokens();
  // The tokens that a module shows, from a host that is started for this and ended; nobody is logged in. Nothing else hears of
  // it.
  boost::asio::awaitable<base::Result<std::vector<Token>>> probe(ModuleOptions options);
  // Whether another program holds a card, so that modules do not see its token. Asked of PC/SC; takes up to a second and a half.
  boost::asio::awaitable<bool> card_held();
  // A host that is the caller's alone, beside the module's ordinary one: it is in no list and is not ended with the others, so
  // that nothing cuts a PIN's change short, and nobody else's calls wait behind it.
  boost::asio::awaitable<base::Result<std::shared_ptr<TokenHost>>> start_apart(std::size_t module, HostPurpose purpose);
  // Ends the host of a module (after a PIN was wiped); the next call starts another.
  boost::asio::awaitable<void> end_host(std::size_t module);
  boost::asio::awaitable<void> end_all();
  // Ends the host and forgets the module's faults, so that the next call starts it at once: when a person says so.
  boost::asio::awaitable<void> restart(std::size_t module);
  // A device was plugged in anew that the module serves: where its host is not running it may be started again, after the pause that
  // its last fault has earned it; so many times within the policy's period as there may be faults.
  void forgive(std::size_t module);

  // A token of this module was pulled out (TokenHost::token_pulled). Without others that remain it is a change: `pulled`.
  void token_pulled(std::size_t module, bool others_remain) const;
  // Something was plugged in or pulled out, and not a module said so: on_change for each whose host runs and cannot wait for
  // events.
  void look_again() const;

  // Devices' own answer to why tokens() is empty, if they have one.
  std::optional<base::Error> why_none() const;

  // Each callback is called with the module's index.
  enum class Change : std::uint8_t {
    token,   // one came or went, as its module says
    device,  // one may have come or gone (look_again)
    host_ended,
    pulled,  // all that it had have gone, by what is known of devices; the same may be back already
  };
  void on_change(std::function<void(std::size_t, Change)> callback);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace signet::pkcs11
