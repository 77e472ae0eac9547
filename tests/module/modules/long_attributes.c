#include "fake_token.h"

// Lengths that no attribute has, and nothing written.
static CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  if (count == 1 && attributes->type == CKA_MODULUS) {
    attributes->ulValueLen = (CK_ULONG)1 << 40;
    return CKR_OK;
  }
  return fake_functions.C_GetAttributeValue(session, object, attributes, count);
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_GetAttributeValue = get_attribute_value; }
