#pragma once

#include "agent/configuration.hpp"

namespace signet::agent {

// Runs signetd until a signal ends it: makes all parts and connects them. Gives the process's exit code.
int run_daemon(const Configuration& configuration);

}  // namespace signet::agent
