#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <thread>

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
}
