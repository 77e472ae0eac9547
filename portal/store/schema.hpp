#pragma once

#include <span>

#include "store/connection.hpp"

namespace signet::portal::store {

// A version's statements. {key} and {by_key} stand for what differs between the databases.
using Migration = std::span<const char* const>;
// All of this program, the first one first.
std::span<const Migration> migrations();

// Brings the schema to the last version, under a lock and as a whole: one that fails changes nothing. configuration_invalid if the
// schema is newer; throws as Connection does.
base::Result<void> migrate(Connection& connection, std::span<const Migration> to = migrations());

}  // namespace signet::portal::store
