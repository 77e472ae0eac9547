#include <stdio.h>

#include "fake_token.h"

static CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature,
                  CK_ULONG* signature_size) {
  printf("a vendor's debug line\n");
  fflush(stdout);
  return fake_functions.C_Sign(session, data, size, signature, signature_size);
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Sign = sign; }
