#pragma once

#include "pki/path.hpp"
#include "portal/contract.hpp"

namespace signet::portal {

// VerifySignatures for one content that the rules have let pass: an XAdES signature over a given hash, detached or enveloping,
// under the policy msign-compatible. Whatever arrives gives a result with a message of at most 100 characters; an unreadable
// signature is an invalid one. The texts are those of service/text.hpp's language. `wanted` (may be null) gets the
// certificates whose revocation data were missing, or about which newer than what the signature brought could tell more. Any thread;
// takes about a millisecond.
VerificationResult verify_content(const VerificationContent& content, const pki::TrustMaterial& trust, base::Time now,
                                  Language language, std::vector<pki::ListWanted>* wanted = nullptr);

// A subject as the contract prints it, its name last: "O=…, OU=…, C=MD, SERIALNUMBER=…, CN=…"; at most 250 characters.
std::string printed_subject(const pki::Certificate& certificate);

}  // namespace signet::portal
