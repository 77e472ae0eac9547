#include "test_database.hpp"

#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

namespace signet::test {
namespace {

std::string folder_of_its_own() {
  std::string folder = (std::filesystem::temp_directory_path() / "signet-store-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return folder;
}

std::unique_ptr<soci::session> session_of(const std::string& name) {
  const std::string rest = name.substr(name.find(':') + 1);
  if (TestDatabase::is_postgresql()) {
    auto session = std::make_unique<soci::session>(*soci::factory_postgresql(), rest);
    *session << "SET client_min_messages = error";
    return session;
  }
  return std::make_unique<soci::session>(*soci::factory_sqlite3(), "dbname=\"" + rest + "\" timeout=10");
}

class LockedSession : public TestDatabase::Locked {
 public:
  explicit LockedSession(std::unique_ptr<soci::session> session) : session_(std::move(session)) {
    if (TestDatabase::is_postgresql()) {
      *session_ << "BEGIN";
      *session_ << "LOCK TABLE requests IN EXCLUSIVE MODE";
    } else {
      *session_ << "BEGIN IMMEDIATE";
    }
  }
  void end() override { *session_ << "ROLLBACK"; }

 private:
  std::unique_ptr<soci::session> session_;
};

}  // namespace

bool TestDatabase::is_postgresql() {
  const char* kind = std::getenv("SIGNET_TEST_DATABASE");
  return kind != nullptr && std::string(kind) == "postgresql";
}

TestDatabase::TestDatabase() {
  static std::atomic<int> count = 0;
  if (is_postgresql()) {
    schema_ = "test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
    name_ = "postgresql:";  // where it is says the environment (PGHOST, PGPORT …)
    run("CREATE SCHEMA " + schema_);
    name_ = "postgresql:options='-c search_path=" + schema_ + "'";
  } else {
    folder_ = folder_of_its_own();
    name_ = "sqlite:" + folder_ + "/a b=c.db";
  }
}

TestDatabase::~TestDatabase() {
  try {
    if (!schema_.empty()) run("DROP SCHEMA " + schema_ + " CASCADE");
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  } catch (const std::exception&) {  // pg_virtualenv takes it with it
  }
}

std::unique_ptr<portal::Store> TestDatabase::open() const {
  portal::StoreOptions options;
  options.database = name_;
  auto store = portal::Store::open(options);
  if (!store) throw std::runtime_error(store.error().detail);
  return std::move(*store);
}

void TestDatabase::run(const std::string& sql) const { *session_of(name_) << sql; }

std::vector<std::string> TestDatabase::texts(const std::string& sql) const {
  const auto session = session_of(name_);
  std::vector<std::string> all;
  for (const std::string& text : soci::rowset<std::string>((session->prepare << sql))) all.push_back(text);
  return all;
}

long long TestDatabase::number(const std::string& sql) const {
  const auto session = session_of(name_);
  long long number = -1;
  *session << sql, soci::into(number);
  return number;
}

std::unique_ptr<TestDatabase::Locked> TestDatabase::locked() const { return std::make_unique<LockedSession>(session_of(name_)); }

portal::NewRequest new_request(std::uint32_t contents) {
  portal::NewRequest request;
  request.consumer_id = "shop";
  request.short_description = "Contract";
  request.description = "Contract 17";
  for (std::uint32_t i = 0; i < contents; ++i) {
    const std::string text = "content " + std::to_string(i);
    request.contents.push_back(
        {i, base::digest(base::DigestAlgorithm::sha256, base::as_bytes(text)), "c" + std::to_string(i), std::nullopt});
  }
  request.posted_at = at(1000);
  request.expires_at = at(2000);
  return request;
}

portal::StoredResult result_of(std::uint32_t number, const std::string& signature) {
  return {number, std::nullopt, signature, base::Bytes{0x30, 0x00, 0xFF}};
}

}  // namespace signet::test
