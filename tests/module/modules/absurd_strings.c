#include <string.h>

#include "fake_token.h"

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const CK_RV rv = fake_functions.C_GetTokenInfo(slot, info);
  memset(info->label, 0xFF, sizeof info->label);
  memcpy(info->manufacturerID,
         "\x1b[2J\n\r\xe2\x80\xae\\\"<b>&\x01"
         "..................",
         sizeof info->manufacturerID);
  memset(info->model, 0, sizeof info->model);
  memset(info->serialNumber, 'x', sizeof info->serialNumber);
  info->ulMaxPinLen = (CK_ULONG)-1;
  return rv;
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_GetTokenInfo = get_token_info; }
