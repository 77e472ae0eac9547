#include "fake_token.h"

static CK_RV sign(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG*) {
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Sign = sign; }
