#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "signing/origin.hpp"

namespace signet::agent {

// Which certificate each origin was given, over restarts: one line an origin in a file (0600) of the state folder. What cannot
// be read or written is forgotten: the person is asked again.
class RememberedCertificates {
 public:
  explicit RememberedCertificates(std::filesystem::path file);
  std::string of(const signing::Origin& origin) const;
  void remember(const signing::Origin& origin, const std::string& certificate_id);

 private:
  void read();
  void save() const;
  std::filesystem::path file_;
  std::map<std::string, std::string> by_origin_;
};

}  // namespace signet::agent
