#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet::portal {

// Counters in Prometheus' text form (version 0.0.4). Any thread.
class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  // `name` without the prefix "signet_portal_" that all have. Labels come from fixed sets: never an id, a name or an address.
  void count(std::string_view name, const Labels& labels, std::uint64_t by = 1);
  // The text, with values of the moment added.
  std::string text(const std::vector<std::pair<std::string_view, double>>& gauges) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, std::uint64_t>> counters_;  // by name, by labels as they are printed
};

}  // namespace signet::portal
