#include "trust/cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/digest.hpp"
#include "base/owned.hpp"
#include "base/text.hpp"
#include "net/descriptor.hpp"

namespace signet::trust {
namespace {

using base::ErrorCode;
using net::Descriptor;

constexpr std::string_view first_line = "signet cache 1 ";  // and when it was fetched, RFC 3339
constexpr std::size_t head_size = first_line.size() + 21;
constexpr std::string_view ending = ".kept", part_ending = ".part";
constexpr std::size_t name_size = 64;
constexpr time_t part_is_left_after_s = 3'600;  // by a process that ended while it wrote

std::string name_of(std::string_view key) {
  return base::hex(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(key)).bytes()) + std::string(ending);
}

bool is_ours(std::string_view name) {
  return (name.size() == name_size + ending.size() && name.ends_with(ending)) ||
         (name.starts_with('.') && name.ends_with(part_ending));
}

bool write_all(int file, base::BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

// As many as the file said that it has: one that grows or shrinks meanwhile is none.
bool read_all(int file, base::Bytes& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t got = ::read(file, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  char more = 0;
  return ::read(file, &more, 1) == 0;
}

struct Kept {
  std::string name;
  std::size_t size;
  timespec written;
};

}  // namespace

struct Cache::Folder {
  Descriptor descriptor;  // what is opened within cannot be moved away under it
  Limits limits;

  std::vector<Kept> files() const;
  void make_room() const;
};

// What is not of our making stays as it is.
std::vector<Kept> Cache::Folder::files() const {
  std::vector<Kept> out;
  Descriptor again(::openat(descriptor.number(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again) return out;
  const base::Owned<DIR, closedir> listing{::fdopendir(again.number())};
  if (!listing) return out;
  (void)again.release();  // the listing's now
  while (const dirent* entry = ::readdir(listing.get())) {
    struct stat status{};
    if (!is_ours(entry->d_name) || ::fstatat(descriptor.number(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    out.push_back({entry->d_name, static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)), status.st_mtim});
  }
  return out;
}

void Cache::Folder::make_room() const {
  auto all = files();
  std::ranges::sort(all, [](const Kept& a, const Kept& b) {
    return std::pair(a.written.tv_sec, a.written.tv_nsec) < std::pair(b.written.tv_sec, b.written.tv_nsec);
  });
  std::size_t bytes = 0;
  for (const Kept& one : all) bytes += one.size;
  std::size_t count = all.size();
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);  // only for files of ours that were left behind
  for (const Kept& one : all) {
    const bool part = one.name.ends_with(part_ending);
    const bool left = part && now.tv_sec - one.written.tv_sec > part_is_left_after_s;
    if (!left && (part || (bytes <= limits.most_bytes && count <= limits.most_files))) continue;
    if (::unlinkat(descriptor.number(), one.name.c_str(), 0) != 0) continue;
    bytes -= one.size;
    --count;
  }
}

base::Result<Cache> Cache::open(const std::filesystem::path& folder, Limits limits) {
  const std::string shown = base::shown(folder.string(), 200);
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return base::failure(ErrorCode::file_failed, shown + ": " + std::strerror(errno), static_cast<std::uint64_t>(errno));
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!descriptor || ::fstat(descriptor.number(), &status) != 0)
    return base::failure(ErrorCode::configuration_invalid, shown + " is not a folder: " + std::strerror(errno),
                         static_cast<std::uint64_t>(errno));
  if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return base::failure(ErrorCode::configuration_invalid, shown + " is not of this user alone");
  return Cache(std::make_shared<const Folder>(Folder{std::move(descriptor), limits}));
}

std::optional<Cache::Entry> Cache::get(std::string_view key, std::size_t most) const {
  // O_NONBLOCK: a pipe that somebody put there would wait for a writer.
  const Descriptor file(
      ::openat(folder_->descriptor.number(), name_of(key).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!file || ::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid())
    return std::nullopt;
  const auto size = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  if (size < head_size || size - head_size > most) return std::nullopt;
  base::Bytes bytes(size);
  if (!read_all(file.number(), bytes)) return std::nullopt;
  const std::string_view head = base::as_text(bytes).substr(0, head_size);
  if (!head.starts_with(first_line) || !head.ends_with('\n')) return std::nullopt;
  const auto fetched = base::from_rfc3339(head.substr(first_line.size(), 20));
  if (!fetched) return std::nullopt;
  return Entry{.content = {bytes.begin() + static_cast<std::ptrdiff_t>(head_size), bytes.end()}, .fetched = *fetched};
}

void Cache::put(std::string_view key, base::BytesView content, base::Time fetched) const {
  static std::atomic<unsigned> number{0};
  const std::string head = std::string(first_line) + base::rfc3339(fetched) + "\n";
  if (head.size() != head_size || content.size() + head_size > folder_->limits.most_bytes) return;
  const std::string part = "." + std::to_string(::getpid()) + "-" + std::to_string(++number) + std::string(part_ending);
  const int folder = folder_->descriptor.number();
  {
    const Descriptor file(::openat(folder, part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return;
    if (!write_all(file.number(), base::as_bytes(head)) || !write_all(file.number(), content)) {
      ::unlinkat(folder, part.c_str(), 0);
      return;
    }
  }
  if (::renameat(folder, part.c_str(), folder, name_of(key).c_str()) != 0) ::unlinkat(folder, part.c_str(), 0);
  folder_->make_room();
}

}  // namespace signet::trust
