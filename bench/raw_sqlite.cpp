#include "raw_sqlite.hpp"

#include <openssl/rand.h>

#include <stdexcept>

#include "base/bytes.hpp"

namespace signet::bench {
namespace {

using Statement = base::Owned<sqlite3_stmt, sqlite3_finalize>;

void step(const Statement& statement) {
  if (sqlite3_step(statement.get()) != SQLITE_DONE) throw std::runtime_error("SQLite: a step failed");
  sqlite3_reset(statement.get());
}

void bind(const Statement& statement, int at, const std::string& text) {
  sqlite3_bind_text(statement.get(), at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

}  // namespace

RawSqlite::RawSqlite(const std::filesystem::path& file) {
  sqlite3* made = nullptr;
  const int opened = sqlite3_open(file.c_str(), &made);
  database_.reset(made);
  if (opened != SQLITE_OK) throw std::runtime_error("SQLite: " + file.string());
  sqlite3_busy_timeout(made, 10'000);
  run("PRAGMA journal_mode = WAL");
  run("PRAGMA synchronous = FULL");
}

void RawSqlite::run(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(database_.get()));
}

std::vector<std::string> RawSqlite::texts(const std::string& sql) {
  std::vector<std::string> all;
  const Statement statement = prepared(sql);
  while (sqlite3_step(statement.get()) == SQLITE_ROW)
    all.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0)));
  return all;
}

Statement RawSqlite::prepared(const std::string& sql) {
  sqlite3_stmt* made = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &made, nullptr) != SQLITE_OK)
    throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(database_.get()));
  return Statement(made);
}

RawPosts::RawPosts(const std::filesystem::path& file, std::size_t contents)
    : RawSqlite(file),
      contents_(contents),
      begin_(prepared("BEGIN IMMEDIATE")),
      request_(
          prepared("INSERT INTO requests (id, consumer_id, short_description, description, delegator_type, contents, results, "
                   "status, reason, instrument, claim_key, claim_until, contents_deleted, posted_at, expires_at) VALUES "
                   "(?1, 'shop', 'Invoice', 'Invoice 2026-11 of the bench', 0, ?2, 0, 0, '', '', '', 0, 0, ?3, ?3 + 3600)")),
      content_(prepared("INSERT INTO contents (request_id, number, digest, correlation_id, name) VALUES (?1, ?2, ?3, ?4, ?5)")),
      end_(prepared("COMMIT")) {}

void RawPosts::commit(std::size_t requests) {
  const auto now = static_cast<sqlite3_int64>(::time(nullptr));
  step(begin_);
  for (std::size_t i = 0; i < requests; ++i) {
    base::Bytes random(16);
    ::RAND_bytes(random.data(), static_cast<int>(random.size()));
    const std::string id = base::hex(random);
    bind(request_, 1, id);
    sqlite3_bind_int64(request_.get(), 2, static_cast<sqlite3_int64>(contents_));
    sqlite3_bind_int64(request_.get(), 3, now);
    step(request_);
    for (std::size_t n = 0; n < contents_; ++n) {
      bind(content_, 1, id);
      sqlite3_bind_int64(content_.get(), 2, static_cast<sqlite3_int64>(n));
      bind(content_, 3, "sha256:" + id + id);
      bind(content_, 4, "c" + std::to_string(n));
      bind(content_, 5, "invoice-" + std::to_string(n) + ".pdf");
      step(content_);
    }
  }
  step(end_);
}

}  // namespace signet::bench
