#include "fake_token.h"

static CK_RV initialize(void* arguments) {
  (void)arguments;
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Initialize = initialize; }
