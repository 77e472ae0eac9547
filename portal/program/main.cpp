#include <csignal>
#include <iostream>

#include "base/text.hpp"
#include "portal/program/command.hpp"
#include "service/text.hpp"

namespace signet::portal {
namespace {

constexpr int exit_usage = 3, exit_machine = 6, exit_configuration = 78;  // EX_CONFIG: systemd shows it by name

}  // namespace

void report(Context& context, const base::Error& error) {
  context.exit_code = error.code == base::ErrorCode::configuration_invalid ? exit_configuration : exit_machine;
  std::cerr << "signet-portal: " << error.detail << " (" << base::name(error.code) << ")\n";
}

std::optional<Configuration> configuration_of(Context& context) {
  auto configuration =
      read_configuration(context.configuration_file.empty() ? default_configuration() : context.configuration_file);
  if (!configuration) {
    context.exit_code = exit_configuration;
    std::cerr << "signet-portal: " << configuration.error().detail << '\n';
    return {};
  }
  return std::move(*configuration);
}

std::unique_ptr<Store> store_of(Context& context, const Configuration& configuration) {
  auto store = Store::open(configuration.store);
  if (store) return std::move(*store);
  report(context, store.error());
  return nullptr;
}

}  // namespace signet::portal

int main(int argc, char** argv) {
  using namespace signet::portal;
  signet::service::choose_language("en", "signet-portal");
  std::signal(SIGPIPE, SIG_IGN);
  Context context;
  CLI::App app{
      "A signing service with the contract of MSign: e-services post what is to be signed, people sign it on the Sign Page."};
  app.name("signet-portal");
  app.set_version_flag("--version", SIGNET_VERSION);
  app.add_option("--config", context.configuration_file,
                 "Configuration file (default: $SIGNET_PORTAL_CONFIG or /etc/signet/portal.toml)")
      ->check(CLI::ExistingFile);
  app.add_flag("--json", context.json, "Print JSON");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Exit codes: 0 done, 1 no, 3 usage, 6 the machine, 78 the configuration.");
  add_serve(app, context);
  add_consumer(app, context);
  add_requests(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
  return context.exit_code;
}
