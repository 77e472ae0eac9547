#pragma once

#include <openssl/types.h>

#include "base/digest.hpp"

namespace signet::base {

// libcrypto's, for its calls that want one; fetched once and there as long as the process. Any thread.
const EVP_MD* message_digest(DigestAlgorithm algorithm);

}  // namespace signet::base
