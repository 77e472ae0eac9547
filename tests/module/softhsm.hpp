#pragma once

#include <openssl/evp.h>

#include <string>

#include "base/owned.hpp"
#include "demo/softhsm.hpp"

namespace signet::test {

using demo::Authentication;
using demo::SoftHsm;

using PrivateKey = base::Owned<EVP_PKEY, EVP_PKEY_free>;

PrivateKey make_rsa(unsigned bits);
PrivateKey make_ec(const char* curve);  // "P-256"
// Self-signed, ten days from now; keyUsage nonRepudiation and digitalSignature.
base::Bytes self_signed(EVP_PKEY* key, const std::string& common_name);

}  // namespace signet::test
