#include "fake_token.h"

static CK_RV get_slot_list(unsigned char token_present, CK_SLOT_ID* slots, CK_ULONG* count) {
  (void)token_present;
  (void)slots;
  *count = (CK_ULONG)1 << 61;
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_GetSlotList = get_slot_list; }
