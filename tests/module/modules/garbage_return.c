#include "fake_token.h"

static CK_RV sign(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG*) { return 0xDEADBEEF; }

void misbehave(CK_FUNCTION_LIST* list) { list->C_Sign = sign; }
