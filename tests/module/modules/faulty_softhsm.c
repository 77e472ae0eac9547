// SoftHSM2, with one fault: the file `fault` beside this module says which one and at which call, as "crash 17". It is removed
// when the fault comes, so that the host which is started after it works. The token is that of `softhsm2.conf` beside it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

typedef enum { NONE, CRASH, EXIT, HANG, REMOVED, DEVICE_ERROR, GENERAL_ERROR, GARBAGE, RUBBISH } Fault;
static const char* const names[] = {"none",         "crash",         "exit",    "hang",   "removed",
                                    "device_error", "general_error", "garbage", "rubbish"};

static CK_FUNCTION_LIST* softhsm;
static char path[4096];
static Fault planned;
static unsigned at, calls;

// The fault of this call. Calls that have no rubbish to answer are not counted where rubbish is planned.
static Fault step(int has_rubbish) {
  if (planned == NONE || (planned == RUBBISH && !has_rubbish) || ++calls != at) return NONE;
  if (unlink(path) != 0) abort();
  const Fault now = planned;
  planned = NONE;
  return now;
}

static CK_RV act(Fault fault) {
  switch (fault) {
    case CRASH:
      signal(SIGSEGV, SIG_DFL);
      raise(SIGSEGV);
      break;
    case EXIT:
      exit(0);
    case HANG:
      for (;;) pause();
    case REMOVED:
      return CKR_DEVICE_REMOVED;
    case DEVICE_ERROR:
      return CKR_DEVICE_ERROR;
    case GARBAGE:
      return 0xDEADBEEF;
    default:
      break;
  }
  return CKR_GENERAL_ERROR;
}

#define FORWARD(name, parameters, arguments) \
  static CK_RV name##_ parameters {          \
    const Fault fault = step(0);             \
    return fault != NONE ? act(fault) : softhsm->name arguments; \
  }
#define FORWARD_OR_RUBBISH(name, parameters, arguments, rubbish) \
  static CK_RV name##_ parameters {                              \
    const Fault fault = step(1);                                 \
    if (fault == RUBBISH) {                                      \
      rubbish;                                                   \
      return CKR_OK;                                             \
    }                                                            \
    return fault != NONE ? act(fault) : softhsm->name arguments; \
  }

FORWARD(C_Initialize, (void* a), (a))
FORWARD(C_Finalize, (void* a), (a))
FORWARD(C_GetInfo, (CK_INFO * a), (a))
FORWARD_OR_RUBBISH(C_GetSlotList, (unsigned char a, CK_SLOT_ID* b, CK_ULONG* c), (a, b, c), *c = (CK_ULONG)1 << 61)
FORWARD_OR_RUBBISH(C_GetSlotInfo, (CK_SLOT_ID a, CK_SLOT_INFO* b), (a, b), memset(b, 0xFF, sizeof *b))
FORWARD_OR_RUBBISH(C_GetTokenInfo, (CK_SLOT_ID a, CK_TOKEN_INFO* b), (a, b), memset(b, 0xFF, sizeof *b))
FORWARD_OR_RUBBISH(C_GetMechanismInfo, (CK_SLOT_ID a, CK_MECHANISM_TYPE b, CK_MECHANISM_INFO* c), (a, b, c),
                   memset(c, 0xFF, sizeof *c))
FORWARD_OR_RUBBISH(C_OpenSession, (CK_SLOT_ID a, CK_FLAGS b, void* c, CK_NOTIFY d, CK_SESSION_HANDLE* e), (a, b, c, d, e),
                   *e = CK_INVALID_HANDLE)
FORWARD(C_CloseSession, (CK_SESSION_HANDLE a), (a))
FORWARD(C_CloseAllSessions, (CK_SLOT_ID a), (a))
FORWARD_OR_RUBBISH(C_GetSessionInfo, (CK_SESSION_HANDLE a, CK_SESSION_INFO* b), (a, b), memset(b, 0xFF, sizeof *b))
FORWARD(C_Login, (CK_SESSION_HANDLE a, CK_USER_TYPE b, unsigned char* c, CK_ULONG d), (a, b, c, d))
FORWARD(C_Logout, (CK_SESSION_HANDLE a), (a))
static void lie(CK_ATTRIBUTE* attributes, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; ++i) attributes[i].ulValueLen = (CK_ULONG)1 << 40;
}
FORWARD_OR_RUBBISH(C_GetAttributeValue, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b, CK_ATTRIBUTE* c, CK_ULONG d), (a, b, c, d),
                   lie(c, d))
FORWARD(C_FindObjectsInit, (CK_SESSION_HANDLE a, CK_ATTRIBUTE* b, CK_ULONG c), (a, b, c))
FORWARD_OR_RUBBISH(C_FindObjects, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE* b, CK_ULONG c, CK_ULONG* d), (a, b, c, d),
                   (void)(memset(b, 0xEE, c * sizeof *b), *d = (CK_ULONG)1 << 40))
FORWARD(C_FindObjectsFinal, (CK_SESSION_HANDLE a), (a))
FORWARD(C_SignInit, (CK_SESSION_HANDLE a, CK_MECHANISM* b, CK_OBJECT_HANDLE c), (a, b, c))
FORWARD_OR_RUBBISH(C_Sign, (CK_SESSION_HANDLE a, unsigned char* b, CK_ULONG c, unsigned char* d, CK_ULONG* e), (a, b, c, d, e),
                   *e = (CK_ULONG)1 << 40)

static void read_plan(void) {
  Dl_info self;
  char word[32] = "";
  if (dladdr((void*)read_plan, &self) == 0) abort();
  strncpy(path, self.dli_fname, sizeof path - 32);
  strcpy(strrchr(path, '/') + 1, "softhsm2.conf");
  if (setenv("SOFTHSM2_CONF", path, 1) != 0) abort();
  strcpy(strrchr(path, '/') + 1, "fault");
  FILE* const file = fopen(path, "re");
  if (file == NULL) return;
  if (fscanf(file, "%31s %u", word, &at) != 2) abort();
  fclose(file);
  for (Fault fault = NONE; fault <= RUBBISH; ++fault) {
    if (strcmp(word, names[fault]) == 0) planned = fault;
  }
  if (planned == NONE) abort();
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions;
  read_plan();
  void* const library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
  const CK_C_GetFunctionList get = library == NULL ? NULL : (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
  if (get == NULL || get(&softhsm) != CKR_OK) return CKR_GENERAL_ERROR;
  functions = *softhsm;
#define TAKE(name) functions.name = name##_
  TAKE(C_Initialize);
  TAKE(C_Finalize);
  TAKE(C_GetInfo);
  TAKE(C_GetSlotList);
  TAKE(C_GetSlotInfo);
  TAKE(C_GetTokenInfo);
  TAKE(C_GetMechanismInfo);
  TAKE(C_OpenSession);
  TAKE(C_CloseSession);
  TAKE(C_CloseAllSessions);
  TAKE(C_GetSessionInfo);
  TAKE(C_Login);
  TAKE(C_Logout);
  TAKE(C_GetAttributeValue);
  TAKE(C_FindObjectsInit);
  TAKE(C_FindObjects);
  TAKE(C_FindObjectsFinal);
  TAKE(C_SignInit);
  TAKE(C_Sign);
  *list = &functions;
  return CKR_OK;
}
