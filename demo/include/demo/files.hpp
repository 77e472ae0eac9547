#pragma once

#include <filesystem>

#include "demo/pki.hpp"

namespace signet::demo {

// The kinds of keys that a signer can have: "rsa2048", "rsa3072", "p256", "p384", "p521".
std::vector<std::string> key_kinds();

// The demonstration's PKI as files in one folder: `demo-ca.pem`, `demo-ca.crl.pem` (covers all that it issued), and for the TSA
// (`tsa`) and a signer of each kind asked for (`signer-<kind>`) a `.pem` and an unencrypted `.key` (0600). Existing files are
// replaced. Throws std::runtime_error when a file cannot be written or a kind is unknown.
void write_pki(const std::filesystem::path& folder, const std::vector<std::string>& kinds, base::Time now,
               const std::string& crl_url = {});

// The signers in such a folder, by name, in the order of their names.
std::vector<std::string> signers_in(const std::filesystem::path& folder);

// A list that says that `certificate` is revoked since `since`, signed by the folder's CA, replaces `demo-ca.crl.pem`.
void revoke_in(const std::filesystem::path& folder, const pki::Certificate& certificate, base::Time since, base::Time now);

// From a PEM certificate and its unencrypted key. Throws std::runtime_error.
Identity read_identity(const std::filesystem::path& certificate, const std::filesystem::path& key);

}  // namespace signet::demo
