// signet-token-host [--unblocks-pins] [--network] [--descriptors N] [--memory-mb N] MODULE: holds one PKCS#11 module for signetd,
// which starts it with a socket as descriptor 3 and a page of memory as descriptor 4 (call_page.hpp). signet-token-host
// --card-held [SLOT...]: loads nothing, asks PC/SC whether another program holds a card, and ends with exit_card_held.
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <span>

#include "host/calls.hpp"
#include "host/opensc.hpp"
#include "host/readers.hpp"
#include "host/sandbox.hpp"
#include "host/server.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// At exit LeakSanitizer would look into its own process by ptrace, which the sandbox refuses. The host itself leaves by _exit and
// is never looked into: this is for a module that calls exit.
extern "C" int __lsan_is_turned_off() { return 1; }
#endif
#endif

namespace {

using namespace signet;
using namespace signet::pkcs11;

constexpr int agent_descriptor = host_socket;

struct Settings {
  std::string module;
  host::Network network = host::Network::refused;
  host::WearLimits wear;
  HostPurpose purpose = HostPurpose::serves;
};

// Nothing if these are not the words that signetd says.
std::optional<Settings> settings_of(std::span<char*> words) {
  Settings settings;
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--network") {
      settings.network = host::Network::allowed;
    } else if (word == "--unblocks-pins") {
      settings.purpose = HostPurpose::unblocks_pins;
    } else if ((word == "--descriptors" || word == "--memory-mb") && i + 2 < words.size()) {
      const std::string_view value = words[++i];
      std::size_t& number = word == "--descriptors" ? settings.wear.descriptors : settings.wear.memory_mb;
      if (std::from_chars(value.data(), value.data() + value.size(), number).ec != std::errc{}) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  if (words.size() > 1) settings.module = words.back();
  return settings.module.empty() ? std::nullopt : std::optional(settings);
}

// What the module inherits: nothing to write on but stderr, nothing of the agent's, no core dump, and an end with the agent.
bool close_doors() {
  const rlimit no_core{0, 0};
  // RDWR: reading gives an end of file, which is what a forked child needs in place of the socket.
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  return null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
         close_range(agent_descriptor + 1, ~0U, 0) == 0 && fcntl(agent_descriptor, F_SETFD, FD_CLOEXEC) == 0 &&
         setrlimit(RLIMIT_CORE, &no_core) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
         prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
         // A module that forks must not leave a second process reading requests, PINs among them.
         pthread_atfork(nullptr, nullptr, [] { dup2(STDIN_FILENO, agent_descriptor); }) == 0;
}

bool is_socket(int descriptor) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> words(argv, static_cast<std::size_t>(argc));
  if (words.size() > 1 && std::string_view(words[1]) == "--card-held")
    return host::card_is_held(words.subspan(2)) ? exit_card_held : 0;
  const auto settings = settings_of(words);
  if (!settings || !is_socket(agent_descriptor) || !host::map_call_page(host_call_page)) {
    std::fputs("signet-token-host is started by signetd, with its socket as descriptor 3\n", stderr);
    return 2;
  }
  if (!close_doors() || !host::bound_descriptors(settings->wear)) return 1;

  auto pin = base::Secret::make();
  // Both live as long as the process: the event thread uses them until _exit.
  auto* const channel = pin ? new host::Channel(agent_descriptor, std::move(*pin)) : nullptr;
  if (channel == nullptr) return 1;
  if (settings->purpose == HostPurpose::unblocks_pins && !host::let_opensc_unblock()) return 1;
  if (!host::restrict_calls(settings->network)) {
    std::fputs("signet-token-host: the kernel has no seccomp filters: no module is loaded without\n", stderr);
    return 1;
  }
  auto module = host::Module::load(settings->module);

  base::Bytes payload;
  wire::Writer writer(payload);
  write(writer, module ? std::nullopt : std::optional(module.error()));
  if (!channel->send({.kind = wire::Kind::load, .host_ends = !module}, payload) || !module) _exit(1);
  const auto logged_in = host::serve(**module, *channel, settings->wear, settings->purpose);
  // Only C_Finalize makes some modules let go of the card, and with it of its login (OpenSC with disconnect_action = reset). It
  // is vendor code and may hang: the agent ends us for good after a moment. No exit handlers for the same reason.
  (*module)->functions().C_Finalize(nullptr);
  if ((*module)->leaves_card_logged_in()) {
    for (const std::string& reader : logged_in) host::reset_unless_shared(reader);
  }
  _exit(0);
}
