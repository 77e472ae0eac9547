#include <stdlib.h>
#include <time.h>

#include "fake_token.h"

// Takes FAKE_TOKEN_SET_PIN_MS to write a PIN, and never comes back from C_Finalize.
static CK_RV set_pin(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG) {
  const char* const text = getenv("FAKE_TOKEN_SET_PIN_MS");
  const long ms = text == NULL ? 0 : strtol(text, NULL, 10);
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
  return CKR_OK;
}

static CK_RV finalize(void*) {
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_SetPIN = set_pin;
  list->C_Finalize = finalize;
}
