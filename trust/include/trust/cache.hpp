#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace signet::trust {

// Files that can be had again, in a folder of the user's own (0700), by name. A file is written beside and renamed, so that another
// process sees the old one or the new one; what is read may be anything all the same, and is for the caller to verify. When there
// are too many, or too large, those that were written first go. Failures to write are not told: it is only a cache. Any thread, any
// number of processes.
class Cache {
 public:
  struct Limits {
    std::size_t most_bytes = 256u << 20;  // of all files
    std::size_t most_files = 4'096;
  };
  // Makes the folder where it is not there. file_failed with errno; configuration_invalid if it is another user's, if others can
  // write to it, or if it is no folder.
  static base::Result<Cache> open(const std::filesystem::path& folder, Limits limits);
  static base::Result<Cache> open(const std::filesystem::path& folder) { return open(folder, Limits{}); }

  struct Entry {
    base::Bytes content;
    base::Time fetched;  // as it was told to put()
  };
  // Nothing for what is not there, is larger than `most`, or is not a regular file of this user as put() writes them: links, pipes
  // and devices are not opened. `key`: any text.
  std::optional<Entry> get(std::string_view key, std::size_t most) const;
  void put(std::string_view key, base::BytesView content, base::Time fetched) const;

 private:
  struct Folder;
  explicit Cache(std::shared_ptr<const Folder> folder) : folder_(std::move(folder)) {}
  std::shared_ptr<const Folder> folder_;
};

}  // namespace signet::trust
