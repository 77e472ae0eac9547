#include "fake_token.h"

// A list of the right version whose functions lie at no address.
void misbehave(CK_FUNCTION_LIST* list) { list->C_Initialize = (CK_C_Initialize)8; }
