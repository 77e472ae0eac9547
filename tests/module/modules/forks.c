#include <unistd.h>

#include "fake_token.h"

// Both processes go on as if they were the host.
static CK_RV initialize(void*) { return fork() < 0 ? CKR_GENERAL_ERROR : CKR_OK; }

void misbehave(CK_FUNCTION_LIST* list) { list->C_Initialize = initialize; }
