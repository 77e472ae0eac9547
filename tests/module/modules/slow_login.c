#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fake_token.h"

// Takes FAKE_TOKEN_LOGIN_MS for a login, as a person at a PIN pad does, and tells when it is over (FAKE_TOKEN_LOG).
static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  const char* const text = getenv("FAKE_TOKEN_LOGIN_MS");
  const long ms = text == NULL ? 0 : strtol(text, NULL, 10);
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
  return pin == NULL ? fake_functions.C_Login(session, user, (unsigned char*)FAKE_PIN, sizeof FAKE_PIN - 1)
                     : fake_functions.C_Login(session, user, pin, size);
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const CK_RV rv = fake_functions.C_GetTokenInfo(slot, info);
  info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
  return rv;
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_Login = login;
  list->C_GetTokenInfo = get_token_info;
}
