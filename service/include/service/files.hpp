#pragma once

#include <filesystem>

#include "pki/path.hpp"

namespace signet::service {

// A whole file. file_failed with errno, message_too_large.
base::Result<base::Bytes> read_file(const std::filesystem::path& file, std::size_t most);

// Certificates and revocation lists, PEM or DER, from one folder or file: self-signed certificates become anchors, others help
// to build paths. Nothing for an empty path; file_failed where there is no file at all. What is neither is left out; files named
// as keys
// (.key, .p12) are not opened.
base::Result<pki::TrustMaterial> read_trust(const std::filesystem::path& folder);

}  // namespace signet::service
