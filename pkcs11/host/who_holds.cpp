#include "host/who_holds.hpp"

#include <unistd.h>
#include <winscard.h>

#include <algorithm>
#include <string>
#include <vector>

namespace signet::pkcs11::host {
namespace {

// A module cuts the reader's name to what a slot's description holds, and may leave out the end.
bool names_reader(std::string_view slot, std::string_view reader) {
  constexpr std::size_t long_enough = 8;
  return slot == reader || (slot.size() > long_enough && reader.starts_with(slot));
}

}  // namespace

bool card_is_held(std::span<const char* const> slots) {
  alarm(1);
  SCARDCONTEXT context = 0;
  if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, nullptr, nullptr, &context) != SCARD_S_SUCCESS) return false;
  DWORD size = 0;
  if (SCardListReaders(context, nullptr, nullptr, &size) != SCARD_S_SUCCESS) return false;
  std::string names(size, '\0');
  if (SCardListReaders(context, nullptr, names.data(), &size) != SCARD_S_SUCCESS) return false;
  names.resize(size);
  // Names one after another, each with its 0; an empty one is the last.
  std::vector<const char*> readers;
  for (std::size_t at = 0; at < names.size() && names[at] != '\0'; at += std::char_traits<char>::length(&names[at]) + 1)
    readers.push_back(&names[at]);
  const auto is_meant = [&](const char* reader) {
    return std::ranges::any_of(slots, [&](const char* slot) { return names_reader(slot, reader); });
  };
  // Some modules have names of their own for their slots.
  if (std::ranges::any_of(readers, is_meant)) std::erase_if(readers, [&](const char* reader) { return !is_meant(reader); });
  std::vector<const char*> shared;
  for (const char* const reader : readers) {
    SCARD_READERSTATE state{};
    state.szReader = reader;
    if (SCardGetStatusChange(context, 0, &state, 1) != SCARD_S_SUCCESS || (state.dwEventState & SCARD_STATE_PRESENT) == 0)
      continue;
    if ((state.dwEventState & SCARD_STATE_EXCLUSIVE) != 0) return true;
    if ((state.dwEventState & SCARD_STATE_INUSE) != 0) shared.push_back(reader);
  }
  alarm(0);
  for (const char* const reader : shared) {
    SCARDHANDLE card = 0;
    DWORD protocol = 0;
    // pcscd answers this when the transaction is over.
    const LONG answer =
        SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol);
    if (answer == SCARD_E_SHARING_VIOLATION) return true;
    if (answer == SCARD_S_SUCCESS) SCardDisconnect(card, SCARD_LEAVE_CARD);
  }
  return false;
}

}  // namespace signet::pkcs11::host
