#include "xades/verify.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "agent/command/judging.hpp"
#include "agent/messages.hpp"
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
  std::string policy = "strict", at_least;
};

// 1 is worse than 2, which leaves the question open.
int worse(int one, int other) { return one == 1 || other == 1 ? 1 : std::max(one, other); }

// Of a signature and of those over it: whoever asks whether all is well hears of each.
int verdict_code_of(const xades::SignatureReport& report) {
  int code = 0;
  if (report.indication == xades::Indication::total_failed) code = 1;
  if (report.indication == xades::Indication::indeterminate) code = 2;
  for (const xades::SignatureReport& counter_signature : report.counter_signatures)
    code = worse(code, verdict_code_of(counter_signature));
  return code;
}

// One call: file after file, and what is said of all of them in the end.
class Verification {
 public:
  Verification(const Context& context, const Options& options, Judge& judge)
      : context_(context),
        options_(options),
        judge_(judge),
        told_by_(judge.context()),
        at_least_(xades::level(options.at_least)),
        matched_(judge.given().size()),
        told_(matched_.size()) {}

  int run() {
    if (!context_.json)
      std::cout << filled(tr("Verified at %1, under the policy “%2”"), {readable(judge_.how().at), options_.policy}) << '\n';
    for (const std::string& file : options_.signatures) {
      if (auto done = verify(file); !done) {
        // Of several one that cannot be read does not keep the others from being judged.
        if (options_.signatures.size() == 1) return report(context_, done.error(), said_of_document(file, done.error()));
        not_read(file, done.error());
      }
    }
    tell_of_data();
    tell_the_rest();
    return error_code_ != 0 ? error_code_ : worst_;
  }

 private:
  base::Result<void> verify(const std::string& file) {
    const auto document = judge_.read(file);
    if (!document) return std::unexpected(document.error());
    const auto reports = judge_.judge(*document);
    if (!reports) return base::failure(reports.error().code, file + ": " + reports.error().detail, reports.error().origin);
    for (std::size_t number = 1; const auto& one : *reports) {
      count(one);
      if (context_.json) {
        json::object row = as_json(one, told_by_);
        row["file"] = file;
        row["reaches_level"] = reaches(one);
        rows_.push_back(std::move(row));
      } else {
        std::cout << base::shown(file, 200);
        if (reports->size() > 1)
          std::cout << ", " << filled(tr("signature %1 of %2"), {std::to_string(number), std::to_string(reports->size())});
        std::cout << ": ";
        show(one, told_by_, std::cout);
        if (!reaches(one))
          std::cout << "  ! " << filled(tr("Below the level that was asked for: %1"), {std::string(profile_name(*at_least_))})
                    << '\n';
      }
      ++number;
    }
    return {};
  }

  bool reaches(const xades::SignatureReport& one) const { return !at_least_ || (one.level && *one.level >= *at_least_); }

  void count(const xades::SignatureReport& one) {
    worst_ = worse(worst_, verdict_code_of(one));
    if (!reaches(one)) worst_ = worse(worst_, 2);
    for (const std::size_t index : one.matched_data) matched_[index] = true;
    for (const xades::ReferenceReport& reference : one.references)
      if (reference.datum) told_[*reference.datum] = true;
    if (one.cause == xades::Cause::given_data_unsigned) told_.assign(told_.size(), true);
  }

  void not_read(const std::string& file, const base::Error& error) {
    const std::string said = said_of_document(file, error);
    error_code_ = std::max(error_code_, exit_code_of(error));
    if (!context_.json) {
      (void)report(context_, error, said);
      return;
    }
    not_read_.push_back(json::object{{"file", file},
                                     {"code", name(error.code)},
                                     {"message", said.empty() ? message_for(error.code) : said},
                                     {"detail", error.detail}});
  }

  void tell_of_data() {
    for (std::size_t i = 0; i < matched_.size(); ++i) {
      if (matched_[i]) continue;
      if (worst_ == 0) worst_ = 2;
      not_signed_.emplace_back(judge_.given()[i]);
      // Its line may stand with the signature already.
      if (!context_.json && !told_[i])
        std::cout << filled(tr("%1: none of the signatures is over this document, or it was changed since."),
                            {base::shown(judge_.given()[i], 200)})
                  << '\n';
    }
  }

  void tell_the_rest() {
    if (!context_.json) {
      for (const trust::NotHad& failure : judge_.failures()) std::cout << "  ! " << shown(failure) << '\n';
      return;
    }
    json::array not_fetched;
    for (const trust::NotHad& failure : judge_.failures())
      not_fetched.emplace_back((failure.url.empty() ? "" : failure.url + ": ") + failure.why);
    std::cout << json::serialize(json::object{{"policy", options_.policy},
                                              {"at", base::rfc3339(judge_.how().at)},
                                              {"at_least", at_least_ ? std::string(profile_name(*at_least_)) : std::string{}},
                                              {"signatures", std::move(rows_)},
                                              {"not_read", std::move(not_read_)},
                                              {"not_signed", std::move(not_signed_)},
                                              {"not_fetched", std::move(not_fetched)}})
              << '\n';
  }

  const Context& context_;
  const Options& options_;
  Judge& judge_;
  const ReportContext told_by_;
  const std::optional<xades::Level> at_least_;
  int worst_ = 0, error_code_ = 0;
  json::array rows_, not_read_, not_signed_;
  std::vector<bool> matched_, told_;  // of what was given: signed; named in the report of a signature
};

int verify(const Context& context, const Options& options) {
  auto judge = Judge::with(context, options);
  if (!judge) return report(context, judge.error(), said_of_trust(judge.error()));
  if (options.policy == "msign-compatible") judge->how().policy = xades::Policy::msign_compatible;
  if (options.signatures.size() > 1) judge->how().data_for = xades::VerifyOptions::DataFor::any_signature;
  return Verification(context, options, *judge).run();
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
  command
      ->add_option("--at-least", options.at_least,
                   "Exit code 2 also for a valid signature that is below this level: t, lt or lta")
      ->check(CLI::IsMember({"t", "lt", "lta"}));
  command->callback([&context] { context.exit_code = verify(context, options); });
}

}  // namespace signet::agent
