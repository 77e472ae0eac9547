#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <thread>

#include "store/schema.hpp"
#include "test_database.hpp"

using namespace signet;
using namespace signet::portal;
using base::ErrorCode;

namespace {

base::Result<std::unique_ptr<Store>> opened(const std::string& database) {
  StoreOptions options;
  options.database = database;
  return Store::open(options);
}

}  // namespace

TEST_CASE("several instances may start at once on an empty database") {
  for (int round = 0; round < 5; ++round) {
    test::TestDatabase database;
    std::vector<std::thread> instances;
    std::vector<std::string> errors(4);
    for (std::size_t i = 0; i < errors.size(); ++i) {
      instances.emplace_back([&, i] {
        if (auto store = opened(database.name()); !store) errors[i] = store.error().detail;
      });
    }
    for (auto& instance : instances) instance.join();
    for (const auto& error : errors) CHECK(error == "");
    CHECK(database.number("SELECT count(*) FROM schema_version") == 1);
    CHECK(database.number("SELECT count(*) FROM counters") == 1);
  }
}

TEST_CASE("a database is opened again as it was left") {
  test::TestDatabase database;
  database.open().reset();
  const auto applied = database.number("SELECT applied_at FROM schema_version");
  database.run("UPDATE counters SET value = 41");
  database.open().reset();
  CHECK(database.number("SELECT value FROM counters") == 41);
  CHECK(database.number("SELECT applied_at FROM schema_version") == applied);
}

TEST_CASE("a schema that is newer than the program is refused and left alone") {
  test::TestDatabase database;
  database.open().reset();
  database.run("INSERT INTO schema_version (version, applied_at) VALUES (1000, 0)");
  const auto store = opened(database.name());
  REQUIRE(!store);
  CHECK(store.error().code == ErrorCode::configuration_invalid);
  CHECK(store.error().detail.find("1000") != std::string::npos);
  CHECK(database.number("SELECT count(*) FROM schema_version") == 2);
}

TEST_CASE("a name that is no database's is refused") {
  for (const std::string name :
       {"", "sqlite", "sqlite:", "sqlite::memory:", "mysql:host=a", "/var/lib/x.db", "sqlite:/tmp/a\nb", "sqlite:/tmp/a\"b"}) {
    const auto store = opened(name);
    REQUIRE(!store);
    CHECK(store.error().code == ErrorCode::configuration_invalid);
  }
}

TEST_CASE("a database that cannot be reached is file_failed, without a secret in its reason") {
  for (const std::string name : {"sqlite:/nowhere/at/all.db", "postgresql:host=127.0.0.1 port=1 password=very-secret"}) {
    const auto store = opened(name);
    REQUIRE(!store);
    CHECK(store.error().code == ErrorCode::file_failed);
    CHECK(store.error().detail.find("very-secret") == std::string::npos);
  }
}

TEST_CASE("a file that is no database is refused and left alone") {
  if (test::TestDatabase::is_postgresql()) return;
  test::TestDatabase database;
  const std::string text(5000, 'x');
  std::FILE* file = std::fopen(database.file().c_str(), "w");
  REQUIRE(file != nullptr);
  CHECK(std::fputs(text.c_str(), file) >= 0);
  CHECK(std::fclose(file) == 0);
  CHECK(opened(database.name()).error().code == ErrorCode::file_failed);
  struct stat status{};
  REQUIRE(::stat(database.file().c_str(), &status) == 0);
  CHECK(status.st_size == 5000);
}

TEST_CASE("what is signed is for its user alone: the file and what SQLite puts beside it") {
  if (test::TestDatabase::is_postgresql()) return;
  test::OpenStore at_work;
  at_work.answer(at_work.store->post(test::new_request()));
  for (const char* end : {"", "-wal", "-shm"}) {
    struct stat status{};
    REQUIRE(::stat((at_work.database.file() + end).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
}

TEST_CASE("SQLite writes ahead and flushes each commit") {
  if (test::TestDatabase::is_postgresql()) return;
  test::OpenStore at_work;
  CHECK(at_work.database.texts("PRAGMA journal_mode").at(0) == "wal");
  // Of a connection as the store makes them: the file does not remember it.
  store::Connection connection(*store::database(at_work.database.name()));
  constexpr store::Number full = 2;
  CHECK(std::get<0>(connection.rows<store::Number>("PRAGMA synchronous", {}).at(0)) == full);
}

namespace {

// What a later version of this program might bring.
constexpr std::array second{"ALTER TABLE requests ADD COLUMN language TEXT", "UPDATE requests SET language = 'ro'",
                            "CREATE TABLE notes (request_id {key} NOT NULL PRIMARY KEY, note TEXT NOT NULL) {by_key}"};
constexpr std::array broken{"UPDATE requests SET language = 'en'", "DELETE FROM results", "SELECT nothing FROM nowhere"};

std::vector<store::Migration> with(std::initializer_list<store::Migration> later) {
  std::vector<store::Migration> all(store::migrations().begin(), store::migrations().end());
  all.insert(all.end(), later);
  return all;
}

}  // namespace

TEST_CASE("a next version's migration keeps all that is there, once, and this program then refuses the database") {
  test::OpenStore at_work;
  const auto id = at_work.answer(at_work.store->post(test::new_request(3)));
  const Claim claim{id, "key", test::at(1100), test::at(1200)};
  REQUIRE(at_work.answer(at_work.store->claim(claim, "moldsign")) == ClaimOutcome::claimed);
  REQUIRE(at_work.answer(at_work.store->save(claim, {test::result_of(1, "<Kept/>")})).saved == 1);
  at_work.store.reset();
  const test::TestDatabase& database = at_work.database;
  const auto before = static_cast<long long>(store::migrations().size());
  for (int started = 0; started < 2; ++started) {
    store::Connection connection(*store::database(database.name()));
    REQUIRE(store::migrate(connection, with({second})));
    CHECK(database.number("SELECT max(version) FROM schema_version") == before + 1);
    CHECK(database.texts("SELECT language FROM requests") == std::vector<std::string>{"ro"});
    CHECK(database.number("SELECT count(*) FROM contents") == 3);
    CHECK(database.texts("SELECT signature FROM results") == std::vector<std::string>{"<Kept/>"});
    database.run("INSERT INTO notes (request_id, note) VALUES ('" + id + std::to_string(started) + "', 'once')");
  }
  CHECK(opened(database.name()).error().code == ErrorCode::configuration_invalid);
}

TEST_CASE("a migration that fails leaves the database as it was, to the version before it") {
  test::TestDatabase database;
  database.open().reset();
  database.run("UPDATE counters SET value = 41");
  {
    store::Connection connection(*store::database(database.name()));
    CHECK_THROWS(store::migrate(connection, with({second, broken})));
  }
  CHECK(database.number("SELECT max(version) FROM schema_version") == static_cast<long long>(store::migrations().size()));
  const auto store = opened(database.name());
  REQUIRE(store);
  CHECK(database.number("SELECT value FROM counters") == 41);
  CHECK_THROWS(database.number("SELECT count(*) FROM notes"));
}
