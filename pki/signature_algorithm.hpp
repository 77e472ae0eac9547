#pragma once

#include <openssl/x509.h>

#include "pki/algorithms.hpp"

// What a signature of X.509 says that it was made with. Private to pki/.
namespace signet::pki {

// Why a signature with `algorithm` by the holder of `key` was not acceptable at `at`; none: it was.
std::optional<std::string> signature_weakness(const AlgorithmTable& table, const X509_ALGOR* algorithm, const EVP_PKEY* key,
                                              base::Time at);

}  // namespace signet::pki
