#pragma once

namespace signet::pkcs11::host {

// What vendor code may ask of the kernel from here on, in this process and all that it starts: no new privileges, no sockets but
// AF_UNIX and AF_NETLINK (also AF_INET and AF_INET6 for a module that is allowed the network), no looking into other processes,
// no mounts, namespaces, modules or other doors that no token needs. What is refused answers EPERM, so that the module can say
// what it lacks. False if the kernel cannot do it: then nothing is loaded.
enum class Network : bool { refused, allowed };
bool restrict_calls(Network network);

}  // namespace signet::pkcs11::host
