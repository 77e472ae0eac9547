#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_token.h"

// A module that has all three functions that set a PIN, and writes down which was called and in what state.
static CK_ULONG user = ~0UL;

static void note(const char* line) {
  const char* path = getenv("FAKE_TOKEN_LOG");
  const int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (write(file, line, strlen(line)) < 0) abort();
  close(file);
}
static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE who, unsigned char* pin, CK_ULONG size) {
  if (who == CKU_SO) {
    note("so\n");
    if (memchr(pin, 'x', size) != NULL) return CKR_PIN_INVALID;
    if (size != 6 || memcmp(pin, "so-pin", 6) != 0) return CKR_PIN_INCORRECT;
    user = CKU_SO;
    return CKR_OK;
  }
  const CK_RV rv = fake_functions.C_Login(session, who, pin, size);
  if (rv == CKR_OK) user = who;
  return rv;
}
static CK_RV logout(CK_SESSION_HANDLE session) {
  user = ~0UL;
  return fake_functions.C_Logout(session);
}
static CK_RV set_pin(CK_SESSION_HANDLE, unsigned char* old, CK_ULONG old_size, unsigned char* pin, CK_ULONG size) {
  note(user == CKU_USER ? "set-pin by user\n" : "set-pin by nobody\n");
  if (pin == NULL) return CKR_ARGUMENTS_BAD;
  if (memchr(pin, 'x', size) != NULL) return CKR_PIN_INVALID;
  if (user == CKU_USER) return CKR_OK;
  return old_size == 3 && memcmp(old, "puk", 3) == 0 ? CKR_OK : old_size == 4 ? CKR_PIN_LOCKED : CKR_PIN_INCORRECT;
}
static CK_RV init_pin(CK_SESSION_HANDLE, unsigned char* pin, CK_ULONG size) {
  note(user == CKU_SO ? "init-pin by so\n" : "init-pin by another\n");
  return memchr(pin, 'x', size) != NULL ? CKR_PIN_INVALID : CKR_OK;
}
static CK_RV init_token(CK_SLOT_ID, unsigned char*, CK_ULONG, unsigned char*) {
  note("init-token\n");
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_Login = login;
  list->C_Logout = logout;
  list->C_SetPIN = set_pin;
  list->C_InitPIN = init_pin;
  list->C_InitToken = init_token;
}
