#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "portal/contract.hpp"

// The wire form of contract.hpp: SOAP 1.1, document/literal wrapped, elements in the order of contract/msign.xsd. Any thread.
namespace signet::portal {

// Counted before a tree is built; a tree takes some 300 bytes a node besides the text.
struct SoapLimits {
  // 100 000 hashes with ids and names are about 40 MB, 10 000 signatures of XAdES-T about 120 MB.
  std::size_t max_bytes = 128u << 20;
  // Elements, attributes and namespace declarations: 100 000 contents of five elements, of clients that repeat a declaration at
  // each and write nil where nothing is.
  std::size_t max_nodes = 1'500'000;
  // The deepest element of the contract is the seventh; the rest is for headers, which are skipped.
  unsigned max_depth = 32;
};

// `soap_action` is the header's value as it came, in quotes or not; empty where there was none: the body's element decides which
// operation it is. client, version_mismatch and must_understand for what is no message of the contract, invalid_parameter for
// what the schema refuses: "SignRequest/Contents/SignContent/Content: is not base64, in Contents[3]". Lengths and what depends
// on the configuration are rules.hpp's. UTF-8 or UTF-16 with a byte order mark, or what the XML declaration names (xml_gate.hpp).
std::expected<Call, Fault> read_call(std::string_view body, std::string_view soap_action, const SoapLimits& limits);

// Whole envelopes in UTF-8. What XML 1.0 cannot hold of a text is written as U+FFFD.
std::string post_sign_request_response(std::string_view request_id);
std::string get_sign_response_response(const SignResponse& response);
std::string verify_signatures_response(const VerificationResponse& response);
std::string fault_response(const Fault& fault);

// One self-contained document for ?wsdl and ?singleWsdl alike; `endpoint` is the address that clients call.
std::string wsdl(std::string_view endpoint);

}  // namespace signet::portal
