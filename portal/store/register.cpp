#include "store/register.hpp"

#include <algorithm>

#include "store/requests.hpp"

namespace signet::portal::store {
namespace {

// Always first: it locks the counter, so that changes of the register follow each other.
void count_change(Connection& connection) {
  connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'consumers'", {});
}

base::Error damaged(std::string what) { return {base::ErrorCode::file_failed, "the register's " + what + " is none", 0, {}}; }

}  // namespace

std::vector<Consumer> read_consumers(Connection& connection) {
  std::vector<Consumer> all;
  connection.begin_snapshot();
  for (auto& [id, name, environment, active] : connection.rows<std::string, std::string, Number, Number>(
           "SELECT id, name, environment, active FROM consumers ORDER BY id", {}))
    all.push_back({std::move(id), std::move(name), static_cast<Environment>(environment), active != 0, {}, {}, {}});
  const auto of = [&all](const std::string& id) -> Consumer& {
    const auto found = std::ranges::lower_bound(all, id, {}, &Consumer::id);
    if (found == all.end() || found->id != id) throw Refused(damaged("consumer"));
    return *found;
  };
  for (auto& [id, serial, issuer, not_after] : connection.rows<std::string, std::string, std::string, std::optional<Number>>(
           "SELECT consumer_id, serial, issuer_sha256, not_after FROM consumer_certificates ORDER BY consumer_id, number", {}))
    of(id).certificates.push_back({std::move(serial), std::move(issuer),
                                   not_after ? std::optional<base::Time>(time_of(*not_after)) : std::optional<base::Time>()});
  for (auto& [id, text] : connection.rows<std::string, std::string>(
           "SELECT consumer_id, addresses FROM consumer_addresses ORDER BY consumer_id, number", {})) {
    const auto range = address_range(text);
    if (!range) throw Refused(damaged("address"));
    of(id).addresses.push_back(*range);
  }
  for (auto& [id, prefix] : connection.rows<std::string, std::string>(
           "SELECT consumer_id, prefix FROM consumer_return_urls ORDER BY consumer_id, number", {}))
    of(id).return_urls.push_back(std::move(prefix));
  connection.commit();
  return all;
}

void put_consumer(Connection& connection, const Consumer& consumer) {
  count_change(connection);
  connection.execute(
      "INSERT INTO consumers (id, name, environment, active) VALUES (:id, :name, :environment, :active) "
      "ON CONFLICT (id) DO UPDATE SET name = excluded.name, environment = excluded.environment, active = excluded.active",
      {{"id", consumer.id},
       {"name", consumer.name},
       {"environment", static_cast<Number>(consumer.environment)},
       {"active", Number{consumer.active ? 1 : 0}}});
  connection.execute("DELETE FROM consumer_certificates WHERE consumer_id = :id", {{"id", consumer.id}});
  connection.execute("DELETE FROM consumer_addresses WHERE consumer_id = :id", {{"id", consumer.id}});
  connection.execute("DELETE FROM consumer_return_urls WHERE consumer_id = :id", {{"id", consumer.id}});
  Number number = 0;
  for (const auto& certificate : consumer.certificates) {
    const auto inserted = connection.execute(
        "INSERT INTO consumer_certificates (consumer_id, number, serial, issuer_sha256, not_after) "
        "VALUES (:id, :number, :serial, :issuer, :not_after) ON CONFLICT (issuer_sha256, serial) DO NOTHING",
        {{"id", consumer.id},
         {"number", number++},
         {"serial", certificate.serial_hex},
         {"issuer", certificate.issuer_sha256},
         {"not_after",
          certificate.not_after ? std::optional<Number>(number_of(*certificate.not_after)) : std::optional<Number>()}});
    if (inserted == 0)
      throw Refused(
          {base::ErrorCode::parameter_invalid, "certificate " + certificate.serial_hex + " is another consumer's", 0, {}});
  }
  number = 0;
  for (const auto& range : consumer.addresses)
    connection.execute("INSERT INTO consumer_addresses (consumer_id, number, addresses) VALUES (:id, :number, :addresses)",
                       {{"id", consumer.id}, {"number", number++}, {"addresses", range.text()}});
  number = 0;
  for (const auto& prefix : consumer.return_urls)
    connection.execute("INSERT INTO consumer_return_urls (consumer_id, number, prefix) VALUES (:id, :number, :prefix)",
                       {{"id", consumer.id}, {"number", number++}, {"prefix", prefix}});
}

bool remove_consumer(Connection& connection, const std::string& id) {
  count_change(connection);
  return connection.execute("DELETE FROM consumers WHERE id = :id", {{"id", id}}) > 0;
}

std::uint64_t consumers_version(Connection& connection) {
  const auto values = connection.rows<Number>("SELECT value FROM counters WHERE name = 'consumers'", {});
  if (values.empty()) throw Refused(damaged("version"));
  return static_cast<std::uint64_t>(std::get<0>(values.front()));
}

base::Bytes shared_secret(Connection& connection, const std::string& name, const base::Bytes& proposed) {
  connection.execute("INSERT INTO secrets (name, secret) VALUES (:name, :secret) ON CONFLICT (name) DO NOTHING",
                     {{"name", name}, {"secret", base::hex(proposed)}});
  const auto kept = connection.rows<std::string>("SELECT secret FROM secrets WHERE name = :name", {{"name", name}});
  auto secret = kept.empty() ? base::Result<base::Bytes>(base::Bytes()) : base::from_hex(std::get<0>(kept.front()));
  if (!secret || secret->size() != proposed.size())
    throw Refused({base::ErrorCode::file_failed, "a shared secret is damaged", 0, {}});
  return std::move(*secret);
}

}  // namespace signet::portal::store
