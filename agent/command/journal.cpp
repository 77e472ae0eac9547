#include "signing/journal.hpp"

#include <boost/json.hpp>
#include <iostream>

#include "agent/command/command.hpp"
#include "service/text.hpp"

namespace signet::agent {

using service::filled;
using service::tr;

namespace {

int verify(const Context& context, const std::filesystem::path& file) {
  const auto checked = signing::verify_journal(file);
  if (!checked) return report(context, checked.error());
  if (context.json) {
    std::cout << boost::json::serialize(boost::json::object{{"file", file.string()},
                                                            {"intact", checked->intact},
                                                            {"entries", checked->entries},
                                                            {"first_bad_line", checked->first_bad_line},
                                                            {"torn_last_line", checked->torn_last_line},
                                                            {"head", checked->head}})
              << '\n';
  } else {
    std::cout << file.string() << ": "
              << filled(tr("%1 entry", "%1 entries", checked->entries), {std::to_string(checked->entries)}) << '\n';
    if (checked->first_bad_line != 0)
      std::cout << filled(tr("CHANGED: line %1 does not follow from the lines before it."),
                          {std::to_string(checked->first_bad_line)})
                << '\n';
    if (checked->torn_last_line)
      std::cout
          << tr("The last line has no end: the machine stopped while it was written. The agent removes it at its next start.")
          << '\n';
    if (checked->intact) std::cout << tr("No line was changed, removed or added in between.") << '\n';
    std::cout << filled(tr("Head: %1"), {checked->head}) << '\n'
              << tr("Not proven: that no lines were cut from the end. Compare the head with the one that the system journal "
                    "holds: journalctl -t signetd")
              << '\n';
  }
  return checked->intact ? 0 : 1;
}

}  // namespace

void add_journal(CLI::App& app, Context& context) {
  CLI::App* const journal = app.add_subcommand("journal", "The record of what was signed");
  journal->require_subcommand(1);
  static std::string file;
  CLI::App* const verifying =
      journal->add_subcommand("verify", "Check that no entry was changed, removed or added; also says what it cannot prove");
  verifying->add_option("FILE", file, "The journal (default: the agent's)");
  verifying->callback([&context] {
    const auto configuration = context.configuration();
    if (!configuration) {
      context.exit_code = report(context, configuration.error());
      return;
    }
    const std::filesystem::path usual = configuration->journal.empty() ? state_folder() / "journal" : configuration->journal;
    context.exit_code = verify(context, file.empty() ? usual : std::filesystem::path(file));
  });
}

}  // namespace signet::agent
