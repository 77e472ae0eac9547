#pragma once

#include <ostream>

#include "pki/path.hpp"

namespace signet::pki {

// As a failed check shows it.
inline std::ostream& operator<<(std::ostream& out, PathStatus status) {
  static constexpr const char* names[] = {
      "valid", "no_path", "expired", "not_yet_valid", "revoked", "ca_revoked", "no_revocation_data", "constraints"};
  return out << names[static_cast<int>(status)];
}

}  // namespace signet::pki
