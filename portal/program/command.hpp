#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "portal/configuration.hpp"

namespace signet::portal {

// What the subcommands of signet-portal share. Exit codes: 0 done, 1 no, 3 usage, 6 the machine, 78 the configuration.
struct Context {
  std::filesystem::path configuration_file;
  bool json = false;
  int exit_code = 0;
};

void add_serve(CLI::App& app, Context& context);
void add_consumer(CLI::App& app, Context& context);
void add_requests(CLI::App& app, Context& context);

// Nothing after having said why, with the exit code set.
std::optional<Configuration> configuration_of(Context& context);
std::unique_ptr<Store> store_of(Context& context, const Configuration& configuration);
void report(Context& context, const base::Error& error);

// Runs one of the store's coroutines to its end; commands do one thing at a time.
template <class T>
base::Result<T> done(boost::asio::awaitable<base::Result<T>> call);

}  // namespace signet::portal

#include "portal/program/done.hpp"
