#pragma once

#include <CLI/CLI.hpp>

#include "agent/command/command.hpp"
#include "agent/command/signature_report.hpp"
#include "trust/revocation_data.hpp"
#include "xades/verify.hpp"

// What the commands share that judge signatures: trust, the time, given documents, and revocation data fetched where it is
// lacking.
namespace signet::agent {

struct JudgingOptions {
  std::vector<std::string> digests, contents, trusted_lists, trusted_list_signers, signature_policies;
  std::string trust, at;
  bool offline = false, private_addresses = false;
  std::size_t max_size = 0;
};

// --digest, --content, --signature-policy, and those below.
void add_judging(CLI::App& command, JudgingOptions& options);
// --trust, --trusted-list, --trusted-list-signer, --offline, --private-addresses and --max-size.
void add_trust(CLI::App& command, JudgingOptions& options);

// The default limits, or those of --max-size where it is not 0.
xades::VerifyLimits limits_of(std::size_t max_size);

// One signature file after another. Blocks where something is fetched.
class Judge {
 public:
  // With what the configuration says to trust. parameter_invalid, what reading files gives, and what a trusted list that cannot be
  // relied on or had gives. Blocks where such a list is fetched.
  static base::Result<Judge> with(const Context& context, const JudgingOptions& options);

  xades::VerifyOptions& how() { return how_; }
  const xades::VerifyOptions& how() const { return how_; }
  // At most as large as the limits have it, with a word on --max-size where it is larger.
  base::Result<base::Bytes> read(const std::filesystem::path& file) const;
  // xades::verify, and again with what could be fetched where revocation data was lacking; what was fetched is kept for the next.
  base::Result<std::vector<xades::SignatureReport>> judge(base::BytesView document);
  // Why what was asked for could not be had, "host: why"; since the beginning.
  const std::vector<std::string>& failures() const { return failures_; }
  EvidenceOrigin origin_of(const pki::RevocationEvidence& evidence) const;

 private:
  base::Result<std::vector<xades::SignatureReport>> once(base::BytesView document);
  bool was_asked_about(const pki::ListWanted& wanted) const;

  xades::VerifyOptions how_;
  std::optional<trust::RevocationSource> source_;
  std::vector<std::string> failures_;
  std::vector<std::pair<pki::ListWanted, base::Time>> asked_;  // for newer data, and when: it is there if it could be had
  std::size_t given_lists_ = 0, given_answers_ = 0;  // what of the trust's revocation data was not fetched
};

}  // namespace signet::agent
