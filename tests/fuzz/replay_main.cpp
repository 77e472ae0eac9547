#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "property.hpp"

// In builds without libFuzzer: runs a target over files, and over all that is in folders. Options of libFuzzer's are passed over.
namespace {

constexpr double most_seconds = 10;  // of the processor for an input: the machine may be busy with other things
constexpr long most_memory_kb = 2L << 20;

std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

double run(const std::filesystem::path& file) {
  std::cout << file.string() << std::endl;  // before it is run: what ends the program is the last one named
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    std::cerr << "cannot read it\n";
    std::exit(1);
  }
  const std::vector<char> content{std::istreambuf_iterator<char>(in), {}};
  const std::clock_t begin = std::clock();
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] == '-') continue;
    for (const auto& file : files_of(argv[i])) {
      ++count;
      if (run(file) > most_seconds) {
        std::cerr << "took longer than " << most_seconds << " seconds\n";
        return 1;
      }
    }
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::cout << count << " inputs, " << usage.ru_maxrss / 1024 << " MiB\n";
  if (usage.ru_maxrss > most_memory_kb) {
    std::cerr << "took more than " << most_memory_kb / 1024 << " MiB\n";
    return 1;
  }
  return count > 0 ? 0 : 1;
}
