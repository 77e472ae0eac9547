#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "agent/command/control_client.hpp"
#include "agent/configuration.hpp"

// The signet command: one file a subcommand. Each registers itself on the app and leaves its exit code in the context.
namespace signet::agent {

struct Context {
  std::string configuration_file;  // --config; empty: the usual places
  bool json = false;
  int exit_code = 0;

  // The configuration, or the defaults where there is no file.
  base::Result<Configuration> configuration() const;
  base::Result<ControlClient> agent() const;
};

// Exit codes: 0 done; `verify` has 1 and 2 for its verdicts; 3 usage; then by who must act.
inline constexpr int exit_usage = 3;
int exit_code_of(const base::Error& error);
// Says the error, on standard error or as JSON, and gives its exit code. `message` where more is known than the code says.
int report(const Context& context, const base::Error& error, const std::string& message = {});
// "name: No such file or directory", of errno.
base::Error file_error(const std::string& file, int error);
// Written beside and moved into place: a file is whole or not there. file_failed with errno.
base::Result<void> write_file(const std::filesystem::path& file, std::string_view content);

void add_status(CLI::App& app, Context& context);
void add_tokens(CLI::App& app, Context& context);
void add_certs(CLI::App& app, Context& context);
void add_sign(CLI::App& app, Context& context);
void add_verify(CLI::App& app, Context& context);
void add_extend(CLI::App& app, Context& context);
void add_origins(CLI::App& app, Context& context);
void add_restart(CLI::App& app, Context& context);
void add_lock(CLI::App& app, Context& context);
void add_pin(CLI::App& app, Context& context);
void add_journal(CLI::App& app, Context& context);
void add_demo(CLI::App& app, Context& context);

}  // namespace signet::agent
