#pragma once

#include "store/connection.hpp"

namespace signet::portal::store {

// Brings the schema to this program's version, under a lock. configuration_invalid if it is newer; throws as Connection does.
base::Result<void> migrate(Connection& connection);

}  // namespace signet::portal::store
