#pragma once

#include <string_view>

// The files of this folder, within the program.
namespace signet::portal {

extern const std::string_view msign_schema;
extern const std::string_view msign_wsdl;  // holds {schema} and {endpoint} once each

}  // namespace signet::portal
