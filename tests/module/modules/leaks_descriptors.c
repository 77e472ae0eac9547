#include <unistd.h>

#include "fake_token.h"

// Two with each signature; when there are none left it fails as a device does.
static CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature,
                  CK_ULONG* signature_size) {
  if (dup(0) < 0 || dup(0) < 0) return CKR_DEVICE_ERROR;
  usleep(2000);  // as fast as a token may be: its host looks every 20 ms, and has as many more until there are none
  return fake_functions.C_Sign(session, data, size, signature, signature_size);
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  if (dup(0) < 0) return CKR_DEVICE_ERROR;
  return fake_functions.C_GetTokenInfo(slot, info);
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_Sign = sign;
  list->C_GetTokenInfo = get_token_info;
}
