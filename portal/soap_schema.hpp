#pragma once

#include <libxml/tree.h>

#include <optional>
#include <string_view>

#include "portal/contract.hpp"

namespace signet::portal {

// What contract/msign.xsd has against the element of an operation, as invalid_parameter that names the field; none if it is
// valid. Of what the caller sent only names that the schema knows are repeated. Any thread: the schema is read once and only
// read after that.
std::optional<Fault> schema_fault(const xmlNode* operation);

// invalid_parameter for a field of it: "SignRequest/Contents/SignContent/Content: is not base64, in Contents[3]".
Fault field_fault(const xmlNode* field, const xmlNode* operation, std::string_view why);

}  // namespace signet::portal
