#pragma once

#include <CLI/CLI.hpp>

#include "agent/command/command.hpp"
#include "trust/revocation_data.hpp"
#include "xades/verify.hpp"

// What the commands share that judge signatures: trust, the time, given documents, and revocation data fetched where it is
// lacking.
namespace signet::agent {

struct JudgingOptions {
  std::vector<std::string> digests, contents;
  std::string trust, at;
  bool offline = false, private_addresses = false;
  std::size_t max_size = 0;
};

// --digest, --content, and those below.
void add_judging(CLI::App& command, JudgingOptions& options);
// --trust, --offline, --private-addresses and --max-size.
void add_trust(CLI::App& command, JudgingOptions& options);

// The default limits, or those of --max-size where it is not 0.
xades::VerifyLimits limits_of(std::size_t max_size);

// One signature file after another. Blocks where something is fetched.
class Judge {
 public:
  // parameter_invalid, and what reading files gives.
  static base::Result<Judge> with(const JudgingOptions& options);

  xades::VerifyOptions& how() { return how_; }
  const xades::VerifyOptions& how() const { return how_; }
  // At most as large as the limits have it, with a word on --max-size where it is larger.
  base::Result<base::Bytes> read(const std::filesystem::path& file) const;
  // xades::verify, and again with what could be fetched where revocation data was lacking; what was fetched is kept for the next.
  base::Result<std::vector<xades::SignatureReport>> judge(base::BytesView document);
  // Why what was asked for could not be had, "host: why"; since the beginning.
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  base::Result<std::vector<xades::SignatureReport>> once(base::BytesView document);

  xades::VerifyOptions how_;
  std::optional<trust::RevocationSource> source_;
  std::vector<std::string> failures_;
};

// What a verdict means, for a person.
const char* explanation_of(const xades::SignatureReport& report);

}  // namespace signet::agent
