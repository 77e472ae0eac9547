#include "net/peer_user.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "net/descriptor.hpp"

namespace signet::net {
namespace {

using boost::asio::ip::address;

// A listener with both families shows IPv4 peers as ::ffff:a.b.c.d; the connection itself is IPv4.
address unmapped(const address& given) {
  if (given.is_v6() && given.to_v6().is_v4_mapped()) return make_address_v4(boost::asio::ip::v4_mapped, given.to_v6());
  return given;
}

void put(const address& from, __be32 (&to)[4]) {
  std::memset(to, 0, sizeof to);
  if (from.is_v4()) {
    const auto bytes = from.to_v4().to_bytes();
    std::memcpy(to, bytes.data(), bytes.size());
  } else {
    const auto bytes = from.to_v6().to_bytes();
    std::memcpy(to, bytes.data(), bytes.size());
  }
}

// The answer's family is the socket's own: an IPv6 socket connected to ::ffff:127.0.0.1 answers for an IPv4 connection.
address read(int family, const __be32 (&from)[4]) {
  if (family == AF_INET) {
    boost::asio::ip::address_v4::bytes_type bytes;
    std::memcpy(bytes.data(), from, bytes.size());
    return boost::asio::ip::address_v4(bytes);
  }
  boost::asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), from, bytes.size());
  return unmapped(boost::asio::ip::address_v6(bytes));
}

std::unexpected<base::Error> failed(const char* what) {
  const int error = errno;
  return base::failure(base::ErrorCode::network_failed, what, static_cast<std::uint64_t>(error));
}

}  // namespace

base::Result<uid_t> peer_user(const Endpoint& local, const Endpoint& remote) {
  const address here = unmapped(local.address);
  const address there = unmapped(remote.address);
  if (here.is_v4() != there.is_v4() || !there.is_loopback())
    return base::failure(base::ErrorCode::other_user, "not a loopback connection");

  const Descriptor netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!netlink) return failed("socket(NETLINK_SOCK_DIAG)");

  struct {
    nlmsghdr header;
    inet_diag_req_v2 body;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;  // no dump: exactly one connection
  request.body.sdiag_family = here.is_v4() ? AF_INET : AF_INET6;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = ~0U;
  request.body.id.idiag_sport = htons(remote.port);  // the peer's side: its port is the source
  request.body.id.idiag_dport = htons(local.port);
  put(there, request.body.id.idiag_src);
  put(here, request.body.id.idiag_dst);
  request.body.id.idiag_cookie[0] = request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (::send(netlink.number(), &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request))
    return failed("sock_diag request");

  alignas(nlmsghdr) char answer[4096];
  const ssize_t size = ::recv(netlink.number(), answer, sizeof answer, 0);  // the kernel answers within send
  if (size < 0) return failed("sock_diag answer");
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (!NLMSG_OK(header, static_cast<std::size_t>(size)))
    return base::failure(base::ErrorCode::network_failed, "sock_diag answer");
  if (header->nlmsg_type == NLMSG_ERROR) {
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr)))
      return base::failure(base::ErrorCode::network_failed, "sock_diag answer");
    const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
    const auto code = error == ENOENT ? base::ErrorCode::other_user : base::ErrorCode::network_failed;
    return base::failure(code, "the peer's socket is not found", static_cast<std::uint64_t>(error));
  }
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || header->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg)))
    return base::failure(base::ErrorCode::network_failed, "sock_diag answer");

  // With no such connection the kernel falls back to a listener on the same port: compare all four, and the state.
  const auto& found = *static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  const bool same = found.id.idiag_sport == htons(remote.port) && found.id.idiag_dport == htons(local.port) &&
                    read(found.idiag_family, found.id.idiag_src) == there && read(found.idiag_family, found.id.idiag_dst) == here;
  if (!same || found.idiag_state == TCP_LISTEN || found.idiag_inode == 0)
    return base::failure(base::ErrorCode::other_user, "nobody holds the peer's socket any more");
  return found.idiag_uid;
}

}  // namespace signet::net
