#pragma once

#include <libxml/tree.h>

#include <optional>

#include "portal/contract.hpp"

namespace signet::portal {

// What contract/msign.xsd has against the element of an operation, as invalid_parameter that names the field; none if it is
// valid. Of what the caller sent only names that the schema knows are repeated. Any thread: the schema is read once and only
// read after that.
std::optional<Fault> schema_fault(const xmlNode* operation);

}  // namespace signet::portal
