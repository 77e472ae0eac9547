#include "xades/verify.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "agent/command/judging.hpp"
#include "base/text.hpp"
#include "service/files.hpp"
#include "service/text.hpp"

namespace signet::agent {

using service::filled;
using service::tr;

namespace json = boost::json;
using base::ErrorCode;

namespace {

struct Options : JudgingOptions {
  std::vector<std::string> signatures;
  std::string policy = "strict";
};

json::object row_of(const xades::SignatureReport& report) {
  json::object row{{"id", report.id},
                   {"indication", name(report.indication)},
                   {"sub_indication", name(report.sub_indication)},
                   {"integrity", name(report.integrity)},
                   {"level", report.level ? std::string(profile_name(*report.level)) : std::string{}},
                   {"signer", report.signer ? report.signer->subject() : std::string{}},
                   {"claimed_time", report.claimed_time ? base::rfc3339(*report.claimed_time) : std::string{}},
                   {"proven_time", report.proven_time ? base::rfc3339(*report.proven_time) : std::string{}},
                   {"explanation", explanation_of(report)},
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
  std::cout << "\n  " << explanation_of(report) << '\n';
  if (report.signer) std::cout << "  " << filled(tr("Signer: %1"), {base::shown(report.signer->subject(), 200)}) << '\n';
  if (report.level) std::cout << "  " << filled(tr("Level: %1"), {std::string(profile_name(*report.level))}) << '\n';
  if (report.proven_time)
    std::cout << "  " << filled(tr("Signed before %1 (time stamp)"), {base::rfc3339(*report.proven_time)}) << '\n';
  else if (report.claimed_time)
    std::cout << "  " << filled(tr("Signed at %1 (the signer's own word)"), {base::rfc3339(*report.claimed_time)}) << '\n';
  if (!report.detail.empty()) std::cout << "  (" << report.detail << ")\n";
  for (const std::string& warning : report.warnings) std::cout << "  ! " << warning << '\n';
}

int verify(const Context& context, const Options& options) {
  auto judge = Judge::with(options);
  if (!judge) return report(context, judge.error());
  if (options.signatures.size() > 1) judge->how().data_for = xades::VerifyOptions::DataFor::any_signature;

  int worst = 0;
  json::array rows;
  std::vector<bool> matched(judge->how().data.size());
  for (const std::string& file : options.signatures) {
    const auto document = judge->read(file);
    const auto reports =
        document ? judge->judge(*document) : base::Result<std::vector<xades::SignatureReport>>(std::unexpected(document.error()));
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
  if (context.json) {
    const auto& failures = judge->failures();
    std::cout << json::serialize(json::object{{"signatures", std::move(rows)},
                                              {"not_signed", std::move(not_signed)},
                                              {"not_fetched", json::array(failures.begin(), failures.end())}})
              << '\n';
  } else {
    for (const std::string& failure : judge->failures())
      std::cout << "  ! " << filled(tr("not fetched: %1"), {base::shown(failure, 200)}) << '\n';
  }
  return worst;
}

}  // namespace

void add_verify(CLI::App& app, Context& context) {
  static Options options;
  CLI::App* const command =
      app.add_subcommand("verify", "Verify XAdES signatures (EN 319 102-1); exit code 0 only when all are TOTAL-PASSED");
  command->add_option("SIGNATURE", options.signatures, "Signature files")->required();
  add_judging(*command, options);
  command->add_option("--at", options.at, "The time of the verification (default: now)");
  command->add_option("--policy", options.policy, "What is accepted")->check(CLI::IsMember({"strict"}))->capture_default_str();
  command->callback([&context] { context.exit_code = verify(context, options); });
}

}  // namespace signet::agent
