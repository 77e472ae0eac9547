#include <stdlib.h>

#include "fake_token.h"

static CK_RV initialize(void*) { exit(3); }

void misbehave(CK_FUNCTION_LIST* list) { list->C_Initialize = initialize; }
