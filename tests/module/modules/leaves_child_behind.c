#include <unistd.h>

#include "fake_token.h"

// A daemon that the vendor starts, holding whatever was open; then the host crashes.
static CK_RV initialize(void*) {
  if (fork() == 0) hang();
  return CKR_OK;
}
static CK_RV sign(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG*) {
  crash();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_Initialize = initialize;
  list->C_Sign = sign;
}
