// A PKCS#11 module with one slot, one token and two RSA keys (CKA_ID 1; CKA_ID 2 is always-authenticate) that signs nothing:
// its signatures are 256 bytes of 0x5A. Each file beside this one is a module that differs from it by one fault.
#pragma once

#include <p11-kit/pkcs11.h>

#define FAKE_PIN "1234"  // three tries

// Defined by each module: puts its fault into the list. Nothing for a good one.
void misbehave(CK_FUNCTION_LIST* list);

// The good functions, for faults that begin late.
extern const CK_FUNCTION_LIST fake_functions;

// Forever: the process must be killed.
void hang(void);
void crash(void);
