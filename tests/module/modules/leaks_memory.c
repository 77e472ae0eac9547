#include <stdlib.h>
#include <string.h>

#include "fake_token.h"

static void* volatile kept;

// Four megabytes with each look at the token.
static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const size_t size = (size_t)4 << 20;
  void* const leaked = malloc(size);
  if (leaked == NULL) return CKR_HOST_MEMORY;
  memset(leaked, 0xA5, size);
  kept = leaked;
  return fake_functions.C_GetTokenInfo(slot, info);
}

void misbehave(CK_FUNCTION_LIST* list) { list->C_GetTokenInfo = get_token_info; }
