#include <boost/json.hpp>
#include <iostream>

#include "agent/command/raising.hpp"
#include "base/text.hpp"
#include "service/text.hpp"

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

int extend(const Context& context, const Options& options) {
  const auto level = xades::level(options.level);
  auto judge = Judge::with(context, options);
  if (!judge) return report(context, judge.error(), said_of_trust(judge.error()));
  const auto configuration = context.configuration();
  if (!configuration) return report(context, configuration.error());
  service::TimeStamping time_stamping = configuration->time_stamping;
  if (!options.tsas.empty()) time_stamping.urls = options.tsas;
  service::TimeStamps authorities(time_stamping);

  const auto content = judge->read(options.file);
  if (!content) return report(context, content.error());
  std::string document(base::as_text(*content));
  const auto before = judge->judge(*content);
  if (!before) return report(context, before.error(), said_of_document(options.file, before.error()));
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
      std::string said = filled(tr("%1 was not changed."), {base::shown(options.file, 200)});
      if (!raise.said().empty()) said += "\n        " + raise.said();
      return report(context, raised.error(), raised.error().code == ErrorCode::parameter_invalid ? said : std::string{});
    }
    document = raise.document();
    const xades::SignatureReport& now = raise.report();
    rows.push_back(json::object{
        {"id", now.id}, {"level", profile_name(*now.level)}, {"indication", name(now.indication)}, {"changed", raise.changed()}});
    if (!context.json) {
      // It is copied as it is.
      const char* const pattern = raise.changed() ? tr("Signature %1: %2") : tr("Signature %1: %2 already, nothing was added");
      std::cout << filled(pattern, {std::to_string(i + 1), std::string(profile_name(*now.level))}) << '\n';
    }
  }
  const std::string& target = options.out.empty() ? options.file : options.out;
  if (auto written = write_file(target, document); !written) return report(context, written.error());
  if (!context.json) std::cout << filled(tr("Written to %1"), {base::shown(target, 200)}) << '\n';
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
