#pragma once

#include <mutex>
#include <optional>

#include "wire.hpp"

namespace signet::pkcs11::host {

struct Request {
  wire::Header header;
  base::Bytes payload;
};

// The host's end of the socket. `next` is for the owner thread; `send` may be called by any.
class Channel {
 public:
  Channel(int descriptor, base::Secret pin) : descriptor_(descriptor), pin_(std::move(pin)) {}

  // The next request, its PIN being in `pin()`; nothing when the agent has gone, wants an end, or wrote what is no frame.
  std::optional<Request> next();
  base::BytesView pin() const { return pin_.bytes(); }
  void wipe_pin() { pin_.wipe(); }

  // False if the agent has gone.
  bool send(wire::Header header, base::BytesView payload);
  // The agent closed its sending side: it waits for a logout and an end, not for further results.
  bool agent_hung_up() const;

 private:
  bool read_exactly(std::span<std::uint8_t> out) const;

  int descriptor_;
  base::Secret pin_;
  std::mutex sending_;
};

}  // namespace signet::pkcs11::host
