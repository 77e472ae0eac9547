#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace signet::bench {

struct Figure {
  std::string name;
  double value;
  double target;
  bool at_least;  // else at most
  std::string what;
};

// A line for each: for people, or "name value" for scripts/bench.
void print(const std::vector<Figure>& figures, bool for_script);
void note(const std::string& text);  // on stderr, while it runs
double median(std::vector<double> values);

// An empty folder, removed with the object.
struct Folder {
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;  // owns the folder
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path path;
};

}  // namespace signet::bench
