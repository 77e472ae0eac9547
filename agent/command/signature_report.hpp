#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

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

// What a report does not hold of how it came to be.
struct ReportContext {
  std::function<EvidenceOrigin(const pki::RevocationEvidence&)> origin_of;
  std::vector<std::string> given;  // what the caller calls each of VerifyOptions::data; untrusted text
  bool offline = false;            // nobody was asked for revocation data
};

// What a verdict means, and what somebody can do about it ("" where it is good), in the language of the thread.
std::string explanation_of(const xades::SignatureReport& report, const ReportContext& context);
std::string advice_on(const xades::SignatureReport& report, const ReportContext& context);

// Why a time stamp does not hold, or cannot be told to, as a clause without a full stop.
std::string explanation_of(const xades::TimeStampFinding& stamp);

// With counter-signatures within. Strings of the document are shown cut and without control characters.
boost::json::object as_json(const xades::SignatureReport& report, const ReportContext& context);

// For a person who is no specialist: the verdict, what it means, what to do, and by what it was found. Names of the standard are in
// parentheses. In the language of the thread, times in the machine's zone.
void show(const xades::SignatureReport& report, const ReportContext& context, std::ostream& out);
// A time as it is shown there.
std::string readable(base::Time time);

}  // namespace signet::agent
