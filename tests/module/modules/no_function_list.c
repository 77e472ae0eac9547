#include "fake_token.h"

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  *list = (CK_FUNCTION_LIST*)0;
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST*) {}
