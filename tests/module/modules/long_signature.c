#include "fake_token.h"

static CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature,
                  CK_ULONG* signature_size) {
  (void)session;
  (void)data;
  (void)size;
  (void)signature;
  *signature_size = (CK_ULONG)1 << 40;
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Sign = sign; }
