#include "memory_scan.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace signet::test {
namespace {

constexpr std::uintptr_t sanitizer_shadow = std::uintptr_t{1} << 32;  // terabytes of it, and no data

// Read through a mapping of its own, which the scan of its own process leaves out.
class Window {
 public:
  static constexpr std::size_t size = std::size_t{1} << 20;
  Window() : data_(static_cast<std::uint8_t*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~Window() { munmap(data_, size); }
  Window(const Window&) = delete;  // owns a mapping
  Window& operator=(const Window&) = delete;
  std::uint8_t* data() const { return data_; }
  bool holds(std::uintptr_t address) const {
    const auto begin = reinterpret_cast<std::uintptr_t>(data_);
    return address >= begin && address < begin + size;
  }

 private:
  std::uint8_t* data_;
};

}  // namespace

std::optional<unsigned> copies_in_memory(pid_t process, base::BytesView needle) {
  const std::string folder = "/proc/" + std::to_string(process);
  std::ifstream maps(folder + "/maps");
  const int memory = open((folder + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (!maps || memory < 0) return std::nullopt;
  const Window window;
  const auto own = process == getpid() ? reinterpret_cast<std::uintptr_t>(needle.data()) : 0;
  unsigned copies = 0;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    char readable = '-';
    if (std::sscanf(line.c_str(), "%lx-%lx %c", &begin, &end, &readable) != 3 || readable != 'r') continue;
    if (end - begin > sanitizer_shadow) continue;
    // Windows overlap by the needle, so that none is missed at a border.
    for (std::uintptr_t at = begin; at < end; at += Window::size - needle.size()) {
      const auto size = pread(memory, window.data(), std::min<std::size_t>(Window::size, end - at), static_cast<off_t>(at));
      if (size <= 0) break;
      const std::uint8_t* from = window.data();
      const std::uint8_t* const to = from + size;
      while ((from = std::search(from, to, needle.begin(), needle.end())) != to) {
        const std::uintptr_t address = at + static_cast<std::uintptr_t>(from - window.data());
        const bool counted_before = at != begin && address < at + 1;
        if (!(own != 0 && (address == own || window.holds(address))) && !counted_before) ++copies;
        ++from;
      }
    }
  }
  close(memory);
  return copies;
}

}  // namespace signet::test
