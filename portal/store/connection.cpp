#include "store/connection.hpp"

#include <fcntl.h>
#include <soci/error.h>
#include <soci/into.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <soci/use.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

namespace signet::portal::store {
namespace {

constexpr auto lock_timeout = std::chrono::seconds(10);        // for another's transaction to end
constexpr auto statement_timeout = std::chrono::seconds(120);  // PostgreSQL: 100 000 contents take some seconds
constexpr std::uintmax_t mapped_from = std::uintmax_t{256} << 20;
constexpr auto connect_timeout = std::chrono::seconds(5);
// A server whose machine is gone is noticed in some 20 s, not in TCP's two hours.
constexpr const char* server_gone = " keepalives_idle=10 keepalives_interval=5 keepalives_count=2 tcp_user_timeout=20000";

std::string milliseconds(std::chrono::milliseconds time) { return std::to_string(time.count()); }

// SQLite would create the file for all to read: what is signed, and by whom, is in it. Not opened and closed here: that would
// give up the locks that another connection of this process may hold on it (POSIX advisory locks).
void create_private(const std::string& file) {
  if (::mknod(file.c_str(), S_IFREG | S_IRUSR | S_IWUSR, 0) == 0 || errno == EEXIST) return;
  throw std::runtime_error("cannot create the database's file: " + std::string(std::strerror(errno)));
}

// A connection is one thread's at a time: SQLite need not lock at each of its functions, nor count what all of them hold.
void spare_mutexes() {
  static const int spared =
      sqlite_api::sqlite3_config(SQLITE_CONFIG_MULTITHREAD) + sqlite_api::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(spared);
}

void prepare_sqlite(soci::session& session) {
  using namespace std::chrono_literals;
  // SQLite does not wait for a lock while it changes to WAL, and several may be at their first start.
  const auto end = std::chrono::steady_clock::now() + lock_timeout;
  for (std::string mode; mode != "wal";) {
    try {
      session << "PRAGMA journal_mode = WAL", soci::into(mode);
    } catch (const soci::sqlite3_soci_error& error) {
      if (error.result() != SQLITE_BUSY || std::chrono::steady_clock::now() > end) throw;
      std::this_thread::sleep_for(5ms);
      continue;
    }
    if (mode != "wal") throw std::runtime_error("SQLite cannot keep a write-ahead log there: " + mode);
  }
  session << "PRAGMA synchronous = FULL";
  session << "PRAGMA foreign_keys = ON";
  session << "PRAGMA temp_store = MEMORY";
  session << "PRAGMA cache_size = -2048";  // KiB, for each connection: the rest is in the system's cache
}

void prepare_postgresql(soci::session& session) {
  // Without the DETAIL of an error, which quotes what is in the row.
  auto* backend = static_cast<soci::postgresql_session_backend*>(session.get_backend());
  ::PQsetErrorVerbosity(backend->conn_, PQERRORS_TERSE);
  session << "SET client_min_messages = error";  // libpq would write notices to our stderr
  session << "SET client_encoding = 'UTF8'";
  session << "SET default_transaction_isolation = 'read committed'";
  session << "SET statement_timeout = " + milliseconds(statement_timeout);
  session << "SET lock_timeout = " + milliseconds(lock_timeout);
  // An instance that hangs must not keep a request locked.
  session << "SET idle_in_transaction_session_timeout = " + milliseconds(statement_timeout);
}

}  // namespace

base::Result<Database> database(std::string_view text) {
  const auto wrong = [](std::string why) { return base::failure(base::ErrorCode::configuration_invalid, std::move(why)); };
  constexpr std::string_view sqlite = "sqlite:", postgresql = "postgresql:";
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20) return wrong("a database's name has a control character");
  if (text.starts_with(sqlite)) {
    const auto file = text.substr(sqlite.size());
    if (file.empty() || file == ":memory:") return wrong("sqlite: wants a file");
    if (file.find('"') != std::string_view::npos) return wrong("SOCI takes no file with a quotation mark in its name");
    return Database{Database::Kind::sqlite, std::string(file)};
  }
  // Others' keywords may follow ours: the last one counts.
  if (text.starts_with(postgresql))
    return Database{Database::Kind::postgresql, "connect_timeout=" + std::to_string(connect_timeout.count()) + server_gone +
                                                    " application_name=signet-portal " +
                                                    std::string(text.substr(postgresql.size()))};
  return wrong("a database is sqlite:FILE or postgresql:CONNINFO");
}

base::Error error_of(const std::exception& exception) {
  if (const auto* refused = dynamic_cast<const Refused*>(&exception)) return refused->error;
  // what() of SOCI's goes on with the statement and its parameters: those are not for a log.
  const auto* soci = dynamic_cast<const soci::soci_error*>(&exception);
  std::string why = soci != nullptr ? soci->get_error_message() : exception.what();
  while (!why.empty() && (why.back() == '\n' || why.back() == ' ')) why.pop_back();
  return {base::ErrorCode::file_failed, "database: " + why, 0, {}};
}

Connection::Connection(const Database& database, Use use) : kind_(database.kind) {
  if (postgresql()) {
    session_.open(*soci::factory_postgresql(), database.name);
    prepare_postgresql(session_);
  } else {
    spare_mutexes();
    create_private(database.name);
    session_.open(*soci::factory_sqlite3(), "dbname=\"" + database.name + "\" timeout=" + std::to_string(lock_timeout.count()));
    prepare_sqlite(session_);
    if (use == Use::at_hand) {
      session_ << "PRAGMA busy_timeout = 0";
      // Its reads are single rows all over the file: of a large one a copy of each page costs more than what is then done with
      // it. A small one is not mapped: what the process holds of it stays as small as its cache.
      std::error_code unknown;
      const auto size = std::filesystem::file_size(database.name, unknown);
      if (!unknown && size >= mapped_from) session_ << "PRAGMA mmap_size = 2147418112";  // SQLite's most: 2 GiB
    }
  }
}

void Connection::run(const std::string& sql) { session_ << sql; }
void Connection::begin() { execute(postgresql() ? "BEGIN" : "BEGIN IMMEDIATE", {}); }
void Connection::begin_snapshot() { execute(postgresql() ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN", {}); }
void Connection::commit() { execute("COMMIT", {}); }

void Connection::Slot::take(Value&& value) {
  indicator = soci::i_ok;
  if (auto* plain_number = std::get_if<Number>(&value)) {
    number = *plain_number;
  } else if (auto* plain_text = std::get_if<std::string>(&value)) {
    text = std::move(*plain_text);
  } else if (auto* maybe_number = std::get_if<std::optional<Number>>(&value)) {
    if (!*maybe_number) indicator = soci::i_null;
    number = maybe_number->value_or(0);
  } else if (auto* maybe_text = std::get_if<std::optional<std::string>>(&value)) {
    if (!*maybe_text) indicator = soci::i_null;
    text = std::move(*maybe_text).value_or(std::string());
  }
}

void Connection::Slot::give(std::optional<Number>& value) const {
  if (indicator == soci::i_ok) value = number;
}

void Connection::Slot::give(std::optional<std::string>& value) {
  if (indicator == soci::i_ok) value = std::move(text);
}

Connection::Statement& Connection::prepared(std::string_view sql, Parameters&& parameters, const std::vector<bool>& texts) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    auto made = std::make_unique<Statement>(session_);
    made->statement.alloc();
    made->statement.prepare(std::string(sql));
    for (const bool is_text : texts) {
      Slot& slot = made->columns.emplace_back();
      if (is_text) {
        made->statement.exchange(soci::into(slot.text, slot.indicator));
      } else {
        made->statement.exchange(soci::into(slot.number, slot.indicator));
      }
    }
    for (const auto& parameter : parameters) {
      Slot& slot = made->parameters.emplace_back();
      slot.is_text = std::holds_alternative<std::string>(parameter.value) ||
                     std::holds_alternative<std::optional<std::string>>(parameter.value);
      if (slot.is_text) {
        made->statement.exchange(soci::use(slot.text, slot.indicator, parameter.name));
      } else {
        made->statement.exchange(soci::use(slot.number, slot.indicator, parameter.name));
      }
    }
    made->statement.define_and_bind();
    found = statements_.emplace(sql, std::move(made)).first;
  }
  Statement* const known = found->second.get();
  if (known->parameters.size() != parameters.size() || known->columns.size() != texts.size())
    throw std::logic_error("a statement with other parameters than before");
  for (std::size_t i = 0; i < parameters.size(); ++i) known->parameters[i].take(std::move(parameters[i].value));
  return *known;
}

std::uint64_t Connection::execute(std::string_view sql, Parameters parameters) {
  Statement& statement = prepared(sql, std::move(parameters), {});
  statement.statement.execute(true);
  return static_cast<std::uint64_t>(statement.statement.get_affected_rows());
}

}  // namespace signet::portal::store
