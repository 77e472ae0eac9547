#include "host/channel.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace signet::pkcs11::host {

bool Channel::read_exactly(std::span<std::uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t size = recv(descriptor_, out.data(), out.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(size));
  }
  return true;
}

std::optional<Request> Channel::next() {
  wire::HeaderBytes bytes{};
  if (!read_exactly(bytes)) return std::nullopt;
  const auto header = wire::decode(bytes);
  if (!header) return std::nullopt;
  // Straight into the locked page: no other memory of this program ever holds the PIN.
  if (!read_exactly(pin_.buffer().first(header->pin_size))) return std::nullopt;
  pin_.resize(header->pin_size);
  Request request{*header, base::Bytes(header->payload_size)};
  if (!read_exactly(request.payload) || agent_hung_up()) return std::nullopt;
  return request;
}

bool Channel::send(wire::Header header, base::BytesView payload) {
  header.payload_size = static_cast<std::uint32_t>(payload.size());
  wire::HeaderBytes bytes = wire::encode(header);
  std::array<iovec, 2> parts{iovec{bytes.data(), bytes.size()}, iovec{const_cast<std::uint8_t*>(payload.data()), payload.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const std::scoped_lock lock(sending_);
  while (message.msg_iovlen > 0) {
    const ssize_t sent = sendmsg(descriptor_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    auto left = static_cast<std::size_t>(sent);
    while (message.msg_iovlen > 0 && left >= message.msg_iov->iov_len) {
      left -= message.msg_iov->iov_len;
      ++message.msg_iov;
      --message.msg_iovlen;
    }
    if (message.msg_iovlen == 0) break;
    message.msg_iov->iov_base = static_cast<std::uint8_t*>(message.msg_iov->iov_base) + left;
    message.msg_iov->iov_len -= left;
  }
  return true;
}

bool Channel::agent_hung_up() const {
  pollfd wanted{descriptor_, POLLRDHUP, 0};
  return poll(&wanted, 1, 0) > 0;
}

}  // namespace signet::pkcs11::host
