#include "host/wear.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <memory>

namespace signet::pkcs11::host {
namespace {

std::size_t descriptors() {
  const std::unique_ptr<DIR, decltype([](DIR* folder) { closedir(folder); })> folder(opendir("/proc/self/fd"));
  if (folder == nullptr) return 0;
  std::size_t count = 0;
  while (readdir(folder.get()) != nullptr) ++count;
  return count - std::min<std::size_t>(count, 3);  // ".", ".." and the folder's own
}

// A line such as "VmSwap:	       0 kB" of /proc/self/status.
std::size_t kilobytes(std::string_view status, std::string_view name) {
  const std::size_t at = status.find(name);
  if (at == std::string_view::npos) return 0;
  const std::size_t digits = status.find_first_of("0123456789", at + name.size());
  if (digits == std::string_view::npos) return 0;
  std::size_t value = 0;
  std::from_chars(status.data() + digits, status.data() + status.size(), value);
  return value;
}

std::size_t memory_mb() {
  char text[4096];
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t size = read(file, text, sizeof text);
  close(file);
  if (size <= 0) return 0;
  const std::string_view status(text, static_cast<std::size_t>(size));
  return (kilobytes(status, "\nRssAnon:") + kilobytes(status, "\nVmSwap:")) / 1024;
}

}  // namespace

bool bound_descriptors(const WearLimits& limits) {
  rlimit bound{};
  if (getrlimit(RLIMIT_NOFILE, &bound) != 0) return false;
  const rlim_t most = std::min<rlim_t>(bound.rlim_max, 2 * limits.descriptors);
  bound = {most, most};
  return setrlimit(RLIMIT_NOFILE, &bound) == 0;
}

SelfEnd worn_out(const WearLimits& limits) {
  if (descriptors() > limits.descriptors) return SelfEnd::descriptors;
  if (memory_mb() > limits.memory_mb) return SelfEnd::memory;
  return SelfEnd::none;
}

}  // namespace signet::pkcs11::host
