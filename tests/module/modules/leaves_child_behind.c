#include <unistd.h>

#include "fake_token.h"

// A daemon that the vendor starts, holding whatever was open; then the host crashes.
static CK_RV initialize(void* arguments) {
  (void)arguments;
  if (fork() == 0) hang();
  return CKR_OK;
}
static CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature,
                  CK_ULONG* signature_size) {
  (void)session;
  (void)data;
  (void)size;
  (void)signature;
  (void)signature_size;
  crash();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_Initialize = initialize;
  list->C_Sign = sign;
}
