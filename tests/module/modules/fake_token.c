#include "fake_token.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned wrong_pins;
static int logged_in;
static CK_OBJECT_HANDLE found, signing_with;

void hang(void) {
  for (;;) pause();
}

void crash(void) {
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

// One line for each presentation of a PIN, for the tests to count.
static void note_presentation(CK_USER_TYPE user) {
  const char* path = getenv("FAKE_TOKEN_LOG");
  const int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (write(file, user == CKU_CONTEXT_SPECIFIC ? "context\n" : "user\n", user == CKU_CONTEXT_SPECIFIC ? 8 : 5) < 0) abort();
  close(file);
}

static void fill(unsigned char* field, size_t size, const char* text) {
  memset(field, ' ', size);
  memcpy(field, text, strlen(text));
}

static CK_RV initialize(void*) { return CKR_OK; }
static CK_RV finalize(void*) { return CKR_OK; }
static CK_RV get_info(CK_INFO* info) {
  memset(info, 0, sizeof *info);
  info->cryptokiVersion.major = 2;
  info->cryptokiVersion.minor = 40;
  fill(info->manufacturerID, sizeof info->manufacturerID, "Fakes");
  fill(info->libraryDescription, sizeof info->libraryDescription, "Fake");
  return CKR_OK;
}
static CK_RV get_slot_list(unsigned char, CK_SLOT_ID* slots, CK_ULONG* count) {
  if (slots != NULL && *count >= 1) slots[0] = 7;
  *count = 1;
  return CKR_OK;
}
static CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO* info) {
  if (slot != 7) return CKR_SLOT_ID_INVALID;
  memset(info, 0, sizeof *info);
  const char* const reader = getenv("FAKE_TOKEN_SLOT");
  fill(info->slotDescription, sizeof info->slotDescription, reader == NULL ? "Fake slot" : reader);
  fill(info->manufacturerID, sizeof info->manufacturerID, "Fakes");
  info->flags = CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE;
  return CKR_OK;
}
static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  if (slot != 7) return CKR_SLOT_ID_INVALID;
  memset(info, 0, sizeof *info);
  fill(info->label, sizeof info->label, "Fake token");
  fill(info->manufacturerID, sizeof info->manufacturerID, "Fakes");
  fill(info->model, sizeof info->model, "One");
  fill(info->serialNumber, sizeof info->serialNumber, "F-0001");
  info->flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
  if (wrong_pins > 0) info->flags |= CKF_USER_PIN_COUNT_LOW;
  if (wrong_pins == 2) info->flags |= CKF_USER_PIN_FINAL_TRY;
  if (wrong_pins >= 3) info->flags |= CKF_USER_PIN_LOCKED;
  info->ulMinPinLen = 4;
  info->ulMaxPinLen = 8;
  return CKR_OK;
}
static CK_RV get_mechanism_info(CK_SLOT_ID, CK_MECHANISM_TYPE, CK_MECHANISM_INFO*) { return CKR_MECHANISM_INVALID; }
static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  if (slot != 7) return CKR_SLOT_ID_INVALID;
  *session = 70;
  return CKR_OK;
}
static CK_RV close_session(CK_SESSION_HANDLE) { return CKR_OK; }
static CK_RV close_all_sessions(CK_SLOT_ID) {
  logged_in = 0;
  return CKR_OK;
}
static CK_RV get_session_info(CK_SESSION_HANDLE, CK_SESSION_INFO* info) {
  memset(info, 0, sizeof *info);
  info->slotID = 7;
  info->state = logged_in ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION;
  return CKR_OK;
}
static CK_RV login(CK_SESSION_HANDLE, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  if (user == CKU_USER && logged_in) return CKR_USER_ALREADY_LOGGED_IN;
  note_presentation(user);
  if (size < 4 || size > 8) return CKR_PIN_LEN_RANGE;
  if (wrong_pins >= 3) return CKR_PIN_LOCKED;
  if (size != strlen(FAKE_PIN) || memcmp(pin, FAKE_PIN, size) != 0) return ++wrong_pins >= 3 ? CKR_PIN_LOCKED : CKR_PIN_INCORRECT;
  wrong_pins = 0;
  if (user == CKU_USER) logged_in = 1;
  return CKR_OK;
}
static CK_RV logout(CK_SESSION_HANDLE) {
  if (!logged_in) return CKR_USER_NOT_LOGGED_IN;
  logged_in = 0;
  return CKR_OK;
}
static CK_RV find_objects_init(CK_SESSION_HANDLE, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  CK_OBJECT_CLASS class = 0;
  found = 0;
  for (CK_ULONG i = 0; i < count; ++i) {
    if (wanted[i].type == CKA_CLASS) memcpy(&class, wanted[i].pValue, sizeof class);
    if (wanted[i].type == CKA_ID && wanted[i].ulValueLen == 1) found = *(unsigned char*)wanted[i].pValue;
  }
  if (class != CKO_PRIVATE_KEY || found > 2 || !logged_in) found = 0;
  return CKR_OK;
}
static CK_RV find_objects(CK_SESSION_HANDLE, CK_OBJECT_HANDLE* objects, CK_ULONG max, CK_ULONG* count) {
  *count = found != 0 && max > 0 ? 1 : 0;
  if (*count == 1) objects[0] = found;
  found = 0;
  return CKR_OK;
}
static CK_RV find_objects_final(CK_SESSION_HANDLE) { return CKR_OK; }
static CK_RV answer(CK_ATTRIBUTE* attribute, const void* value, CK_ULONG size) {
  if (attribute->pValue == NULL) {
    attribute->ulValueLen = size;
    return CKR_OK;
  }
  if (attribute->ulValueLen < size) return CKR_BUFFER_TOO_SMALL;
  memcpy(attribute->pValue, value, size);
  attribute->ulValueLen = size;
  return CKR_OK;
}
static CK_RV get_attribute_value(CK_SESSION_HANDLE, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  const CK_KEY_TYPE type = CKK_RSA;
  const unsigned char always = object == 2;
  unsigned char modulus[256];
  memset(modulus, 0xC5, sizeof modulus);
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_RV rv = CKR_ATTRIBUTE_TYPE_INVALID;
    switch (attributes[i].type) {
      case CKA_KEY_TYPE:
        rv = answer(&attributes[i], &type, sizeof type);
        break;
      case CKA_ALWAYS_AUTHENTICATE:
        rv = answer(&attributes[i], &always, sizeof always);
        break;
      case CKA_MODULUS:
        rv = answer(&attributes[i], modulus, sizeof modulus);
        break;
      default:
        break;
    }
    if (rv != CKR_OK) return rv;
  }
  return CKR_OK;
}
static CK_RV sign_init(CK_SESSION_HANDLE, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  if (!logged_in) return CKR_USER_NOT_LOGGED_IN;
  if (mechanism->mechanism != CKM_RSA_PKCS) return CKR_MECHANISM_INVALID;
  signing_with = key;
  return CKR_OK;
}
static CK_RV sign(CK_SESSION_HANDLE, unsigned char*, CK_ULONG, unsigned char* signature, CK_ULONG* signature_size) {
  if (signing_with == 0) return CKR_OPERATION_NOT_INITIALIZED;
  signing_with = 0;
  memset(signature, 0x5A, 256);
  *signature_size = 256;
  return CKR_OK;
}
static CK_RV wait_for_slot_event(CK_FLAGS, CK_SLOT_ID*, void*) { return CKR_FUNCTION_NOT_SUPPORTED; }

const CK_FUNCTION_LIST fake_functions = {
    .version = {2, 40},
    .C_Initialize = initialize,
    .C_Finalize = finalize,
    .C_GetInfo = get_info,
    .C_GetSlotList = get_slot_list,
    .C_GetSlotInfo = get_slot_info,
    .C_GetTokenInfo = get_token_info,
    .C_GetMechanismInfo = get_mechanism_info,
    .C_OpenSession = open_session,
    .C_CloseSession = close_session,
    .C_CloseAllSessions = close_all_sessions,
    .C_GetSessionInfo = get_session_info,
    .C_Login = login,
    .C_Logout = logout,
    .C_FindObjectsInit = find_objects_init,
    .C_FindObjects = find_objects,
    .C_FindObjectsFinal = find_objects_final,
    .C_GetAttributeValue = get_attribute_value,
    .C_SignInit = sign_init,
    .C_Sign = sign,
    .C_WaitForSlotEvent = wait_for_slot_event,
};

__attribute__((weak)) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions;
  functions = fake_functions;
  functions.C_GetFunctionList = C_GetFunctionList;
  misbehave(&functions);
  *list = &functions;
  return CKR_OK;
}
