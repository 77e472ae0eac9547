#pragma once

#include "call_page.hpp"

namespace signet::pkcs11::host {

// How much a module may gather before its host makes way for a fresh one.
struct WearLimits {
  std::size_t descriptors = 512;
  std::size_t memory_mb = 512;  // of its own, in RAM or swapped out
};

// Bounds the process's descriptors to twice the limit, so that a leak shows as an error of the module at last.
bool bound_descriptors(const WearLimits& limits);

// What this process holds too much of: reads two files of /proc, about 30 µs.
SelfEnd worn_out(const WearLimits& limits);

}  // namespace signet::pkcs11::host
