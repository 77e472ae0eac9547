#include "fake_token.h"

// The third signature finds the card pulled.
static CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature,
                  CK_ULONG* signature_size) {
  static int signatures;
  if (++signatures == 3) return CKR_DEVICE_REMOVED;
  return fake_functions.C_Sign(session, data, size, signature, signature_size);
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Sign = sign; }
