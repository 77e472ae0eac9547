#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/time.hpp"

namespace signet::signing {

// The record of what was signed: one text line an entry, each with the hash of the one before, so that a change or a cut in
// the middle shows. No PINs, no names, no subjects. Format: docs/JOURNAL.md. One thread; one process at a time (a lock file).
class Journal {
 public:
  struct Recovery {
    bool torn_line_removed = false;  // the last line had no end: the machine stopped while it was written
  };
  using Field = std::pair<std::string_view, std::string>;  // values are percent-encoded when written

  // Creates the file (0600) and its folder (0700) if need be. file_failed, disk_full.
  static base::Result<Journal> open(const std::filesystem::path& file);
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal();

  const Recovery& recovery() const;
  // Makes sure that so many bytes more can be written: before the PIN is asked for. disk_full.
  base::Result<void> reserve(std::size_t bytes);
  // One write. disk_full, file_failed.
  base::Result<void> append(base::Time time, std::string_view event, const std::vector<Field>& fields);
  // The hash of the last line: what is put on record elsewhere, so that a truncation shows.
  std::string head() const;

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct JournalReport {
  bool intact = false;
  std::size_t entries = 0;
  std::size_t first_bad_line = 0;  // 0: none
  std::string head;
  bool torn_last_line = false;
};
// Follows the chain of hashes. It proves nothing about lines cut from the end: compare `head` with the system journal's.
base::Result<JournalReport> verify_journal(const std::filesystem::path& file);

}  // namespace signet::signing
