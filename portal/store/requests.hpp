#pragma once

#include "portal/store.hpp"
#include "store/connection.hpp"

// What Store does with requests, in SQL: each of these is a part of a transaction, and throws as Connection does. All that
// decides is an update with a condition: it locks the request's row, so that what follows of the transaction is alone with it,
// also where several instances use one database that lets each read what the others have committed in the meantime.
namespace signet::portal::store {

inline Number number_of(base::Time time) { return time.time_since_epoch().count(); }
inline base::Time time_of(Number number) { return base::Time(std::chrono::seconds(number)); }

void insert_request(Connection& connection, const std::string& id, const NewRequest& request);

// A request and whether it is to become expired: its status is that of its row.
struct RequestRow {
  StoredRequest request;
  bool due = false;
};
std::optional<RequestRow> read_request(Connection& connection, const std::string& id, base::Time now);
// What Store::fetch() gives, without the results where there are more than `most`; and whether it is to become expired.
struct FetchedRow {
  Store::Fetched fetched;
  bool has_more = false;
  bool due = false;
};
std::optional<FetchedRow> read_fetched(Connection& connection, const std::string& id, base::Time now, std::uint32_t most);
// Its status is `expired` where it is due.
std::vector<StoredRequest> list_requests(Connection& connection, const Store::Listing& listing, base::Time now);
std::vector<StoredContent> read_contents(Connection& connection, const std::string& id, std::uint32_t first, std::uint32_t count,
                                         bool only_unsigned);
std::vector<StoredResult> read_results(Connection& connection, const std::string& id);

void expire(Connection& connection, const std::string& id, base::Time now);
ClaimOutcome claim(Connection& connection, const Claim& claim, const std::string& instrument);
void release(Connection& connection, const std::string& id, const std::string& key);
// Refused with parameter_invalid for a result of a content that was not posted.
SavedResults save(Connection& connection, const Claim& claim, const std::vector<StoredResult>& results);
ClaimOutcome give_up(Connection& connection, const Claim& claim, const std::string& reason);
ClaimOutcome expire_early(Connection& connection, const Claim& claim);

// The steps of a sweep. How many have expired, at most `most`.
std::uint64_t expire_some(Connection& connection, base::Time now, std::uint32_t most);
struct Deletable {
  std::string id;
  std::uint32_t contents = 0;
};
std::vector<Deletable> deletable(Connection& connection, base::Time ended_before, std::uint32_t most);
// From now on nothing of it is shown.
void begin_deletion(Connection& connection, const std::string& id);
void delete_contents(Connection& connection, const std::string& id, std::uint32_t from, std::uint32_t to);
// Whether it was not yet.
bool end_deletion(Connection& connection, const std::string& id);

}  // namespace signet::portal::store
