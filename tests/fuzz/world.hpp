#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "pki/path.hpp"
#include "pki/time_stamp.hpp"

// What the seeds were made with, as files in the folder `world` beside them: an authority, whom it certified and revoked, and a
// request for a time stamp. Made anew with the seeds: a target reads it when it starts.
namespace signet::fuzz {

inline const base::Time now = base::from_rfc3339("2026-11-22T10:00:00Z").value();

struct World {
  pki::TrustMaterial trust;  // the root, and lists of the root and of the issuing authority
  pki::Certificate signer;
  pki::Certificate revoked;
  pki::Certificate tsa;
  pki::TimeStampRequest request;
  pki::Certificate list_signer;  // of trusted lists
};

base::Bytes read(const std::filesystem::path& file);
// The seeds of a target, by name.
std::vector<base::Bytes> seeds(const std::string& target);
const World& world();

// What the documents of the seeds sign: detached, by name.
struct Content {
  std::string name, bytes;
};
const std::vector<Content>& contents();

// All the text of the documents that hold what they sign, beside the signature; of one the whole, of one the element "part".
constexpr std::string_view signed_text() { return "pay 100 to Ana"; }

}  // namespace signet::fuzz
