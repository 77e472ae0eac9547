#include "xades/verify.hpp"

#include <algorithm>
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

// 1 is worse than 2, which leaves the question open.
int worse(int one, int other) { return one == 1 || other == 1 ? 1 : std::max(one, other); }

// Of a signature and of those over it: whoever asks whether all is well hears of each.
int exit_code_of(const xades::SignatureReport& report) {
  int code = 0;
  if (report.indication == xades::Indication::total_failed) code = 1;
  if (report.indication == xades::Indication::indeterminate) code = 2;
  for (const xades::SignatureReport& counter_signature : report.counter_signatures)
    code = worse(code, exit_code_of(counter_signature));
  return code;
}

int verify(const Context& context, const Options& options) {
  auto judge = Judge::with(context, options);
  if (!judge) return report(context, judge.error());
  if (options.policy == "msign-compatible") judge->how().policy = xades::Policy::msign_compatible;
  const OriginOf origin = [&](const pki::RevocationEvidence& evidence) { return judge->origin_of(evidence); };
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
    for (std::size_t number = 1; const auto& one : *reports) {
      worst = worse(worst, exit_code_of(one));
      for (const std::size_t index : one.matched_data) matched[index] = true;
      if (context.json) {
        json::object row = as_json(one, origin);
        row["file"] = file;
        rows.push_back(std::move(row));
      } else {
        std::cout << base::shown(file, 200);
        if (reports->size() > 1)
          std::cout << ", " << filled(tr("signature %1 of %2"), {std::to_string(number), std::to_string(reports->size())});
        std::cout << ": ";
        show(one, origin, std::cout);
      }
      ++number;
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
    std::cout << json::serialize(json::object{{"policy", options.policy},
                                              {"at", base::rfc3339(judge->how().at)},
                                              {"signatures", std::move(rows)},
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
  CLI::App* const command = app.add_subcommand(
      "verify", "Verify XAdES signatures (EN 319 102-1); exit code 0 only when all are TOTAL-PASSED, counter-signatures too");
  command->add_option("SIGNATURE", options.signatures, "Signature files")->required();
  add_judging(*command, options);
  command->add_option("--at", options.at, "The time of the verification (default: now)");
  command
      ->add_option("--policy", options.policy,
                   "What is accepted: strict, or msign-compatible (SHA-1 and certificates of version 1 too, each said)")
      ->check(CLI::IsMember({"strict", "msign-compatible"}))
      ->capture_default_str();
  command->callback([&context] { context.exit_code = verify(context, options); });
}

}  // namespace signet::agent
