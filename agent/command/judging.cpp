#include "agent/command/judging.hpp"

#include <chrono>
#include <iterator>

#include "service/files.hpp"
#include "service/text.hpp"

namespace signet::agent {

using base::ErrorCode;
using service::tr;

namespace {

constexpr std::size_t most_content = std::size_t{1} << 30;

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

base::Result<base::Bytes> read_file(const std::filesystem::path& file, std::size_t most) {
  auto content = service::read_file(file, most);
  if (!content && content.error().code == ErrorCode::message_too_large) content.error().detail += " (--max-size lifts the limit)";
  return content;
}

base::Result<std::vector<xades::GivenData>> read_given(const JudgingOptions& options) {
  std::vector<xades::GivenData> given;
  for (const std::string& digest : options.digests) {
    auto value = base::parse_digest(digest);
    if (!value) return base::failure_of(value);
    given.push_back({{}, *value});
  }
  for (const std::string& content : options.contents) {
    auto bytes = read_file(content, most_content);
    if (!bytes) return base::failure_of(bytes);
    given.push_back({std::filesystem::path(content).filename().string(), std::move(*bytes)});
  }
  return given;
}

// The user's cache folder (XDG Base Directory Specification); without one nothing is kept.
std::optional<trust::Cache> cache_of_user() {
  const std::filesystem::path folder = cache_folder();
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  auto cache = trust::Cache::open(folder / "revocation");
  return cache ? std::optional(std::move(*cache)) : std::nullopt;
}

}  // namespace

void add_judging(CLI::App& command, JudgingOptions& options) {
  command.add_option("--digest", options.digests, "The hash of a signed document: ALG:HEX");
  command.add_option("--content", options.contents,
                     "A signed document; of several, each signature finds its own by hash, then by name");
  command.add_option("--trust", options.trust, "Folder with trusted CA certificates and revocation lists (PEM or DER)")
      ->check(CLI::ExistingPath);
  command.add_flag("--offline", options.offline, "Ask nobody over the network for revocation data; what was kept serves");
  command.add_flag("--private-addresses", options.private_addresses,
                   "Ask also where an address is this machine's or of a private network");
  command.add_option("--max-size", options.max_size, "Largest signature file, in bytes (default: 16 MiB)");
}

base::Result<Judge> Judge::with(const JudgingOptions& options) {
  Judge judge;
  xades::VerifyOptions& how = judge.how_;
  how.at = now();
  if (options.max_size > 0) {
    how.limits.max_bytes = options.max_size;
    how.limits.max_nodes = std::max(how.limits.max_nodes, options.max_size / 20);
  }
  if (!options.at.empty()) {
    const auto at = base::from_rfc3339(options.at);
    if (!at) return base::failure(ErrorCode::parameter_invalid, "--at wants a time such as 2026-11-22T10:00:00Z");
    how.at = *at;
  }
  auto trust = service::read_trust(options.trust);
  if (!trust) return base::failure_of(trust);
  how.trust = std::move(*trust);
  auto given = read_given(options);
  if (!given) return base::failure_of(given);
  how.data = std::move(*given);
  trust::Fetching fetching;
  fetching.offline = options.offline;
  fetching.private_addresses = options.private_addresses;
  judge.source_.emplace(fetching, cache_of_user());
  return judge;
}

base::Result<base::Bytes> Judge::read(const std::filesystem::path& file) const { return read_file(file, how_.limits.max_bytes); }

base::Result<std::vector<xades::SignatureReport>> Judge::once(base::BytesView document) {
  // All that is given goes with a single signature; of several, each finds its own.
  using DataFor = xades::VerifyOptions::DataFor;
  auto reports = xades::verify(document, how_);
  if (!reports || reports->size() == 1 || how_.data.size() < 2 || how_.data_for == DataFor::any_signature) return reports;
  how_.data_for = DataFor::any_signature;
  return xades::verify(document, how_);
}

base::Result<std::vector<xades::SignatureReport>> Judge::judge(base::BytesView document) {
  using enum trust::RevocationSource::Ask;
  auto reports = once(document);
  for (const auto ask : {lists_after_ocsp, both}) {
    if (!reports) return reports;
    std::vector<pki::ListWanted> lacking;
    for (const xades::SignatureReport& report : *reports)
      std::ranges::move(xades::without_revocation_data(report), std::back_inserter(lacking));
    if (lacking.empty()) return reports;
    trust::RevocationData data = source_->fetch(lacking, now(), ask);
    failures_.insert(failures_.end(), data.failures.begin(), data.failures.end());
    if (data.ocsp.empty() && data.crls.empty()) continue;
    trust::add(std::move(data), how_.trust);
    reports = once(document);
  }
  return reports;
}

const char* explanation_of(const xades::SignatureReport& report) {
  using enum xades::SubIndication;
  switch (report.sub_indication) {
    case none:
      return tr("The signature is valid.");
    case format_failure:
      return tr("This is not a well-formed XAdES signature.");
    case hash_failure:
      return tr("The document was changed after it was signed, or it is not the one that was signed.");
    case sig_crypto_failure:
      return tr("The signature itself was changed or is damaged.");
    case revoked:
      return tr("The signer's certificate had been revoked when it was used.");
    case expired:
      return tr("The signer's certificate had expired when it was used.");
    case not_yet_valid:
      return tr("The signer's certificate was not valid yet when it was used.");
    case revoked_no_poe:
      return tr("The signer's certificate is revoked, and nothing proves that the signature was made before.");
    case revoked_ca_no_poe:
      return tr("The certificate of the issuer is revoked, and nothing proves that the signature was made before.");
    case out_of_bounds_no_poe:
    case out_of_bounds_not_revoked:
      return tr("The signer's certificate is outside its validity, and nothing proves that the signature was made within it.");
    case no_certificate_chain_found:
    case no_certificate_chain_found_no_poe:
      return tr("The signer's certificate does not come from a trusted authority (see --trust).");
    case no_signing_certificate_found:
      return tr("The signer's certificate is missing or is not the one that was meant.");
    case try_later:
    case revocation_out_of_bounds_no_poe:
      return tr("Whether the certificate was revoked cannot be told: no revocation list in force was given (see --trust).");
    case signed_data_not_found:
      return tr("The signed document is needed: give it with --content, or its hash with --digest.");
    case timestamp_order_failure:
      return tr("The times in the signature contradict each other.");
    case crypto_constraints_failure:
    case crypto_constraints_failure_no_poe:
      return tr("An algorithm is too weak to be relied on.");
    case chain_constraints_failure:
    case certificate_chain_general_failure:
      return tr("The signer's certificate, or one above it, may not be used like this.");
    case sig_constraints_failure:
      break;
  }
  return tr("The signature lacks something that it must have.");
}

}  // namespace signet::agent
