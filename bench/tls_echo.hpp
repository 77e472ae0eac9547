#pragma once

#include <filesystem>

namespace signet::bench {

// The floor of every answer: the portal's TLS stack (Asio's, over OpenSSL) on one thread, and nothing behind it. Each message
// says in its first eight bytes how long it is and how long its answer shall be (32 bits each, big endian); an answer begins with
// its length. Prints its port; until it is killed.
int serve_tls_echo(const std::filesystem::path& certificate, const std::filesystem::path& key);

}  // namespace signet::bench
