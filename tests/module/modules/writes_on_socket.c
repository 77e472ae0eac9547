#include <string.h>
#include <unistd.h>

#include "fake_token.h"

// Memory gone wrong: what should be a frame begins with 0xFF bytes, a length of four gigabytes.
static CK_RV sign(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG*) {
  char rubbish[64];
  memset(rubbish, 0xFF, sizeof rubbish);
  if (write(3, rubbish, sizeof rubbish) < 0) return CKR_GENERAL_ERROR;
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Sign = sign; }
