#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace signet::portal {

// Parameters of a query or of a form (application/x-www-form-urlencoded): names in any letter case, values as their bytes were
// sent. Any thread.
class Form {
 public:
  // Later texts add to earlier ones. At most 100 parameters are kept.
  void add(std::string_view encoded);
  // The first of that name (given in lower case).
  std::optional<std::string> value(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace signet::portal
