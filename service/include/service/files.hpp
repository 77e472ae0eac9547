#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <tuple>

#include "pki/path.hpp"

namespace signet::service {

// A whole file. file_failed with errno, message_too_large.
base::Result<base::Bytes> read_file(const std::filesystem::path& file, std::size_t most);

// Certificates and revocation lists, PEM or DER, from one folder or file: self-signed certificates become anchors, others help
// to build paths. Nothing for an empty path; file_failed where there is no file at all. What is neither is left out; files named
// as keys
// (.key, .p12) are not opened.
base::Result<pki::TrustMaterial> read_trust(const std::filesystem::path& folder);

// What such a folder or file holds, as cheaply as it can be told: another one where something has changed. What cannot be listed,
// or goes meanwhile, is left out.
using FolderStamp = std::set<std::tuple<std::string, std::uintmax_t, std::filesystem::file_time_type>>;
FolderStamp stamp_of(const std::filesystem::path& folder);

}  // namespace signet::service
