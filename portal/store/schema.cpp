#include "store/schema.hpp"

#include <array>
#include <chrono>

namespace signet::portal::store {
namespace {

// Migrations are only ever added: a database remembers how many of them it has seen. What differs between the databases:
// {key} is the type of short identifiers, which have no language's order; {by_key} has SQLite keep a table in its primary key,
// so that a small row costs one page and not two.
constexpr std::array first{
    // What decides about a request stands in its row: `results` counts those of the other table, so that no look-up counts rows.
    "CREATE TABLE requests ("
    " id {key} NOT NULL PRIMARY KEY,"
    " consumer_id {key} NOT NULL,"
    " short_description TEXT NOT NULL,"
    " description TEXT NOT NULL,"
    " delegated_role_id BIGINT,"  // NULL: no signer was named
    " delegator_id TEXT,"
    " delegator_type BIGINT NOT NULL,"
    " signer_id TEXT,"
    " contents BIGINT NOT NULL,"
    " results BIGINT NOT NULL,"
    " status BIGINT NOT NULL,"  // SignStatus
    " reason TEXT NOT NULL,"
    " instrument TEXT NOT NULL,"
    " claim_key TEXT NOT NULL,"
    " claim_until BIGINT NOT NULL,"
    " contents_deleted BIGINT NOT NULL,"  // 0, 1 while it is being done, 2
    " posted_at BIGINT NOT NULL,"         // seconds since the epoch, as all times
    " expires_at BIGINT NOT NULL,"
    " ended_at BIGINT)",
    // For sweep(): as small as what there is to do.
    "CREATE INDEX requests_pending ON requests (expires_at) WHERE status = 0",
    "CREATE INDEX requests_ended ON requests (ended_at) WHERE contents_deleted < 2 AND ended_at IS NOT NULL",
    // For list().
    "CREATE INDEX requests_posted ON requests (posted_at)",
    "CREATE INDEX requests_of_consumer ON requests (consumer_id, posted_at)",
    // No foreign keys: both are written in the transaction that has the request's row, and a check for each row is what posting
    // 100 000 of them would mostly do.
    "CREATE TABLE contents ("
    " request_id {key} NOT NULL,"
    " number BIGINT NOT NULL,"
    " digest TEXT NOT NULL,"  // sha256:…
    " correlation_id TEXT,"
    " name TEXT,"
    " PRIMARY KEY (request_id, number)) {by_key}",
    "CREATE TABLE results ("
    " request_id {key} NOT NULL,"
    " number BIGINT NOT NULL,"
    " signature TEXT NOT NULL,"
    " certificate TEXT NOT NULL,"  // base64
    " PRIMARY KEY (request_id, number))",
    "CREATE TABLE consumers ("
    " id {key} NOT NULL PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " environment BIGINT NOT NULL,"
    " active BIGINT NOT NULL)",
    // A certificate lets one consumer in: with two it would not say who calls.
    "CREATE TABLE consumer_certificates ("
    " consumer_id {key} NOT NULL REFERENCES consumers (id) ON DELETE CASCADE,"
    " number BIGINT NOT NULL,"
    " serial {key} NOT NULL,"
    " issuer_sha256 {key} NOT NULL,"
    " not_after BIGINT,"
    " PRIMARY KEY (consumer_id, number),"
    " UNIQUE (issuer_sha256, serial))",
    "CREATE TABLE consumer_addresses ("
    " consumer_id {key} NOT NULL REFERENCES consumers (id) ON DELETE CASCADE,"
    " number BIGINT NOT NULL,"
    " addresses TEXT NOT NULL,"
    " PRIMARY KEY (consumer_id, number))",
    "CREATE TABLE consumer_return_urls ("
    " consumer_id {key} NOT NULL REFERENCES consumers (id) ON DELETE CASCADE,"
    " number BIGINT NOT NULL,"
    " prefix TEXT NOT NULL,"
    " PRIMARY KEY (consumer_id, number))",
    "CREATE TABLE counters (name {key} NOT NULL PRIMARY KEY, value BIGINT NOT NULL)",
    "INSERT INTO counters (name, value) VALUES ('consumers', 0)",
    "CREATE TABLE secrets (name {key} NOT NULL PRIMARY KEY, secret TEXT NOT NULL)",
};
constexpr std::array<Migration, 1> all{first};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

std::string in_dialect(const Connection& connection, const char* statement) {
  const std::string typed = replaced(statement, "{key}", connection.postgresql() ? "TEXT COLLATE \"C\"" : "TEXT");
  return replaced(typed, "{by_key}", connection.postgresql() ? "" : "WITHOUT ROWID");
}

}  // namespace

std::span<const Migration> migrations() { return all; }

base::Result<void> migrate(Connection& connection, std::span<const Migration> to) {
  connection.begin();
  // Any number, the same in all instances; it is given back with the end of the transaction.
  if (connection.postgresql()) connection.run("SELECT pg_advisory_xact_lock(7310577382525465955)");
  connection.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)");
  const auto versions = connection.rows<Number>("SELECT version FROM schema_version ORDER BY version DESC LIMIT 1", {});
  const Number version = versions.empty() ? 0 : std::get<0>(versions.front());
  if (version > static_cast<Number>(to.size()))
    return base::failure(base::ErrorCode::configuration_invalid, "the database's schema is of version " +
                                                                     std::to_string(version) + ", newer than this program's " +
                                                                     std::to_string(to.size()));
  const Number now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch().count();
  for (auto next = static_cast<std::size_t>(version); next < to.size(); ++next) {
    for (const char* statement : to[next]) connection.run(in_dialect(connection, statement));
    connection.execute("INSERT INTO schema_version (version, applied_at) VALUES (:version, :now)",
                       {{"version", static_cast<Number>(next + 1)}, {"now", now}});
  }
  connection.commit();
  return {};
}

}  // namespace signet::portal::store
