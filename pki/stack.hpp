#pragma once

#include <openssl/x509.h>

#include <vector>

#include "base/owned.hpp"
#include "pki/certificate.hpp"

// OpenSSL's stacks. Private to pki/.
namespace signet::pki {

inline void free_stack(STACK_OF(X509) * stack) { sk_X509_free(stack); }
inline void free_stack_and_certificates(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }
inline void free_crl_stack(STACK_OF(X509_CRL) * stack) { sk_X509_CRL_free(stack); }
inline void free_stack_and_crls(STACK_OF(X509_CRL) * stack) { sk_X509_CRL_pop_free(stack, X509_CRL_free); }

// Of borrowed members: it must not outlive them.
using X509Stack = base::Owned<STACK_OF(X509), free_stack>;
using CrlStack = base::Owned<STACK_OF(X509_CRL), free_crl_stack>;
// Of members that are its own.
using OwningX509Stack = base::Owned<STACK_OF(X509), free_stack_and_certificates>;
using OwningCrlStack = base::Owned<STACK_OF(X509_CRL), free_stack_and_crls>;

inline X509Stack stack_of(const std::vector<Certificate>& certificates) {
  X509Stack stack{sk_X509_new_reserve(nullptr, static_cast<int>(certificates.size()))};
  for (const Certificate& certificate : certificates) sk_X509_push(stack.get(), certificate.native());
  return stack;
}

// Of members that live as long as any who has them; null if there are none.
inline OwningX509Stack shared_stack_of(const std::vector<Certificate>& certificates) {
  OwningX509Stack stack{certificates.empty() ? nullptr : sk_X509_new_reserve(nullptr, static_cast<int>(certificates.size()))};
  for (const Certificate& certificate : certificates) {
    if (X509_up_ref(certificate.native()) == 1) sk_X509_push(stack.get(), certificate.native());
  }
  return stack;
}

}  // namespace signet::pki
