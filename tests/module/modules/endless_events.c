#include "fake_token.h"

static CK_RV wait_for_slot_event(CK_FLAGS, CK_SLOT_ID* slot, void*) {
  *slot = 7;
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_WaitForSlotEvent = wait_for_slot_event; }
