#include "host/events.hpp"

#include <chrono>
#include <thread>

#include "host/calls.hpp"

namespace signet::pkcs11::host {
namespace {

using Clock = std::chrono::steady_clock;

// More than a person with a reader can do: the module answers without waiting.
constexpr unsigned max_events = 100;
constexpr auto events_period = std::chrono::seconds(10);

void write_events(CK_FUNCTION_LIST& p11, Channel& channel) {
  unsigned events = 0;
  Clock::time_point period = Clock::now();
  for (;;) {
    CK_SLOT_ID slot = 0;
    if (p11.C_WaitForSlotEvent(0, &slot, nullptr) != CKR_OK) return;
    if (Clock::now() - period > events_period) {
      period = Clock::now();
      events = 0;
    }
    if (++events > max_events) return;
    CK_SLOT_INFO info{};
    const bool present = p11.C_GetSlotInfo(slot, &info) == CKR_OK && (info.flags & CKF_TOKEN_PRESENT) != 0;
    base::Bytes payload;
    wire::Writer writer(payload);
    writer.integer(static_cast<std::uint64_t>(slot));
    writer.integer(static_cast<std::uint8_t>(present ? 1 : 0));
    if (!channel.send({.kind = wire::Kind::slot_event}, payload)) return;
  }
}

}  // namespace

void watch_slots(CK_FUNCTION_LIST& p11, Channel& channel) {
  std::thread([&p11, &channel] {
    note_as_events();
    if (p11.C_WaitForSlotEvent != nullptr) write_events(p11, channel);
    channel.send({.kind = wire::Kind::events_ended}, {});
  }).detach();
}

}  // namespace signet::pkcs11::host
