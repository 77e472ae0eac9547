#include <time.h>

#include "fake_token.h"

// As slow as a card: 300 ms for a PIN or a signature. The fourth signature never ends.
static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  const struct timespec card = {0, 300000000};
  nanosleep(&card, NULL);
  return fake_functions.C_Login(session, user, pin, size);
}

static CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature,
                  CK_ULONG* signature_size) {
  static int signatures;
  const struct timespec card = {0, 300000000};
  if (++signatures == 4) hang();
  nanosleep(&card, NULL);
  return fake_functions.C_Sign(session, data, size, signature, signature_size);
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_Login = login;
  list->C_Sign = sign;
}
