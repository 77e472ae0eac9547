#include <string.h>

#include "fake_token.h"

// A module whose second key wants the PIN before each signature, and does not say so.
static int authenticated;
static CK_OBJECT_HANDLE key;

static CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  const CK_RV rv = fake_functions.C_GetAttributeValue(session, object, attributes, count);
  for (CK_ULONG i = 0; rv == CKR_OK && i < count; ++i) {
    if (attributes[i].type == CKA_ALWAYS_AUTHENTICATE && attributes[i].pValue != NULL)
      memset(attributes[i].pValue, 0, attributes[i].ulValueLen);
  }
  return rv;
}
static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE object) {
  authenticated = 0;
  key = object;
  return fake_functions.C_SignInit(session, mechanism, object);
}
static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  const CK_RV rv = fake_functions.C_Login(session, user, pin, size);
  if (rv == CKR_OK && user == CKU_CONTEXT_SPECIFIC) authenticated = 1;
  return rv;
}
static CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature, CK_ULONG* signature_size) {
  if (key == 2 && !authenticated) return CKR_USER_NOT_LOGGED_IN;
  return fake_functions.C_Sign(session, data, size, signature, signature_size);
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_GetAttributeValue = get_attribute_value;
  list->C_SignInit = sign_init;
  list->C_Login = login;
  list->C_Sign = sign;
}
