#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <vector>

namespace signet::drivers {

// Why a module is not loaded.
enum class Distrust : std::uint8_t {
  missing,
  unreadable,  // `error` is the errno
  outside_allowed_folders,
  not_regular,
  file_owner,  // neither root's nor the user's
  file_writable_by_others,
  folder_owner,
  folder_writable_by_others,
  not_a_library,  // no ELF shared object
  other_architecture,
};

struct Refusal {
  Distrust why = Distrust::missing;
  std::filesystem::path where;  // the file or the folder that is at fault
  int error = 0;
  bool operator==(const Refusal&) const = default;
};

struct TrustPolicy {
  // Where a module may be, at any depth; their own symbolic links are resolved.
  std::vector<std::filesystem::path> allowed_folders{"/usr", "/opt"};
  uid_t user = 0;  // whose files are trusted beside root's
};

// Looks at a module's file, without loading it. The answer is its path without symbolic links: a shared object for this machine,
// which root or the user owns, as every folder on its way, and which nobody else may write (in sticky folders, such as /tmp, others
// may write what is theirs). What is loaded must be that path and
// not the one that was asked for: then nobody but root and the user can have put another file there since, or can do so later,
// for all of the way belongs to them. Against those two, who could as well replace this program, nothing is promised; nor of
// what the module itself links to, which the loader finds in its own folders. Access control lists count as group rights do.
// Any thread; reads the disk.
std::expected<std::filesystem::path, Refusal> trusted_module(const std::filesystem::path& file, const TrustPolicy& policy);

}  // namespace signet::drivers
