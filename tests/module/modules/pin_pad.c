#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_token.h"

// A reader with a PIN pad: whoever passes a PIN has not understood.
static void note(const char* line) {
  const char* path = getenv("FAKE_TOKEN_LOG");
  const int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (write(file, line, strlen(line)) < 0) abort();
  close(file);
}
static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const CK_RV rv = fake_functions.C_GetTokenInfo(slot, info);
  info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
  return rv;
}
static CK_RV login(CK_SESSION_HANDLE, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  note(pin != NULL || size != 0 ? "a PIN\n" : user == CKU_SO ? "so at the pad\n" : "user at the pad\n");
  return CKR_OK;
}
static CK_RV set_pin(CK_SESSION_HANDLE, unsigned char* old, CK_ULONG old_size, unsigned char* pin, CK_ULONG size) {
  note(old != NULL || old_size != 0 || pin != NULL || size != 0 ? "a PIN\n" : "set-pin at the pad\n");
  return CKR_OK;
}
static CK_RV init_pin(CK_SESSION_HANDLE, unsigned char* pin, CK_ULONG size) {
  note(pin != NULL || size != 0 ? "a PIN\n" : "init-pin at the pad\n");
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_GetTokenInfo = get_token_info;
  list->C_Login = login;
  list->C_SetPIN = set_pin;
  list->C_InitPIN = init_pin;
}
