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

// "address: why", and whether an option lets it be asked, in the language of the thread.
std::string shown(const trust::NotHad& failure);

// What a person reads of an error of Judge::with(), or of one that a signature file gave; "" where the code says enough.
std::string said_of_trust(const base::Error& error);
std::string said_of_document(const std::string& file, const base::Error& error);

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
  // Who was asked without success since the beginning, each address once.
  const std::vector<trust::NotHad>& failures() const { return failures_; }
  EvidenceOrigin origin_of(const pki::RevocationEvidence& evidence) const;
  // For reports on what was judged here. Refers to this judge, which outlives it and stays where it is.
  ReportContext context() const;
  // Each of the given data, by what the options call it.
  const std::vector<std::string>& given() const { return given_; }

 private:
  base::Result<std::vector<xades::SignatureReport>> once(base::BytesView document);
  bool was_asked_about(const pki::ListWanted& wanted) const;

  xades::VerifyOptions how_;
  std::optional<trust::RevocationSource> source_;
  std::vector<std::pair<pki::ListWanted, base::Time>> asked_;  // for newer data, and when: it is there if it could be had
  std::vector<trust::NotHad> failures_;
  std::vector<std::string> given_;
  bool offline_ = false;
  std::size_t given_lists_ = 0, given_answers_ = 0;  // what of the trust's revocation data was not fetched
};

}  // namespace signet::agent
