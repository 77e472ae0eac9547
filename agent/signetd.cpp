#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "agent/daemon.hpp"
#include "service/text.hpp"

int main(int argc, char** argv) {
  using namespace signet::agent;
  std::string file;
  bool check_only = false;
  CLI::App app{
      "signetd, the signing agent: lets web pages of allowed origins and the command line sign with this user's tokens, after "
      "asking the person."};
  app.name("signetd");
  app.set_version_flag("--version", SIGNET_VERSION);
  app.add_option("--config", file, "Configuration file (default: signet.toml in ~/.config/signet or /etc/signet)");
  app.add_flag("--check", check_only, "Only read the configuration and say whether it is right");
  app.footer("Every key of the configuration is described in signet.toml(5). `signet status` says how the agent is.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;  // EX_USAGE
  }

  signet::base::Result<Configuration> configuration = Configuration{};
  if (!file.empty()) {
    configuration = read_configuration(file);
  } else {
    for (const auto& place : configuration_places()) {
      if (!std::filesystem::exists(place)) continue;
      configuration = read_configuration(place);
      break;
    }
  }
  if (!configuration) {
    std::cerr << "signetd: " << configuration.error().detail << '\n';
    return 78;  // EX_CONFIG: systemd shows it by name
  }
  if (check_only) {
    std::cout << "signetd: the configuration is right\n";
    return 0;
  }
  signet::service::choose_language(configuration->language);
  std::signal(SIGPIPE, SIG_IGN);
  return run_daemon(*configuration);
}
