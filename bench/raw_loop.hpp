#pragma once

#include <chrono>
#include <string>

#include "base/bytes.hpp"

namespace signet::bench {

// Signs `count` digests in a loop of C_SignInit and C_Sign, in a child process that loads the module itself, with the first
// private key under `cka_id` (any key where it is empty). `context_login`: before each signature. Gives the loop's wall time.
std::chrono::duration<double> raw_loop(const std::string& module, base::BytesView cka_id, const std::string& pin, bool context_login, std::size_t count);

}  // namespace signet::bench
