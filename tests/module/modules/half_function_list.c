#include "fake_token.h"

void misbehave(CK_FUNCTION_LIST* list) { list->C_Sign = (CK_C_Sign)0; }
