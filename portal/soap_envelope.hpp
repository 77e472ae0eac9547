#pragma once

#include <libxml/tree.h>

#include <expected>
#include <string_view>

#include "base/owned.hpp"
#include "portal/soap.hpp"

namespace signet::portal {

inline constexpr std::string_view soap_namespace = "http://schemas.xmlsoap.org/soap/envelope/";
inline constexpr std::string_view contract_namespace = "https://msign.gov.md";

// A message as a tree, its headers dealt with. `operation` is the one element of its body, whatever it is.
struct Envelope {
  base::Owned<xmlDoc, xmlFreeDoc> document;
  const xmlNode* operation = nullptr;
};

std::expected<Envelope, Fault> read_envelope(std::string_view message, const SoapLimits& limits);

}  // namespace signet::portal
