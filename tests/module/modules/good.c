#include "fake_token.h"

void misbehave(CK_FUNCTION_LIST*) {}
