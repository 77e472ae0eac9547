#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <iosfwd>

#include "xades/verify.hpp"

// A report on a signature (xades/verify.hpp) for programs and for people: docs/signature-report.md has its shape in JSON.
namespace signet::agent {

// Where evidence comes from by which a certificate was found good or revoked.
enum class EvidenceOrigin : std::uint8_t {
  embedded,  // in the signature, or in the token of a time stamp
  given,     // by the caller
  fetched,   // over the network, now or before: a cache keeps it
};
std::string_view name(EvidenceOrigin origin);  // "embedded"
using OriginOf = std::function<EvidenceOrigin(const pki::RevocationEvidence&)>;

// What a verdict means, and what somebody can do about it ("" where it is good), in the language of the thread.
const char* explanation_of(const xades::SignatureReport& report);
const char* advice_on(const xades::SignatureReport& report);

// With counter-signatures within. Strings of the document are shown cut and without control characters.
boost::json::object as_json(const xades::SignatureReport& report, const OriginOf& origin);

// For a person who is no specialist: the verdict, what it means, what to do, and by what it was found. Names of the standard are in
// parentheses. In the language of the thread, times in the machine's zone.
void show(const xades::SignatureReport& report, const OriginOf& origin, std::ostream& out);

}  // namespace signet::agent
