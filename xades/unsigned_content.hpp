#pragma once

#include <vector>

#include "validation.hpp"

// What stands in a document beside what a signature signs of it: whoever reads the document must not take it for signed.
namespace signet::xades {

// What the signature signs of its document, in the order of its references, where the document says more than that; else empty,
// also where it signs nothing of it. What signatures hold counts for nothing: each has a report of its own.
std::vector<const xmlNode*> parts_beside_more(const Evidence& evidence);

}  // namespace signet::xades
