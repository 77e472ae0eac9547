// signet-token-host [--unblocks-pins] MODULE: holds one PKCS#11 module for signetd, which starts it with a socket as
// descriptor 3.
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "host/events.hpp"
#include "host/opensc.hpp"
#include "host/server.hpp"

namespace {

using namespace signet;
using namespace signet::pkcs11;

constexpr int agent_descriptor = 3;

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
  const bool unblocks_pins = argc == 3 && std::string_view(argv[1]) == "--unblocks-pins";
  if ((argc != 2 && !unblocks_pins) || !is_socket(agent_descriptor)) {
    std::fputs("signet-token-host is started by signetd, with its socket as descriptor 3\n", stderr);
    return 2;
  }
  if (!close_doors()) return 1;

  auto pin = base::Secret::make();
  // Both live as long as the process: the event thread uses them until _exit.
  auto* const channel = pin ? new host::Channel(agent_descriptor, std::move(*pin)) : nullptr;
  if (channel == nullptr) return 1;
  if (unblocks_pins && !host::let_opensc_unblock()) return 1;
  auto module = host::Module::load(argv[argc - 1]);

  base::Bytes payload;
  wire::Writer writer(payload);
  write(writer, module ? std::nullopt : std::optional(module.error()));
  if (!channel->send({.kind = wire::Kind::load, .host_ends = !module}, payload) || !module) _exit(1);
  host::watch_slots((*module)->functions(), *channel);
  host::serve(**module, *channel, unblocks_pins ? HostPurpose::unblocks_pins : HostPurpose::serves);
  // Only C_Finalize makes some modules let go of the card, and with it of its login (OpenSC with disconnect_action = reset). It
  // is vendor code and may hang: the agent ends us for good after a moment. No exit handlers for the same reason.
  (*module)->functions().C_Finalize(nullptr);
  _exit(0);
}
