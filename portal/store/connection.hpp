#pragma once

#include <soci/session.h>
#include <soci/statement.h>

#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace signet::portal::store {

// What StoreOptions::database names.
struct Database {
  enum class Kind : std::uint8_t { sqlite, postgresql };
  Kind kind = Kind::sqlite;
  std::string name;  // the file, or libpq's keywords
};
base::Result<Database> database(std::string_view text);

// Numbers are 64 bits wide, text is UTF-8 without NUL, and what is absent is NULL.
using Number = long long;
using Value = std::variant<Number, std::string, std::optional<Number>, std::optional<std::string>>;
struct Parameter {
  std::string name;  // as in the SQL, where it stands after a colon and may stand several times
  Value value;
};
using Parameters = std::vector<Parameter>;

// Thrown by work that finds that it must not be committed; `error` is its caller's answer.
struct Refused : std::runtime_error {
  explicit Refused(base::Error why) : std::runtime_error(why.detail), error(std::move(why)) {}
  base::Error error;
};
base::Error error_of(const std::exception& exception);

// A connection and the statements that it has prepared. One thread at a time. Its functions throw soci_error; a connection that
// has thrown is to be destroyed: a statement of it may still be in the middle of its rows, and with it an old snapshot.
class Connection {
 public:
  // `at_hand`, for who must not be kept waiting: what another has locked is an error at once, and a
  // large SQLite file is mapped: a disk that cannot be read then ends the process (SIGBUS).
  enum class Use : std::uint8_t { worker, at_hand };
  explicit Connection(const Database& database, Use use = Use::worker);

  bool postgresql() const { return kind_ == Database::Kind::postgresql; }
  // SQLite takes its write lock here, so that no transaction finds at its end that another was faster.
  void begin();
  void begin_snapshot();  // to read several tables as of one moment
  void commit();
  // Statements that are run once.
  void run(const std::string& sql);
  // How many rows it changed. The texts are few: each is prepared once and kept.
  std::uint64_t execute(std::string_view sql, Parameters parameters);
  // All rows: to stop before the last one would leave a transaction open.
  template <class... Columns>
  std::vector<std::tuple<Columns...>> rows(std::string_view sql, Parameters parameters);

 private:
  // One value of a statement: what SOCI is bound to, at an address that stays.
  struct Slot {
    bool is_text = false;
    Number number = 0;
    std::string text;
    soci::indicator indicator = soci::i_ok;

    void take(Value&& value);
    void give(Number& value) const { value = number; }
    void give(std::string& value) { value = std::move(text); }
    void give(std::optional<Number>& value) const;
    void give(std::optional<std::string>& value);
  };
  struct Statement {
    explicit Statement(soci::session& session) : statement(session) {}
    std::deque<Slot> parameters, columns;
    soci::statement statement;
  };
  // `texts` says of each column whether it is text.
  Statement& prepared(std::string_view sql, Parameters&& parameters, const std::vector<bool>& texts);

  Database::Kind kind_;
  soci::session session_;
  struct HashOfText : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::unique_ptr<Statement>, HashOfText, std::equal_to<>> statements_;
};

template <class T>
inline constexpr bool is_text_column = std::is_same_v<T, std::string> || std::is_same_v<T, std::optional<std::string>>;

template <class... Columns>
std::vector<std::tuple<Columns...>> Connection::rows(std::string_view sql, Parameters parameters) {
  static const std::vector<bool> texts{is_text_column<Columns>...};
  Statement& statement = prepared(sql, std::move(parameters), texts);
  std::vector<std::tuple<Columns...>> all;
  statement.statement.execute();
  while (statement.statement.fetch()) {
    auto slot = statement.columns.begin();
    std::apply([&slot](auto&... column) { ((slot++)->give(column), ...); }, all.emplace_back());
  }
  return all;
}

}  // namespace signet::portal::store
