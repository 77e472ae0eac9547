#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <iostream>

#include "agent/command/judging.hpp"
#include "base/text.hpp"
#include "service/text.hpp"
#include "service/time_stamps.hpp"
#include "xades/stamp.hpp"

namespace signet::agent {

using base::ErrorCode;
using service::filled;
using service::tr;

namespace json = boost::json;

namespace {

struct Options : JudgingOptions {
  std::string file, out, level = "lta";
  std::vector<std::string> tsas;
};

base::Result<pki::TimeStampToken> token_over(service::TimeStamps& authorities, const base::Digest& imprint) {
  boost::asio::io_context io;
  std::optional<base::Result<pki::TimeStampToken>> token;
  boost::asio::co_spawn(io, authorities.token(imprint), [&](std::exception_ptr thrown, base::Result<pki::TimeStampToken> result) {
    if (thrown) std::rethrow_exception(thrown);
    token = std::move(result);
  });
  io.run();
  return std::move(*token);
}

// One signature of a document, raised step by step: each step is judged before the next, so that nothing is made that does not
// hold.
class Raise {
 public:
  Raise(Judge& judge, service::TimeStamps& authorities, std::size_t signature, std::string document)
      : judge_(judge), authorities_(authorities), signature_(signature), document_(std::move(document)) {}

  base::Result<void> to(xades::Level level) {
    using enum xades::Level;
    if (auto ok = look(); !ok) return ok;
    if (!has_time_stamp()) {
      if (auto ok = stamp(false); !ok) return ok;
    }
    if (level >= b_lt && report_.level < b_lt) {
      if (auto ok = add_validation_data(); !ok) return ok;
    }
    // A further archive time stamp is what keeps one alive whose own is about to end.
    if (level >= b_lta) {
      if (auto ok = stamp(true); !ok) return ok;
    }
    if (!report_.level || *report_.level < level) return not_reached(level);
    return {};
  }

  const std::string& document() const { return document_; }
  const xades::SignatureReport& report() const { return report_; }

 private:
  base::Result<void> look() {
    auto reports = judge_.judge(base::as_bytes(document_));
    if (!reports) return base::failure_of(reports);
    report_ = std::move(reports->at(signature_));
    if (report_.integrity != xades::Integrity::invalid) return {};
    return base::failure(ErrorCode::parameter_invalid,
                         "signature " + std::to_string(signature_ + 1) + " is not valid: " + report_.detail);
  }

  bool has_time_stamp() const {
    return std::ranges::any_of(report_.time_stamps, [](const xades::TimeStampFinding& stamp) {
      return stamp.kind == xades::TimeStampKind::signature && stamp.holds;
    });
  }

  base::Result<void> stamp(bool archive) {
    constexpr auto digest = base::DigestAlgorithm::sha256;
    const auto& how = judge_.how();
    const auto plan = archive ? xades::plan_archive_time_stamp(document_, how.data, digest, how.limits, signature_)
                              : xades::plan_time_stamp(document_, digest, how.limits, signature_);
    if (!plan) return std::unexpected(plan.error());
    const auto token = token_over(authorities_, plan->imprint);
    if (!token) return std::unexpected(token.error());
    document_ = xades::stamped(document_, *plan, token->der);
    // It was made just now: the time of the judgement must not be before it.
    if (judge_.how().at < token->time) judge_.how().at = token->time;
    return look();
  }

  base::Result<void> add_validation_data() {
    if (!report_.path || report_.path->status != pki::PathStatus::valid) return not_reached(xades::Level::b_lt);
    const auto [of_signer, of_time_stamps] = xades::validation_data_of(report_);
    auto document = xades::with_validation_data(document_, of_signer, of_time_stamps, judge_.how().limits, signature_);
    if (!document) return std::unexpected(document.error());
    document_ = std::move(*document);
    return look();
  }

  std::unexpected<base::Error> not_reached(xades::Level level) const {
    std::string why = report_.detail.empty() ? "its evidence is not complete" : report_.detail;
    for (const std::string& failure : judge_.failures()) why += "; not fetched: " + failure;
    return base::failure(ErrorCode::parameter_invalid, "signature " + std::to_string(signature_ + 1) + " does not reach " +
                                                           std::string(profile_name(level)) + ": " + why);
  }

  Judge& judge_;
  service::TimeStamps& authorities_;
  std::size_t signature_;
  std::string document_;
  xades::SignatureReport report_;
};

int extend(const Context& context, const Options& options) {
  const auto level = xades::level(options.level);
  auto judge = Judge::with(context, options);
  if (!judge) return report(context, judge.error());
  const auto configuration = context.configuration();
  if (!configuration) return report(context, configuration.error());
  service::TimeStamping time_stamping = configuration->time_stamping;
  if (!options.tsas.empty()) time_stamping.urls = options.tsas;
  service::TimeStamps authorities(time_stamping);

  const auto content = judge->read(options.file);
  if (!content) return report(context, content.error());
  std::string document(base::as_text(*content));
  const auto before = judge->judge(*content);
  if (!before) return report(context, before.error());
  const bool stamps = *level == xades::Level::b_lta ||
                      std::ranges::any_of(*before, [](const xades::SignatureReport& one) { return !one.proven_time; });
  if (stamps && !authorities.configured())
    return report(context, {ErrorCode::time_stamp_failed,
                            "no time stamp authority is known: --tsa, or [time_stamping] of the configuration",
                            0,
                            {}});
  json::array rows;
  for (std::size_t i = 0; i < before->size(); ++i) {
    Raise raise(*judge, authorities, i, std::move(document));
    if (auto raised = raise.to(*level); !raised) {
      const std::string said = filled(tr("%1 was not changed."), {base::shown(options.file, 200)});
      return report(context, raised.error(), raised.error().code == ErrorCode::parameter_invalid ? said : std::string{});
    }
    document = raise.document();
    const xades::SignatureReport& now = raise.report();
    rows.push_back(json::object{{"id", now.id}, {"level", profile_name(*now.level)}, {"indication", name(now.indication)}});
    if (!context.json)
      std::cout << filled(tr("Signature %1: %2"), {std::to_string(i + 1), std::string(profile_name(*now.level))}) << '\n';
  }
  const std::string& target = options.out.empty() ? options.file : options.out;
  if (auto written = write_file(target, document); !written) return report(context, written.error());
  if (context.json) std::cout << json::serialize(json::object{{"file", target}, {"signatures", std::move(rows)}}) << '\n';
  return 0;
}

}  // namespace

void add_extend(CLI::App& app, Context& context) {
  static Options options;
  CLI::App* const command = app.add_subcommand(
      "extend", "Raise signatures to a level that lasts: with time stamps, and with what is needed to judge them later");
  command->add_option("SIGNATURE", options.file, "A signature file, also another tool's")->required()->check(CLI::ExistingFile);
  command
      ->add_option("--level", options.level,
                   "t (a time stamp), lt (certificates and revocation data too) or lta (an archive time stamp over all)")
      ->check(CLI::IsMember({"t", "lt", "lta"}))
      ->capture_default_str();
  command->add_option("--out", options.out, "Where to write (default: in place of the file)");
  command->add_option("--tsa", options.tsas, "Address of a time stamp authority (default: those of the configuration)");
  add_judging(*command, options);
  command->callback([&context] { context.exit_code = extend(context, options); });
}

}  // namespace signet::agent
