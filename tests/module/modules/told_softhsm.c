// SoftHSM2 whose token says of itself what the file TOLD_TOKEN says at that moment, a word and its value a line:
//   flags 40000      in CK_TOKEN_INFO, added to its own (hexadecimal); with the protected authentication path a login without a PIN
//                    is one at the reader, where the right one is typed
//   serial 0123      in place of its own
//   absent 1         no token is there, though what is open goes on
//   login_ms 500     C_Login takes so long
// Each presentation of a PIN is a line of FAKE_TOKEN_LOG: "user", "so" or "pad".
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

static CK_FUNCTION_LIST* softhsm;

typedef struct {
  unsigned long flags;
  char serial[17];
  int absent;
  long login_ms;
} Told;

static Told told(void) {
  Told now = {};
  char word[16], value[17];
  const char* const path = getenv("TOLD_TOKEN");
  FILE* const file = path == NULL ? NULL : fopen(path, "re");
  if (file == NULL) return now;
  while (fscanf(file, "%15s %16s", word, value) == 2) {
    if (strcmp(word, "flags") == 0) now.flags = strtoul(value, NULL, 16);
    if (strcmp(word, "serial") == 0) strcpy(now.serial, value);
    if (strcmp(word, "absent") == 0) now.absent = 1;
    if (strcmp(word, "login_ms") == 0) now.login_ms = strtol(value, NULL, 10);
  }
  fclose(file);
  return now;
}

static void note(const char* line) {
  const char* path = getenv("FAKE_TOKEN_LOG");
  const int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (write(file, line, strlen(line)) < 0) abort();
  close(file);
}

static CK_RV get_slot_list(unsigned char with_token, CK_SLOT_ID* slots, CK_ULONG* count) {
  if (!with_token || !told().absent) return softhsm->C_GetSlotList(with_token, slots, count);
  *count = 0;
  return CKR_OK;
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const Told now = told();
  if (now.absent) return CKR_TOKEN_NOT_PRESENT;
  const CK_RV rv = softhsm->C_GetTokenInfo(slot, info);
  info->flags |= now.flags;
  if (now.serial[0] == '\0') return rv;
  memset(info->serialNumber, ' ', sizeof info->serialNumber);
  memcpy(info->serialNumber, now.serial, strlen(now.serial));
  return rv;
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  static unsigned char typed[] = "softhsm-pin-1234";
  const Told now = told();
  struct timespec left = {now.login_ms / 1000, now.login_ms % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
  const int at_pad = pin == NULL && (now.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
  note(at_pad ? "pad\n" : user == CKU_SO ? "so\n" : "user\n");
  return at_pad ? softhsm->C_Login(session, user, typed, sizeof typed - 1) : softhsm->C_Login(session, user, pin, size);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions;
  void* const library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
  const CK_C_GetFunctionList get = library == NULL ? NULL : (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
  if (get == NULL || get(&softhsm) != CKR_OK) return CKR_GENERAL_ERROR;
  functions = *softhsm;
  functions.C_GetSlotList = get_slot_list;
  functions.C_GetTokenInfo = get_token_info;
  functions.C_Login = login;
  *list = &functions;
  return CKR_OK;
}
