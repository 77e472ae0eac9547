#include "fake_token.h"

// As OpenSC 0.23 after a card was pulled that its reader still reports.
static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  (void)slot;
  (void)info;
  hang();
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_GetTokenInfo = get_token_info; }
