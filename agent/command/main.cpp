#include <boost/json.hpp>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>

#include "agent/command/command.hpp"
#include "agent/messages.hpp"
#include "base/text.hpp"
#include "service/text.hpp"

namespace signet::agent {

using service::choose_language;
using service::filled;
using service::tr;

base::Result<Configuration> Context::configuration() const {
  if (!configuration_file.empty()) return read_configuration(configuration_file);
  for (const auto& place : configuration_places()) {
    if (std::filesystem::exists(place)) return read_configuration(place);
  }
  return Configuration{};
}

base::Result<ControlClient> Context::agent() const {
  const auto configured = configuration();
  if (!configured) return std::unexpected(configured.error());
  return ControlClient::connect(control_socket_path(configured->control_socket));
}

int exit_code_of(const base::Error& error) {
  switch (base::who_acts(error.code)) {
    case base::WhoActs::person:
      return 4;
    case base::WhoActs::caller:
      return 5;
    case base::WhoActs::machine:
      return 6;
    case base::WhoActs::us:
      break;
  }
  return 7;
}

base::Error file_error(const std::string& file, int error) {
  return {
      base::ErrorCode::file_failed, base::shown(file, 200) + ": " + std::strerror(error), static_cast<std::uint64_t>(error), {}};
}

base::Result<void> write_file(const std::filesystem::path& file, std::string_view content) {
  const std::filesystem::path beside = file.string() + ".part";
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.flush();
    if (!out) return std::unexpected(file_error(file.string(), errno));
  }
  std::error_code error;
  std::filesystem::rename(beside, file, error);
  if (error) return std::unexpected(file_error(file.string(), error.value()));
  return {};
}

int report(const Context& context, const base::Error& error, const std::string& message) {
  const std::string said = message.empty() ? message_for(error.code) : message;
  if (context.json) {
    boost::json::object row{{"code", name(error.code)}, {"message", said}, {"detail", error.detail}};
    if (error.tries_left) row["tries_left"] = *error.tries_left;
    std::cout << boost::json::serialize(boost::json::object{{"error", std::move(row)}}) << '\n';
  } else {
    std::cerr << "signet: " << said;
    if (error.tries_left)
      std::cerr << ' '
                << filled(tr("%1 try is left.", "%1 tries are left.", *error.tries_left), {std::to_string(*error.tries_left)});
    if (!error.detail.empty()) std::cerr << "\n        (" << name(error.code) << ": " << error.detail << ')';
    std::cerr << '\n';
  }
  return exit_code_of(error);
}

}  // namespace signet::agent

namespace {

// CLI11 has no other language than English.
int usage_error(CLI::App& app, const CLI::ParseError& error) {
  std::cerr << "signet: " << signet::service::tr("The command line was not understood:") << '\n';
  (void)app.exit(error);
  return signet::agent::exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace signet::agent;
  choose_language({});
  std::signal(SIGPIPE, SIG_IGN);
  Context context;
  CLI::App app{
      "Signs with cryptographic tokens and verifies signatures (XAdES). Works through signetd, the agent of this session."};
  app.name("signet");
  app.set_version_flag("--version", SIGNET_VERSION);
  app.add_option("--config", context.configuration_file,
                 "Configuration file (default: signet.toml in ~/.config/signet or /etc/signet)")
      ->check(CLI::ExistingFile);
  app.add_flag("--json", context.json, "Print one JSON object");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Exit codes: 0 done, 1 and 2 verdicts of verify, 3 usage, 4 a person must act, 5 the request was wrong, 6 the machine, 7 a "
      "defect.");
  add_status(app, context);
  add_tokens(app, context);
  add_certs(app, context);
  add_sign(app, context);
  add_verify(app, context);
  add_extend(app, context);
  add_origins(app, context);
  add_lock(app, context);
  add_restart(app, context);
  add_pin(app, context);
  add_journal(app, context);
  add_demo(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    // CLI11 misses a subcommand first, and would not say that it was given one that there is not.
    const std::vector<std::string> unknown = app.remaining(true);
    if (unknown.empty() || unknown.front().starts_with('-')) return usage_error(app, error);
    std::cerr << "signet: "
              << filled(tr("There is no subcommand “%1”. `signet --help` lists them."),
                        {signet::base::shown(unknown.front(), 60)})
              << '\n';
    return exit_usage;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    return usage_error(app, error);
  }
  return context.exit_code;
}
