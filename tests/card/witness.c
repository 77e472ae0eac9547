// A PKCS#11 module that is another one, the file of WITNESS_OF, and a witness in the process that has loaded it: a socket in the
// folder WITNESS_FOLDER, named by the process id. Whoever connects is told what a raw C_Sign of that process gives just then, in a
// session of its own, with a private key that does not want the PIN each time. One line: the CK_RV as a hexadecimal number, or
// "nobody" where nobody is logged in and no private key was ever shown.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

static CK_FUNCTION_LIST* real;
static CK_OBJECT_HANDLE known_key;  // once shown, tried again after a logout has hidden it

// CKR_OK and no key where none is shown.
static CK_RV shown_key(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* key) {
  CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE wanted = {CKA_CLASS, &object_class, sizeof object_class};
  CK_RV rv = real->C_FindObjectsInit(session, &wanted, 1);
  if (rv != CKR_OK) return rv;
  CK_OBJECT_HANDLE keys[16];
  CK_ULONG count = 0;
  rv = real->C_FindObjects(session, keys, 16, &count);
  real->C_FindObjectsFinal(session);
  for (CK_ULONG i = 0; rv == CKR_OK && i < count && *key == CK_INVALID_HANDLE; ++i) {
    CK_BBOOL always = CK_FALSE;
    CK_ATTRIBUTE asked = {CKA_ALWAYS_AUTHENTICATE, &always, sizeof always};
    if (real->C_GetAttributeValue(session, keys[i], &asked, 1) != CKR_OK || always == CK_FALSE) *key = keys[i];
  }
  return rv;
}

static CK_RV raw_sign(CK_SESSION_HANDLE session, int* nobody) {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  CK_RV rv = shown_key(session, &key);
  if (rv != CKR_OK) return rv;
  if (key != CK_INVALID_HANDLE) known_key = key;
  CK_SESSION_INFO info;
  rv = real->C_GetSessionInfo(session, &info);
  if (rv != CKR_OK) return rv;
  *nobody = known_key == CK_INVALID_HANDLE && info.state == CKS_RO_PUBLIC_SESSION;
  if (*nobody) return CKR_OK;
  CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};
  rv = real->C_SignInit(session, &mechanism, known_key);
  if (rv != CKR_OK) return rv;
  unsigned char data[32] = {0}, signature[1024];
  CK_ULONG size = sizeof signature;
  return real->C_Sign(session, data, sizeof data, signature, &size);
}

static void testify(FILE* to) {
  CK_SLOT_ID slot;
  CK_ULONG count = 1;
  int nobody = 0;
  CK_RV rv = real->C_GetSlotList(CK_TRUE, &slot, &count);
  CK_SESSION_HANDLE session;
  if (rv == CKR_OK && count == 0) rv = CKR_TOKEN_NOT_PRESENT;
  if (rv == CKR_OK) rv = real->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
  if (rv == CKR_OK) {
    rv = raw_sign(session, &nobody);
    real->C_CloseSession(session);
  }
  if (nobody) {
    fputs("nobody\n", to);
  } else {
    fprintf(to, "%lx\n", (unsigned long)rv);
  }
}

static void* witness(void* listening) {
  for (;;) {
    const int connection = accept4((int)(long)listening, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0) return NULL;
    FILE* const to = fdopen(connection, "w");
    if (to == NULL) abort();
    testify(to);
    fclose(to);
  }
}

static CK_RV initialize(void* arguments) {
  const CK_RV rv = real->C_Initialize(arguments);
  if (rv != CKR_OK) return rv;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int size = snprintf(address.sun_path, sizeof address.sun_path, "%s/%d", getenv("WITNESS_FOLDER"), (int)getpid());
  const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  pthread_t thread;
  if (size >= (int)sizeof address.sun_path || listening < 0 || bind(listening, (struct sockaddr*)&address, sizeof address) != 0 ||
      listen(listening, 4) != 0 || pthread_create(&thread, NULL, witness, (void*)(long)listening) != 0)
    abort();
  pthread_detach(thread);
  return rv;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions;
  void* const library = dlopen(getenv("WITNESS_OF"), RTLD_NOW | RTLD_LOCAL);
  const CK_C_GetFunctionList get = library == NULL ? NULL : (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
  if (get == NULL || get(&real) != CKR_OK) return CKR_GENERAL_ERROR;
  functions = *real;
  functions.C_Initialize = initialize;
  *list = &functions;
  return CKR_OK;
}
