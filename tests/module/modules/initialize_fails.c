#include "fake_token.h"

static CK_RV initialize(void*) { return CKR_GENERAL_ERROR; }

void misbehave(CK_FUNCTION_LIST* list) { list->C_Initialize = initialize; }
