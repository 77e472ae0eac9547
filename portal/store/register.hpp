#pragma once

#include "base/bytes.hpp"
#include "portal/consumers.hpp"
#include "store/connection.hpp"

// The register of consumers and the shared secrets, in SQL; as requests.hpp.
namespace signet::portal::store {

std::vector<Consumer> read_consumers(Connection& connection);
// Refused with parameter_invalid if another consumer has one of its certificates.
void put_consumer(Connection& connection, const Consumer& consumer);
bool remove_consumer(Connection& connection, const std::string& id);
std::uint64_t consumers_version(Connection& connection);

// The one that is kept under that name: `proposed`, if there was none.
base::Bytes shared_secret(Connection& connection, const std::string& name, const base::Bytes& proposed);

}  // namespace signet::portal::store
