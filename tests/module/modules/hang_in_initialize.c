#include "fake_token.h"

static CK_RV initialize(void*) {
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Initialize = initialize; }
