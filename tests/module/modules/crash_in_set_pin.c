#include "fake_token.h"

// After the old PIN was accepted: whether the new one was taken nobody can know.
static CK_RV set_pin(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG) {
  crash();
  return CKR_OK;
}
static CK_RV init_pin(CK_SESSION_HANDLE session, unsigned char* pin, CK_ULONG size) {
  return set_pin(session, pin, size, pin, size);
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_SetPIN = set_pin;
  list->C_InitPIN = init_pin;
}
