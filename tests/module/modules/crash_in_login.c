#include "fake_token.h"

static CK_RV login(CK_SESSION_HANDLE, CK_USER_TYPE, unsigned char*, CK_ULONG) {
  crash();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Login = login; }
