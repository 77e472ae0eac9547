#include "fake_token.h"

static CK_RV initialize(void*) {
  crash();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_Initialize = initialize; }
