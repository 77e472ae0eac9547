#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

// What a host tells without sending it: one page of memory that it writes and the agent reads, also after the host is dead or
// while it hangs. The agent maps it read-only and takes what stands there for no more than a number: the host runs vendor code.
namespace signet::pkcs11 {

// The functions that a host may be in, by number; 0 is none.
constexpr std::array<std::string_view, 32> call_names{
    "",
    "C_Initialize",
    "C_Finalize",
    "C_GetInfo",
    "C_GetSlotList",
    "C_GetSlotInfo",
    "C_GetTokenInfo",
    "C_GetMechanismList",
    "C_GetMechanismInfo",
    "C_InitPIN",
    "C_SetPIN",
    "C_OpenSession",
    "C_CloseSession",
    "C_CloseAllSessions",
    "C_GetSessionInfo",
    "C_Login",
    "C_Logout",
    "C_GetObjectSize",
    "C_GetAttributeValue",
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_FindObjectsFinal",
    "C_SignInit",
    "C_Sign",
    "C_SignUpdate",
    "C_SignFinal",
    "C_SeedRandom",
    "C_GenerateRandom",
    "C_GetFunctionStatus",
    "C_CancelFunction",
    "C_WaitForSlotEvent",
    "C_GetFunctionList",
};

consteval std::uint32_t call_number(std::string_view name) {
  const auto* const found = std::ranges::find(call_names, name);
  if (found == call_names.end()) throw "no such call";
  return static_cast<std::uint32_t>(found - call_names.begin());
}

// "" for none and for what is no number of ours.
inline std::string_view call_name(std::uint32_t number) { return number < call_names.size() ? call_names[number] : ""; }

// Why a host ends itself beside an ordinary error of its token.
enum class SelfEnd : std::uint32_t { none, rubbish, descriptors, memory };
constexpr std::uint32_t last_self_end = static_cast<std::uint32_t>(SelfEnd::memory);

struct CallPage {
  std::atomic<std::uint32_t> serving;  // the call of the thread that answers requests
  std::atomic<std::uint32_t> events;   // the call of the thread that waits for slot events
  std::atomic<std::uint32_t> self_end;
  std::atomic<std::uint32_t> presented;  // how often the module was given a PIN, or asked to have one typed on the reader
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
constexpr std::size_t call_page_size = 4096;

// The descriptors that a host is started with.
constexpr int host_socket = 3;
constexpr int host_call_page = 4;

// How `signet-token-host --card-held` ends where another program holds a card.
constexpr int exit_card_held = 10;

}  // namespace signet::pkcs11
