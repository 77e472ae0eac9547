#pragma once

#include <filesystem>

#include "demo/pki.hpp"

namespace signet::demo {

// The demonstration's PKI as files in one folder: `demo-ca.pem`, `demo-ca.crl.pem` (covers all that it issued), and for each of
// signer-rsa2048, signer-p256 and tsa a `.pem` and an unencrypted `.key` (0600). Existing files are replaced.
// Throws std::runtime_error when a file cannot be written.
void write_pki(const std::filesystem::path& folder, base::Time now);

// A list that says that `certificate` is revoked since `since`, signed by the folder's CA, replaces `demo-ca.crl.pem`.
void revoke_in(const std::filesystem::path& folder, const pki::Certificate& certificate, base::Time since, base::Time now);

Identity read_identity(const std::filesystem::path& certificate, const std::filesystem::path& key);

}  // namespace signet::demo
