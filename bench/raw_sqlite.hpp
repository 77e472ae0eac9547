#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/owned.hpp"

namespace signet::bench {

// SQLite by itself, on a database with the portal's tables. Throws where it fails.
class RawSqlite {
 public:
  explicit RawSqlite(const std::filesystem::path& file);
  void run(const std::string& sql);
  std::vector<std::string> texts(const std::string& sql);  // the first column

 protected:
  base::Owned<sqlite3_stmt, sqlite3_finalize> prepared(const std::string& sql);
  base::Owned<sqlite3, sqlite3_close> database_;
};

// The floor of what a post writes: the rows of a request, with a write-ahead log that is flushed at each commit (synchronous =
// FULL), as the portal's store has it.
class RawPosts : public RawSqlite {
 public:
  RawPosts(const std::filesystem::path& file, std::size_t contents);
  // `requests` of them in one transaction.
  void commit(std::size_t requests);

 private:
  std::size_t contents_;
  base::Owned<sqlite3_stmt, sqlite3_finalize> begin_, request_, content_, end_;
};

}  // namespace signet::bench
