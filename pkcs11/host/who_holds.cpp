#include "host/who_holds.hpp"

#include <winscard.h>

#include <string>
#include <vector>

namespace signet::pkcs11::host {

bool card_is_held() {
  SCARDCONTEXT context = 0;
  if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, nullptr, nullptr, &context) != SCARD_S_SUCCESS) return false;
  DWORD size = 0;
  if (SCardListReaders(context, nullptr, nullptr, &size) != SCARD_S_SUCCESS) return false;
  std::string names(size, '\0');
  if (SCardListReaders(context, nullptr, names.data(), &size) != SCARD_S_SUCCESS) return false;
  names.resize(size);
  std::vector<std::string> shared;
  // Names one after another, each with its 0; an empty one is the last.
  for (std::size_t at = 0; at < names.size() && names[at] != '\0'; at += std::char_traits<char>::length(&names[at]) + 1) {
    SCARD_READERSTATE state{};
    state.szReader = &names[at];
    if (SCardGetStatusChange(context, 0, &state, 1) != SCARD_S_SUCCESS || (state.dwEventState & SCARD_STATE_PRESENT) == 0)
      continue;
    if ((state.dwEventState & SCARD_STATE_EXCLUSIVE) != 0) return true;
    if ((state.dwEventState & SCARD_STATE_INUSE) != 0) shared.emplace_back(state.szReader);
  }
  for (const std::string& reader : shared) {
    SCARDHANDLE card = 0;
    DWORD protocol = 0;
    // pcscd answers this when the transaction is over.
    const LONG answer =
        SCardConnect(context, reader.c_str(), SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol);
    if (answer == SCARD_E_SHARING_VIOLATION) return true;
    if (answer == SCARD_S_SUCCESS) SCardDisconnect(card, SCARD_LEAVE_CARD);
  }
  return false;
}

}  // namespace signet::pkcs11::host
