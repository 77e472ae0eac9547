#pragma once

#include <string_view>

#include "base/result.hpp"

namespace signet::pkcs11 {

// What a CK_RV means for whoever must act, `origin` being the CK_RV: the one translation of PKCS#11 (v2.40, 5.1) errors.
base::Error error_of(unsigned long ck_rv, std::string_view function);

// The token said no and nothing broke: sessions and other keys go on as before.
bool is_plain_refusal(unsigned long ck_rv);

}  // namespace signet::pkcs11
