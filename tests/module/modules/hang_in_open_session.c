#include "fake_token.h"

static CK_RV open_session(CK_SLOT_ID, CK_FLAGS, void*, CK_NOTIFY, CK_SESSION_HANDLE*) {
  hang();
  return CKR_OK;
}

// So that a PIN's change comes as far.
static CK_RV set_pin(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG) { return CKR_OK; }

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_OpenSession = open_session;
  list->C_SetPIN = set_pin;
}
