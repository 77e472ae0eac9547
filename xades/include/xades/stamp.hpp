#pragma once

#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "xades/verify.hpp"

// Adds unsigned properties to a signature that somebody else made, and changes no other byte of it: a SignatureTimeStamp (EN 319
// 132-1 clause 5.3) makes B-T of B-B, certificates and revocation data (5.4) make B-LT, an ArchiveTimeStamp (5.5.2) B-LTA.
namespace signet::xades {

// What a time stamp authority is asked for, and where its answer goes.
struct StampPlan {
  base::Digest imprint;
  std::size_t begin = 0, end = 0;    // what of the document is replaced: nothing, or the end of an empty-element tag
  std::string before, after;         // the markup around the token
};

// For a document in UTF-8 and one of its signatures, counted from 0 in document order as in verify()'s reports; none: the only one.
// Nothing is verified. message_invalid and message_too_large as of verify(), the latter also where the signature would carry more than
// verify() reads; parameter_invalid where it is no XAdES signature, none
// is chosen among several, or its unsigned properties are not of the standard's form.
base::Result<StampPlan> plan_time_stamp(std::string_view document, base::DigestAlgorithm algorithm, const VerifyLimits& limits,
                                        std::optional<std::size_t> signature = {});

// The same for an ArchiveTimeStamp, which covers what is signed too: parameter_invalid where a reference does not hold, or only
// the hash of its data is known.
base::Result<StampPlan> plan_archive_time_stamp(std::string_view document, const std::vector<GivenData>& data,
                                                base::DigestAlgorithm algorithm, const VerifyLimits& limits,
                                                std::optional<std::size_t> signature = {});

// What B-LT carries.
struct ValidationData {
  std::vector<pki::Certificate> certificates;
  std::vector<pki::Crl> crls;
  std::vector<pki::OcspResponse> ocsp = {};

  bool empty() const { return certificates.empty() && crls.empty() && ocsp.empty(); }
};

// By what a signature and its time stamps were found good, each in the order of their paths, each thing once: what makes B-LT of
// it. Of a signature whose path is not valid some of it is missing.
struct UsedValidationData {
  ValidationData of_signer, of_time_stamps;
};
UsedValidationData validation_data_of(const SignatureReport& report);

// The document with CertificateValues and RevocationValues of the signer, and TimeStampValidationData of what its time stamps want.
// What the signature holds already is left out. Where it has values the signer's go into TimeStampValidationData too. Errors as of plan_time_stamp().
base::Result<std::string> with_validation_data(std::string_view document, const ValidationData& of_signer,
                                               const ValidationData& of_time_stamps, const VerifyLimits& limits,
                                               std::optional<std::size_t> signature = {});

// The document with a TimeStampToken after the unsigned properties that are there. All else stays byte for byte.
std::string stamped(std::string_view document, const StampPlan& plan, base::BytesView time_stamp_token);

}  // namespace signet::xades
