#include "drivers/trusted_file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace signet::drivers {
namespace {

using Header = std::array<unsigned char, 20>;  // e_ident, e_type, e_machine: as long in both classes

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Refusal> refuse(Distrust why, std::filesystem::path where, int error = 0) {
  return std::unexpected(Refusal{why, std::move(where), error});
}

std::unexpected<Refusal> refuse_errno(std::filesystem::path where) {
  const int error = errno;
  return refuse(error == ENOENT || error == ENOTDIR ? Distrust::missing : Distrust::unreadable, std::move(where), error);
}

std::optional<std::filesystem::path> resolved(const std::filesystem::path& file) {
  const std::unique_ptr<char, decltype(&std::free)> path(::realpath(file.c_str(), nullptr), &std::free);
  if (path == nullptr) return {};
  return std::filesystem::path(path.get());
}

bool is_below(const std::filesystem::path& file, const std::filesystem::path& folder) {
  const auto [in_folder, in_file] = std::ranges::mismatch(folder, file);
  return in_folder == folder.end() && in_file != file.end();
}

std::optional<Header> header_of(int file) {
  Header header{};
  if (::pread(file, header.data(), header.size(), 0) != static_cast<ssize_t>(header.size())) return {};
  return header;
}

// e_type and e_machine are in the file's own byte order; they are only compared where that is this machine's.
std::uint16_t half(const Header& header, std::size_t at) {
  std::uint16_t value = 0;
  std::memcpy(&value, header.data() + at, sizeof value);
  return value;
}

constexpr std::size_t type_at = 16;
constexpr std::size_t machine_at = 18;

std::optional<Distrust> judge_elf(int file) {
  static const std::optional<Header> own = [] {
    const Descriptor self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    return header_of(self.get());
  }();
  const auto header = header_of(file);
  if (!header || std::memcmp(header->data(), ELFMAG, SELFMAG) != 0) return Distrust::not_a_library;
  if (!own || (*header)[EI_CLASS] != (*own)[EI_CLASS] || (*header)[EI_DATA] != (*own)[EI_DATA] ||
      half(*header, machine_at) != half(*own, machine_at))
    return Distrust::other_architecture;
  if (half(*header, type_at) != ET_DYN) return Distrust::not_a_library;
  return {};
}

bool owner_is_trusted(const struct stat& status, const TrustPolicy& policy) {
  return status.st_uid == 0 || status.st_uid == policy.user;
}

}  // namespace

std::expected<std::filesystem::path, Refusal> trusted_module(const std::filesystem::path& file, const TrustPolicy& policy) {
  if (!file.is_absolute()) return refuse(Distrust::outside_allowed_folders, file);
  const auto path = resolved(file);
  if (!path) return refuse_errno(file);
  const bool allowed = std::ranges::any_of(policy.allowed_folders, [&](const std::filesystem::path& folder) {
    const auto real = resolved(folder);
    return real && is_below(*path, *real);
  });
  if (!allowed) return refuse(Distrust::outside_allowed_folders, *path);

  // From the root, each step below the folder that was just looked at: nothing can be moved in between.
  std::filesystem::path where = "/";
  Descriptor at(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const std::filesystem::path& step : *path) {
    const bool is_root = step == "/";
    const bool is_file = !is_root && where / step == *path;
    if (!is_root) {
      where /= step;
      // O_PATH: a device or a FIFO is not opened to be looked at.
      Descriptor next(::openat(at.get(), step.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (next.get() < 0) return refuse_errno(where);
      at = std::move(next);
    }
    struct stat status{};
    if (::fstat(at.get(), &status) != 0) return refuse_errno(where);
    if (is_file && !S_ISREG(status.st_mode)) return refuse(Distrust::not_regular, where);
    if (!owner_is_trusted(status, policy)) return refuse(is_file ? Distrust::file_owner : Distrust::folder_owner, where);
    // In a sticky folder others can neither remove nor rename what is not theirs.
    const bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky)
      return refuse(is_file ? Distrust::file_writable_by_others : Distrust::folder_writable_by_others, where);
  }
  const Descriptor content(::open(("/proc/self/fd/" + std::to_string(at.get())).c_str(), O_RDONLY | O_CLOEXEC));
  if (content.get() < 0) return refuse_errno(*path);
  if (const auto flaw = judge_elf(content.get())) return refuse(*flaw, *path);
  return *path;
}

}  // namespace signet::drivers
