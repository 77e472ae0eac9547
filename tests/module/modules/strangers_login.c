#include "fake_token.h"

// As middleware that shares logins between processes does: someone is logged in already, with a PIN that was not ours.
static int strangers = 1;

static CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
  const CK_RV rv = fake_functions.C_GetSessionInfo(session, info);
  if (strangers) info->state = CKS_RO_USER_FUNCTIONS;
  return rv;
}
static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  if (strangers) return CKR_USER_ALREADY_LOGGED_IN;
  return fake_functions.C_Login(session, user, pin, size);
}
static CK_RV logout(CK_SESSION_HANDLE session) {
  strangers = 0;
  return fake_functions.C_Logout(session);
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_GetSessionInfo = get_session_info;
  list->C_Login = login;
  list->C_Logout = logout;
}
