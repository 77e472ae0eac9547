#include "fake_token.h"

static CK_RV get_slot_list(unsigned char, CK_SLOT_ID*, CK_ULONG*) {
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_GetSlotList = get_slot_list; }
