#include "figures.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace signet::bench {

void print(const std::vector<Figure>& figures, bool for_script) {
  for (const Figure& figure : figures) {
    if (for_script) {
      std::printf("%s %.4f\n", figure.name.c_str(), figure.value);
      continue;
    }
    const bool met = figure.at_least ? figure.value >= figure.target : figure.value <= figure.target;
    std::printf("%-22s %10.3f  %s %-6g %s  %s\n", figure.name.c_str(), figure.value, figure.at_least ? ">=" : "<=", figure.target,
                met ? "met    " : "NOT MET", figure.what.c_str());
  }
}

void note(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.at(values.size() / 2);
}

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "signet-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace signet::bench
