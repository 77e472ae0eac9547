#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_token.h"

// One card that has two PINs: a slot for each, with a label and a login of its own (OpenSC).
enum { FIRST = 7, SECOND = 8, SESSION_OF_SECOND = 80 };
static int in_second;

static void note(const char* line) {
  const char* path = getenv("FAKE_TOKEN_LOG");
  const int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (write(file, line, strlen(line)) < 0) abort();
  close(file);
}
static CK_RV get_slot_list(unsigned char, CK_SLOT_ID* slots, CK_ULONG* count) {
  if (slots != NULL && *count >= 2) {
    slots[0] = FIRST;
    slots[1] = SECOND;
  }
  *count = 2;
  return CKR_OK;
}
static CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO* info) {
  return fake_functions.C_GetSlotInfo(slot == SECOND ? FIRST : slot, info);
}
static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const CK_RV rv = fake_functions.C_GetTokenInfo(slot == SECOND ? FIRST : slot, info);
  const char* const label = slot == SECOND ? "Fake token (signature)" : "Fake token (card)";
  if (rv == CKR_OK) memcpy(info->label, label, strlen(label));
  return rv;
}
static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void* application, CK_NOTIFY notify, CK_SESSION_HANDLE* session) {
  if (slot != SECOND) return fake_functions.C_OpenSession(slot, flags, application, notify, session);
  *session = SESSION_OF_SECOND;
  return CKR_OK;
}
static CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
  const CK_RV rv = fake_functions.C_GetSessionInfo(session, info);
  if (session == SESSION_OF_SECOND) info->state = in_second ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION;
  return rv;
}
static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  note(session == SESSION_OF_SECOND ? "in 8\n" : "in 7\n");
  if (session != SESSION_OF_SECOND) return fake_functions.C_Login(session, user, pin, size);
  in_second = size == 4 && memcmp(pin, "5678", size) == 0;
  return in_second ? CKR_OK : CKR_PIN_INCORRECT;
}
static CK_RV logout(CK_SESSION_HANDLE session) {
  if (session != SESSION_OF_SECOND) {
    const CK_RV rv = fake_functions.C_Logout(session);
    if (rv == CKR_OK) note("out 7\n");
    return rv;
  }
  if (!in_second) return CKR_USER_NOT_LOGGED_IN;
  in_second = 0;
  note("out 8\n");
  return CKR_OK;
}
static CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  if (session != SESSION_OF_SECOND) return fake_functions.C_FindObjectsInit(session, wanted, count);
  return in_second ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}
static CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* objects, CK_ULONG max, CK_ULONG* count) {
  if (session != SESSION_OF_SECOND) return fake_functions.C_FindObjects(session, objects, max, count);
  *count = max > 0 ? 1 : 0;
  if (*count == 1) objects[0] = 1;
  return CKR_OK;
}

void misbehave(CK_FUNCTION_LIST* list) {
  list->C_GetSlotList = get_slot_list;
  list->C_GetSlotInfo = get_slot_info;
  list->C_GetTokenInfo = get_token_info;
  list->C_OpenSession = open_session;
  list->C_GetSessionInfo = get_session_info;
  list->C_Login = login;
  list->C_Logout = logout;
  list->C_FindObjectsInit = find_objects_init;
  list->C_FindObjects = find_objects;
}
