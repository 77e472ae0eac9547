#include <string.h>

#include "fake_token.h"

// Looking for certificates never ends; looking for a private key does.
static CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  CK_OBJECT_CLASS class = 0;
  for (CK_ULONG i = 0; i < count; ++i) {
    if (wanted[i].type == CKA_CLASS) memcpy(&class, wanted[i].pValue, sizeof class);
    if (wanted[i].type == CKA_CLASS && class == CKO_CERTIFICATE) hang();
  }
  return fake_functions.C_FindObjectsInit(session, wanted, count);
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_FindObjectsInit = find_objects_init; }
