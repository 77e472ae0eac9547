#include "fake_token.h"

static CK_RV login(CK_SESSION_HANDLE, CK_USER_TYPE, unsigned char*, CK_ULONG) {
  hang();
  return CKR_OK;
}

// So that a PIN's change comes as far.
static CK_RV set_pin(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG) { return CKR_OK; }

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_Login = login;
  list->C_SetPIN = set_pin;
}
