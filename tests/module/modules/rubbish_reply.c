#include <time.h>
#include <unistd.h>

#include "fake_token.h"

// Two signatures as slow as a card's, then memory gone wrong: what looks like the end of the host's answer, and is none. The
// host's frames are little-endian: size, request (the fourth: after loading, the login and the key), kind (signing), flags, PIN.
static CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature,
                  CK_ULONG* signature_size) {
  static const unsigned char rubbish[] = {3, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, 0xFF, 0xFF, 0xFF};
  static int signatures;
  const struct timespec card = {0, 300000000};
  nanosleep(&card, NULL);
  if (++signatures <= 2) return fake_functions.C_Sign(session, data, size, signature, signature_size);
  if (write(3, rubbish, sizeof rubbish) < 0) return CKR_GENERAL_ERROR;
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Sign = sign; }
