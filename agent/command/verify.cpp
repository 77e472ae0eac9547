#include "xades/verify.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "agent/command/command.hpp"
#include "base/text.hpp"
#include "service/files.hpp"
#include "service/text.hpp"

namespace signet::agent {

using service::filled;
using service::read_trust;
using service::tr;

namespace json = boost::json;
using base::ErrorCode;

namespace {

struct Options {
  std::vector<std::string> signatures, digests, contents;
  std::string trust, at, policy = "strict";
  bool offline = false;
  std::size_t max_size = 0;
};

base::Result<base::Bytes> read_file(const std::filesystem::path& file, std::size_t most) {
  auto content = service::read_file(file, most);
  if (!content && content.error().code == ErrorCode::message_too_large) content.error().detail += " (--max-size lifts the limit)";
  return content;
}

const char* explanation(const xades::SignatureReport& report) {
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
      return tr("The signer's certificate does not come from a trusted authority (see --trust).");
    case no_signing_certificate_found:
      return tr("The signer's certificate is missing or is not the one that was meant.");
    case try_later:
      return tr("Whether the certificate was revoked cannot be told: no revocation list in force was given (see --trust).");
    case signed_data_not_found:
      return tr("The signed document is needed: give it with --content, or its hash with --digest.");
    case timestamp_order_failure:
      return tr("The times in the signature contradict each other.");
    case crypto_constraints_failure:
      return tr("An algorithm is too weak to be relied on.");
    case chain_constraints_failure:
    case certificate_chain_general_failure:
      return tr("The signer's certificate, or one above it, may not be used like this.");
    case sig_constraints_failure:
      break;
  }
  return tr("The signature lacks something that it must have.");
}

json::object row_of(const xades::SignatureReport& report) {
  json::object row{{"id", report.id},
                   {"indication", name(report.indication)},
                   {"sub_indication", name(report.sub_indication)},
                   {"integrity", name(report.integrity)},
                   {"level", report.level ? std::string(profile_name(*report.level)) : std::string{}},
                   {"signer", report.signer ? report.signer->subject() : std::string{}},
                   {"claimed_time", report.claimed_time ? base::rfc3339(*report.claimed_time) : std::string{}},
                   {"proven_time", report.proven_time ? base::rfc3339(*report.proven_time) : std::string{}},
                   {"explanation", explanation(report)},
                   {"detail", report.detail}};
  json::array references;
  for (const auto& reference : report.references)
    references.push_back(json::object{{"uri", reference.uri},
                                      {"valid", reference.status == xades::ReferenceReport::Status::valid},
                                      {"detail", reference.detail}});
  row["references"] = std::move(references);
  json::array stamps;
  for (const auto& stamp : report.time_stamps)
    stamps.push_back(json::object{
        {"valid", stamp.status == pki::TimeStampStatus::valid}, {"time", base::rfc3339(stamp.time)}, {"detail", stamp.detail}});
  row["time_stamps"] = std::move(stamps);
  row["warnings"] = json::array(report.warnings.begin(), report.warnings.end());
  return row;
}

void print(const std::string& file, const xades::SignatureReport& report) {
  std::cout << file << ": " << name(report.indication);
  if (report.sub_indication != xades::SubIndication::none) std::cout << " / " << name(report.sub_indication);
  std::cout << "\n  " << explanation(report) << '\n';
  if (report.signer) std::cout << "  " << filled(tr("Signer: %1"), {base::shown(report.signer->subject(), 200)}) << '\n';
  if (report.level) std::cout << "  " << filled(tr("Level: %1"), {std::string(profile_name(*report.level))}) << '\n';
  if (report.proven_time)
    std::cout << "  " << filled(tr("Signed before %1 (time stamp)"), {base::rfc3339(*report.proven_time)}) << '\n';
  else if (report.claimed_time)
    std::cout << "  " << filled(tr("Signed at %1 (the signer's own word)"), {base::rfc3339(*report.claimed_time)}) << '\n';
  if (!report.detail.empty()) std::cout << "  (" << report.detail << ")\n";
  for (const std::string& warning : report.warnings) std::cout << "  ! " << warning << '\n';
}

base::Result<std::vector<xades::GivenData>> read_given(const Options& options, std::size_t most) {
  std::vector<xades::GivenData> given;
  for (const std::string& digest : options.digests) {
    auto value = base::parse_digest(digest);
    if (!value) return base::failure_of(value);
    given.push_back({{}, *value});
  }
  for (const std::string& content : options.contents) {
    auto bytes = read_file(content, most);
    if (!bytes) return base::failure_of(bytes);
    given.push_back({std::filesystem::path(content).filename().string(), std::move(*bytes)});
  }
  return given;
}

int verify(const Context& context, const Options& options) {
  xades::VerifyOptions how;
  how.at = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (options.max_size > 0) {
    how.limits.max_bytes = options.max_size;
    how.limits.max_nodes = std::max(how.limits.max_nodes, options.max_size / 20);
  }
  if (!options.at.empty()) {
    const auto at = base::from_rfc3339(options.at);
    if (!at) return report(context, {ErrorCode::parameter_invalid, "--at wants a time such as 2026-11-22T10:00:00Z", 0, {}});
    how.at = *at;
  }
  auto trust = read_trust(options.trust);
  if (!trust) return report(context, trust.error());
  how.trust = std::move(*trust);
  auto given = read_given(options, std::size_t{1} << 30);
  if (!given) return report(context, given.error());
  how.data = std::move(*given);
  // All that is given goes with a single signature; of several, each finds its own.
  using DataFor = xades::VerifyOptions::DataFor;
  if (options.signatures.size() > 1) how.data_for = DataFor::any_signature;
  const auto verified = [&](const base::Bytes& document) {
    auto reports = xades::verify(document, how);
    if (!reports || reports->size() == 1 || how.data.size() < 2 || how.data_for == DataFor::any_signature) return reports;
    how.data_for = DataFor::any_signature;
    return xades::verify(document, how);
  };

  int worst = 0;
  json::array rows;
  std::vector<bool> matched(how.data.size());
  for (const std::string& file : options.signatures) {
    const auto document = read_file(file, how.limits.max_bytes);
    const auto reports =
        document ? verified(*document) : base::Result<std::vector<xades::SignatureReport>>(std::unexpected(document.error()));
    if (!document) return report(context, document.error());
    if (!reports) {
      const std::string said = reports.error().code == ErrorCode::message_invalid
                                   ? filled(tr("%1 is not an XML document with signatures."), {base::shown(file, 200)})
                                   : std::string{};
      return report(context, {reports.error().code, file + ": " + reports.error().detail, reports.error().origin, {}}, said);
    }
    for (const auto& one : *reports) {
      if (one.indication == xades::Indication::total_failed) worst = 1;
      if (one.indication == xades::Indication::indeterminate && worst == 0) worst = 2;
      for (const std::size_t index : one.matched_data) matched[index] = true;
      if (context.json) {
        json::object row = row_of(one);
        row["file"] = file;
        rows.push_back(std::move(row));
      } else {
        print(file, one);
      }
    }
  }
  json::array not_signed;
  for (std::size_t i = 0; i < matched.size(); ++i) {
    if (matched[i]) continue;
    if (worst == 0) worst = 2;
    // In the order in which read_given() has them.
    const std::string& what = i < options.digests.size() ? options.digests[i] : options.contents[i - options.digests.size()];
    not_signed.emplace_back(what);
    if (!context.json)
      std::cout << filled(tr("%1: none of the signatures is over this document, or it was changed since."),
                          {base::shown(what, 200)})
                << '\n';
  }
  if (context.json)
    std::cout << json::serialize(json::object{{"signatures", std::move(rows)}, {"not_signed", std::move(not_signed)}}) << '\n';
  return worst;
}

}  // namespace

void add_verify(CLI::App& app, Context& context) {
  static Options options;
  CLI::App* const command =
      app.add_subcommand("verify", "Verify XAdES signatures (EN 319 102-1); exit code 0 only when all are TOTAL-PASSED");
  command->add_option("SIGNATURE", options.signatures, "Signature files")->required();
  command->add_option("--digest", options.digests, "The hash of a signed document: ALG:HEX");
  command->add_option("--content", options.contents,
                      "A signed document; of several, each signature finds its own by hash, then by name");
  command->add_option("--trust", options.trust, "Folder with trusted CA certificates and revocation lists (PEM or DER)")
      ->check(CLI::ExistingPath);
  command->add_option("--at", options.at, "The time of the verification (default: now)");
  command->add_option("--policy", options.policy, "What is accepted")->check(CLI::IsMember({"strict"}))->capture_default_str();
  command->add_flag("--offline", options.offline, "Ask nobody over the network (always so in this version)");
  command->add_option("--max-size", options.max_size, "Largest signature file, in bytes (default: 16 MiB)");
  command->callback([&context] { context.exit_code = verify(context, options); });
}

}  // namespace signet::agent
