#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace signet::agent {

// What the command itself sees of the machine: it advises the person who runs it.
struct Machine {
  std::string distribution;  // "debian", "fedora", "arch", or one like these; empty: another
  bool pcscd = true;         // the service's program is there
  bool ccid_driver = true;   // pcscd's driver for USB readers is there

  // Reads the disk below `root`.
  static Machine look(const std::filesystem::path& root = "/");
};

// The result of `tokens.explain` (docs/PROTOCOL.md) for somebody who only knows that their token does not work: what is plugged
// in, what serves it and, line by line, what to do. In the language of the command.
void show_explanation(const boost::json::object& result, const Machine& machine, std::ostream& out);

}  // namespace signet::agent
