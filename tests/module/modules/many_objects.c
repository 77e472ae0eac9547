#include "fake_token.h"

// Found more than it was given room for.
static CK_RV find_objects(CK_SESSION_HANDLE, CK_OBJECT_HANDLE*, CK_ULONG, CK_ULONG* count) {
  *count = (CK_ULONG)1 << 40;
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_FindObjects = find_objects; }
