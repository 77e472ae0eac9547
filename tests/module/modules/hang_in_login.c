#include "fake_token.h"

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  (void)session;
  (void)user;
  (void)pin;
  (void)size;
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Login = login; }
