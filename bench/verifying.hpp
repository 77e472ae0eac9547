#pragma once

#include <filesystem>
#include <vector>

#include "figures.hpp"

namespace signet::bench {

// `verify_vs_xmlsec` and, where `judges` (what tests/conformance/build_judges.sh filled) is not empty, `verify_vs_dss`: 200
// signatures of 6 kB with their chains, verified by turns.
std::vector<Figure> verifying(unsigned rounds, const std::filesystem::path& judges);
// `big_xml_vs_libxml2`: a document of 12 MiB with an enveloped signature.
Figure big_xml(unsigned rounds);

}  // namespace signet::bench
