#include "wire.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include "host/channel.hpp"
#include "property.hpp"

// What the token host and the agent write to each other. The first byte says which reader is fed; what is accepted has one form:
// written again it gives the same bytes.

using namespace signet;
using namespace signet::pkcs11;
using fuzz::hold;

namespace {

template <class Read, class Write>
void check(base::BytesView input, Read read, Write write) {
  wire::Reader reader(input);
  const auto value = read(reader);
  if (!reader.complete()) return;
  base::Bytes again;
  wire::Writer writer(again);
  write(writer, value);
  hold(std::ranges::equal(again, input));
}

void check_header(base::BytesView input) {
  wire::HeaderBytes bytes{};
  std::copy_n(input.begin(), std::min(input.size(), bytes.size()), bytes.begin());
  const auto header = wire::decode(bytes);
  if (!header) return;
  hold(header->payload_size <= wire::max_payload && header->pin_size <= base::Secret::capacity &&
       header->kind <= wire::last_kind);
  hold(wire::encode(*header) == bytes);
}

// Frames to the host until one is none.
void check_channel(base::BytesView input) {
  constexpr std::size_t most = 64 * 1024;  // less than a socket holds
  int ends[2];
  hold(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  input = input.first(std::min(input.size(), most));
  hold(send(ends[0], input.data(), input.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(input.size()));
  // The agent's end stays open, as a host stops reading when that is closed: what is not there yet is an end too.
  host::Channel channel(ends[1], base::Secret::make().value());
  std::size_t read = 0;
  while (const auto request = channel.next()) {
    read += wire::header_size + request->payload.size() + channel.pin().size();
    hold(read <= input.size());
  }
  close(ends[0]);
  close(ends[1]);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::BytesView input{data + 1, size - 1};
  switch (data[0] % 8) {
    case 0:
      check_header(input);
      break;
    case 1:
      check(input, [](auto& in) { return wire::read_error(in); }, [](auto& out, const auto& value) { write(out, value); });
      break;
    case 2:
      check(input, [](auto& in) { return wire::read_token(in); }, [](auto& out, const auto& value) { write(out, value); });
      break;
    case 3:
      check(input, [](auto& in) { return wire::read_signatures(in); }, [](auto& out, const auto& value) { write(out, value); });
      break;
    case 4:
      check(
          input,
          [](auto& in) {
            auto request = wire::read_sign_request(in);
            hold(request.digests.size() <= TokenHost::max_chunk);
            return request;
          },
          [](auto& out, const auto& value) { write(out, value); });
      break;
    case 5:
      // The first byte is how much came as PINs.
      if (input.empty()) break;
      check(
          input.subspan(1),
          [&](auto& in) {
            auto request = wire::read_pin_request(in, input.front());
            hold(!in.complete() || request.first_size <= input.front());
            return request;
          },
          [](auto& out, const auto& value) { write(out, value); });
      break;
    case 6:
      check(input, [](auto& in) { return wire::read_pin_target(in); }, [](auto& out, const auto& value) { write(out, value); });
      break;
    default:
      check_channel(input);
  }
  return 0;
}
