#pragma once

#include <functional>
#include <string>

#include "base/bytes.hpp"

namespace signet::fuzz {

// Writes a file at a path below the folder of the seeds.
using Write = std::function<void(const std::string& path, base::BytesView content)>;

// The world, and seeds that are signed in it: certificates, lists, time stamps, documents.
void make_signed_seeds(const Write& write);

}  // namespace signet::fuzz
