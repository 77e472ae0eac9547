#include "portal/metrics.hpp"

#include <cstdio>

namespace signet::portal {
namespace {

constexpr std::string_view prefix = "signet_portal_";

std::string printed(const Metrics::Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += text.empty() ? "{" : ",";
    text += name;
    text += "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"') text += '\\';
      text += c == '\n' ? ' ' : c;
    }
    text += '"';
  }
  return text.empty() ? text : text + "}";
}

}  // namespace

void Metrics::count(std::string_view name, const Labels& labels, std::uint64_t by) {
  const std::string of = printed(labels);
  const std::scoped_lock lock(mutex_);
  counters_[std::string(name)][of] += by;
}

std::string Metrics::text(const std::vector<std::pair<std::string_view, double>>& gauges) const {
  std::string text;
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, values] : counters_) {
    const std::string full = std::string(prefix) + name + "_total";
    text += "# TYPE " + full + " counter\n";
    for (const auto& [labels, value] : values) text += full + labels + " " + std::to_string(value) + "\n";
  }
  for (const auto& [name, value] : gauges) {
    char number[32];
    std::snprintf(number, sizeof number, "%.15g", value);
    const std::string full = std::string(prefix) + std::string(name);
    text += "# TYPE " + full + " gauge\n" + full + " " + number + "\n";
  }
  return text;
}

}  // namespace signet::portal
