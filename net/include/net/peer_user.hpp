#pragma once

#include <sys/types.h>

#include "base/result.hpp"
#include "net/endpoint.hpp"

namespace signet::net {

// The user who holds the other end of an accepted loopback connection, by sock_diag(7) from that end's side (our own end
// would always say us). other_user if nobody holds it any more: a peer that sent and closed shows uid 0 and inode 0, and
// must not pass for root. About 10 µs, does not block. Any thread. network_failed if the kernel cannot be asked.
base::Result<uid_t> peer_user(const Endpoint& local, const Endpoint& remote);

}  // namespace signet::net
