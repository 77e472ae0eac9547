#include "store/requests.hpp"

#include <algorithm>

namespace signet::portal::store {
namespace {

// SignStatus as in the rows, and in the schema's indexes.
static_assert(static_cast<int>(SignStatus::pending) == 0 && static_cast<int>(SignStatus::success) == 1 &&
              static_cast<int>(SignStatus::failure) == 2 && static_cast<int>(SignStatus::expired) == 3);

// Nobody signs it, and its time is over; who signs has a day more, and not for ever.
#define SIGNET_DUE "expires_at <= :now AND (claim_until <= :now OR expires_at + 86400 <= :now)"
// By :key: it holds the request, or nobody does and there is time left.
#define SIGNET_MAY_SIGN                                                                                                  \
  "status = 0 AND ((claim_until > :now AND claim_key = :key AND expires_at + 86400 > :now) OR (claim_until <= :now AND " \
  "expires_at > :now))"

// Stands in the row after a release, until another claims: a key that let go does not come back with a call that was on its way.
std::string released(const std::string& key) { return "released " + key; }

// A statement for each content would be a trip to PostgreSQL for each; SOCI's vectors are no other.
constexpr std::size_t contents_at_once = 100;

const std::string& insert_contents_sql(std::size_t rows) {
  static const auto text = [](std::size_t count) {
    std::string sql = "INSERT INTO contents (request_id, number, digest, correlation_id, name) VALUES ";
    for (std::size_t i = 0; i < count; ++i) {
      const std::string n = std::to_string(i);
      sql += (i == 0 ? "(:i" : ", (:i") + n + ", :n" + n + ", :d" + n + ", :c" + n + ", :t" + n + ")";
    }
    return sql;
  };
  static const std::string one = text(1), many = text(contents_at_once);
  return rows == 1 ? one : many;
}

void insert_contents(Connection& connection, const std::string& id, std::span<const StoredContent> contents) {
  Parameters parameters;
  parameters.reserve(contents.size() * 5);
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const std::string n = std::to_string(i);
    const auto& content = contents[i];
    std::string digest(base::name(content.digest.algorithm()));
    digest += ':';
    digest += base::hex(content.digest.bytes());
    parameters.push_back({"i" + n, id});
    parameters.push_back({"n" + n, Number{content.number}});
    parameters.push_back({"d" + n, std::move(digest)});
    parameters.push_back({"c" + n, content.correlation_id});
    parameters.push_back({"t" + n, content.name});
  }
  connection.execute(insert_contents_sql(contents.size()), std::move(parameters));
}

bool is_due(Number status, Number expires, Number claim_until, base::Time now) {
  return status == static_cast<Number>(SignStatus::pending) && expires <= number_of(now) &&
         (claim_until <= number_of(now) || expires + 86'400 <= number_of(now));
}

StoredResult result_of(Number number, std::optional<std::string> correlation_id, std::string signature,
                       const std::string& certificate) {
  auto der = base::from_base64(certificate);
  if (!der) throw Refused({base::ErrorCode::file_failed, "a certificate in the database is none", 0, {}});
  return {static_cast<std::uint32_t>(number), std::move(correlation_id), std::move(signature), std::move(*der)};
}

constexpr const char* request_columns =
    "id, consumer_id, short_description, description, delegated_role_id, delegator_id, delegator_type, signer_id, contents, "
    "results, "
    "status, reason, instrument, contents_deleted, posted_at, expires_at, ended_at, claim_until";

std::vector<RequestRow> request_rows(Connection& connection, const std::string& where, Parameters parameters, base::Time now) {
  using Text = std::string;
  using MaybeText = std::optional<std::string>;
  using MaybeNumber = std::optional<Number>;
  std::vector<RequestRow> all;
  for (auto& [id, consumer, short_description, description, role, delegator, delegator_type, signer, contents, results, status,
              reason, instrument, deleted, posted, expires, ended, claim_until] :
       connection.rows<Text, Text, Text, Text, MaybeNumber, MaybeText, Number, MaybeText, Number, Number, Number, Text, Text,
                       Number, Number, Number, MaybeNumber, Number>(
           "SELECT " + std::string(request_columns) + " FROM requests " + where, std::move(parameters))) {
    auto& [request, due] = all.emplace_back();
    request.id = std::move(id);
    request.consumer_id = std::move(consumer);
    request.short_description = std::move(short_description);
    request.description = std::move(description);
    if (role)
      request.expected_signer = ExpectedSigner{static_cast<int>(*role), std::move(delegator),
                                               static_cast<DelegatorType>(delegator_type), std::move(signer)};
    request.contents = static_cast<std::uint32_t>(contents);
    request.results = static_cast<std::uint32_t>(results);
    request.status = static_cast<SignStatus>(status);
    request.reason = std::move(reason);
    request.instrument = std::move(instrument);
    request.contents_deleted = deleted != 0;
    request.posted_at = time_of(posted);
    request.expires_at = time_of(expires);
    if (ended) request.ended_at = time_of(*ended);
    request.claimed_until = time_of(claim_until);
    due = is_due(status, expires, claim_until, now);
  }
  return all;
}

// Why an update found nothing to change.
ClaimOutcome refusal(Connection& connection, const Claim& claim) {
  const auto row = read_request(connection, claim.request_id, claim.now);
  if (!row) return ClaimOutcome::unknown;
  if (row->request.status != SignStatus::pending) return ClaimOutcome::ended;
  if (!row->due) return ClaimOutcome::held;
  expire(connection, claim.request_id, claim.now);
  return ClaimOutcome::ended;
}

ClaimOutcome end(Connection& connection, const Claim& claim, SignStatus status, const std::string& reason) {
  const auto changed = connection.execute(
      "UPDATE requests SET status = :status, reason = :reason, ended_at = :now, claim_key = '', claim_until = 0 "
      "WHERE id = :id AND " SIGNET_MAY_SIGN,
      {{"status", static_cast<Number>(status)},
       {"reason", reason},
       {"now", number_of(claim.now)},
       {"id", claim.request_id},
       {"key", claim.key}});
  return changed > 0 ? ClaimOutcome::claimed : refusal(connection, claim);
}

}  // namespace

void insert_request(Connection& connection, const std::string& id, const NewRequest& request) {
  const auto& signer = request.expected_signer;
  connection.execute(
      "INSERT INTO requests (id, consumer_id, short_description, description, delegated_role_id, delegator_id, delegator_type, "
      "signer_id, contents, results, status, reason, instrument, claim_key, claim_until, contents_deleted, posted_at, "
      "expires_at) "
      "VALUES (:id, :consumer, :short, :description, :role, :delegator, :delegator_type, :signer, :contents, 0, 0, '', '', '', "
      "0, 0, "
      ":posted, :expires)",
      {{"id", id},
       {"consumer", request.consumer_id},
       {"short", request.short_description},
       {"description", request.description},
       {"role", signer ? std::optional<Number>(signer->delegated_role_id) : std::optional<Number>()},
       {"delegator", signer ? signer->delegator_id : std::optional<std::string>()},
       {"delegator_type", signer ? static_cast<Number>(signer->delegator_type) : Number{0}},
       {"signer", signer ? signer->id : std::optional<std::string>()},
       {"contents", static_cast<Number>(request.contents.size())},
       {"posted", number_of(request.posted_at)},
       {"expires", number_of(request.expires_at)}});
  std::span<const StoredContent> left = request.contents;
  for (; left.size() >= contents_at_once; left = left.subspan(contents_at_once))
    insert_contents(connection, id, left.first(contents_at_once));
  for (; !left.empty(); left = left.subspan(1)) insert_contents(connection, id, left.first(1));
}

std::optional<RequestRow> read_request(Connection& connection, const std::string& id, base::Time now) {
  auto rows = request_rows(connection, "WHERE id = :id", {{"id", id}}, now);
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

std::optional<FetchedRow> read_fetched(Connection& connection, const std::string& id, base::Time now, std::uint32_t most) {
  using MaybeText = std::optional<std::string>;
  auto rows = connection.rows<std::string, Number, std::string, Number, Number, Number, Number, std::optional<Number>, MaybeText,
                              MaybeText, MaybeText>(
      "SELECT q.consumer_id, q.status, q.reason, q.contents_deleted, q.results, q.expires_at, q.claim_until, r.number, "
      "c.correlation_id, r.signature, r.certificate FROM requests q "
      "LEFT JOIN results r ON r.request_id = q.id AND q.status <> 0 AND q.contents_deleted = 0 AND q.results <= :most "
      "LEFT JOIN contents c ON c.request_id = r.request_id AND c.number = r.number WHERE q.id = :id ORDER BY r.number",
      {{"id", id}, {"most", Number{most}}});
  if (rows.empty()) return std::nullopt;
  auto& [consumer, status, reason, deleted, results, expires, claim_until, first, c, s, d] = rows.front();
  FetchedRow row;
  row.fetched = {std::move(consumer), static_cast<SignStatus>(status), std::move(reason), deleted != 0, {}};
  row.due = is_due(status, expires, claim_until, now);
  row.has_more = status != static_cast<Number>(SignStatus::pending) && deleted == 0 && results > Number{most};
  if (!first) return row;
  row.fetched.results.reserve(rows.size());
  for (auto& one : rows)
    row.fetched.results.push_back(
        result_of(*std::get<7>(one), std::move(std::get<8>(one)), *std::move(std::get<9>(one)), *std::get<10>(one)));
  return row;
}

std::vector<StoredRequest> list_requests(Connection& connection, const Store::Listing& listing, base::Time now) {
  std::string where = "WHERE 1 = 1";
  Parameters parameters{{"count", Number{listing.count}}};
  if (listing.consumer_id) {
    where += " AND consumer_id = :consumer";
    parameters.push_back({"consumer", *listing.consumer_id});
  }
  if (listing.status == SignStatus::pending || listing.status == SignStatus::expired) {
    where += listing.status == SignStatus::pending ? " AND status = 0 AND NOT (" SIGNET_DUE ")"
                                                   : " AND (status = 3 OR (status = 0 AND " SIGNET_DUE "))";
    parameters.push_back({"now", number_of(now)});
  } else if (listing.status) {
    where += *listing.status == SignStatus::success ? " AND status = 1" : " AND status = 2";
  }
  std::vector<StoredRequest> requests;
  for (auto& row : request_rows(connection, where + " ORDER BY posted_at DESC LIMIT :count", std::move(parameters), now)) {
    if (row.due) row.request.status = SignStatus::expired;
    requests.push_back(std::move(row.request));
  }
  return requests;
}

std::vector<StoredContent> read_contents(Connection& connection, const std::string& id, std::uint32_t first, std::uint32_t count,
                                         bool only_unsigned) {
  const std::string unsigned_too =
      "SELECT c.number, c.digest, c.correlation_id, c.name FROM contents c JOIN requests q ON q.id = c.request_id "
      "WHERE c.request_id = :id AND c.number >= :first AND q.contents_deleted = 0 ";
  const std::string without_result =
      "AND NOT EXISTS (SELECT 1 FROM results r WHERE r.request_id = c.request_id AND r.number = c.number) ";
  std::vector<StoredContent> contents;
  for (auto& [number, digest, correlation_id, name] :
       connection.rows<Number, std::string, std::optional<std::string>, std::optional<std::string>>(
           unsigned_too + (only_unsigned ? without_result : "") + "ORDER BY c.number LIMIT :count",
           {{"id", id}, {"first", Number{first}}, {"count", Number{count}}})) {
    auto parsed = base::parse_digest(digest);
    if (!parsed) throw Refused({base::ErrorCode::file_failed, "a digest in the database is none", 0, {}});
    contents.push_back({static_cast<std::uint32_t>(number), *parsed, std::move(correlation_id), std::move(name)});
  }
  return contents;
}

std::vector<StoredResult> read_results(Connection& connection, const std::string& id) {
  std::vector<StoredResult> results;
  for (auto& [number, correlation_id, signature, certificate] :
       connection.rows<Number, std::optional<std::string>, std::string, std::string>(
           "SELECT r.number, c.correlation_id, r.signature, r.certificate FROM results r JOIN requests q ON q.id = r.request_id "
           "JOIN contents c ON c.request_id = r.request_id AND c.number = r.number "
           "WHERE r.request_id = :id AND q.contents_deleted = 0 ORDER BY r.number",
           {{"id", id}})) {
    results.push_back(result_of(number, std::move(correlation_id), std::move(signature), certificate));
  }
  return results;
}

void expire(Connection& connection, const std::string& id, base::Time now) {
  connection.execute(
      "UPDATE requests SET status = 3, ended_at = :now, claim_key = '', claim_until = 0 "
      "WHERE id = :id AND status = 0 AND " SIGNET_DUE,
      {{"id", id}, {"now", number_of(now)}});
}

ClaimOutcome claim(Connection& connection, const Claim& claim, const std::string& instrument) {
  const auto changed = connection.execute(
      "UPDATE requests SET claim_key = :key, claim_until = :until, instrument = :instrument "
      "WHERE id = :id AND claim_key <> :released AND " SIGNET_MAY_SIGN,
      {{"key", claim.key},
       {"released", released(claim.key)},
       {"until", number_of(claim.until)},
       {"instrument", instrument},
       {"id", claim.request_id},
       {"now", number_of(claim.now)}});
  return changed > 0 ? ClaimOutcome::claimed : refusal(connection, claim);
}

void release(Connection& connection, const std::string& id, const std::string& key) {
  connection.execute(
      "UPDATE requests SET claim_key = :released, claim_until = 0 WHERE id = :id AND status = 0 AND claim_key = :key",
      {{"id", id}, {"released", released(key)}, {"key", key}});
}

SavedResults save(Connection& connection, const Claim& claim, const std::vector<StoredResult>& results) {
  const auto held = connection.rows<Number, Number>(
      "UPDATE requests SET claim_until = CASE WHEN claim_key = :released THEN 0 ELSE :until END, "
      "claim_key = CASE WHEN claim_key = :released THEN claim_key ELSE :key END WHERE id = :id AND " SIGNET_MAY_SIGN
      " RETURNING contents, results",
      {{"key", claim.key},
       {"released", released(claim.key)},
       {"until", number_of(claim.until)},
       {"id", claim.request_id},
       {"now", number_of(claim.now)}});
  SavedResults outcome;
  if (held.empty()) {
    outcome.claim = refusal(connection, claim);
    return outcome;
  }
  outcome.claim = ClaimOutcome::claimed;
  const auto [contents, results_before] = held.front();
  for (const auto& result : results) {
    if (result.number >= contents)
      throw Refused({base::ErrorCode::parameter_invalid, "a result of a content that was not posted", 0, {}});
    outcome.saved += static_cast<std::uint32_t>(
        connection.execute("INSERT INTO results (request_id, number, signature, certificate) "
                           "VALUES (:id, :number, :signature, :certificate) ON CONFLICT (request_id, number) DO NOTHING",
                           {{"id", claim.request_id},
                            {"number", Number{result.number}},
                            {"signature", result.signature},
                            {"certificate", base::base64(result.certificate)}}));
  }
  const Number results_now = results_before + outcome.saved;
  outcome.missing = static_cast<std::uint32_t>(contents - results_now);
  if (outcome.missing == 0) {
    connection.execute(
        "UPDATE requests SET results = :results, status = 1, ended_at = :now, claim_key = '', claim_until = 0 "
        "WHERE id = :id",
        {{"results", results_now}, {"now", number_of(claim.now)}, {"id", claim.request_id}});
  } else if (outcome.saved > 0) {
    connection.execute("UPDATE requests SET results = :results WHERE id = :id",
                       {{"results", results_now}, {"id", claim.request_id}});
  }
  return outcome;
}

ClaimOutcome give_up(Connection& connection, const Claim& claim, const std::string& reason) {
  return end(connection, claim, SignStatus::failure, reason);
}

ClaimOutcome expire_early(Connection& connection, const Claim& claim) { return end(connection, claim, SignStatus::expired, {}); }

std::uint64_t expire_some(Connection& connection, base::Time now, std::uint32_t most) {
  // Of PostgreSQL's, what another transaction has locked is left for the next sweep: a sweep waits for nobody. In the order of
  // the index: without it PostgreSQL, which plans for no particular time, believes that a third is due and reads the whole table.
  const std::string some = std::string(
                               "UPDATE requests SET status = 3, ended_at = :now, claim_key = '', claim_until = 0 WHERE id IN ("
                               "SELECT id FROM requests WHERE status = 0 AND " SIGNET_DUE " ORDER BY expires_at LIMIT :most") +
                           (connection.postgresql() ? " FOR UPDATE SKIP LOCKED)" : ")");
  return connection.execute(some, {{"now", number_of(now)}, {"most", Number{most}}});
}

std::vector<Deletable> deletable(Connection& connection, base::Time ended_before, std::uint32_t most) {
  std::vector<Deletable> all;
  for (auto& [id, contents] : connection.rows<std::string, Number>(
           "SELECT id, contents FROM requests WHERE contents_deleted < 2 AND ended_at IS NOT NULL AND ended_at < :before "
           "ORDER BY ended_at LIMIT :most",
           {{"before", number_of(ended_before)}, {"most", Number{most}}}))
    all.push_back({std::move(id), static_cast<std::uint32_t>(contents)});
  return all;
}

void begin_deletion(Connection& connection, const std::string& id) {
  connection.execute("UPDATE requests SET contents_deleted = 1 WHERE id = :id AND contents_deleted = 0", {{"id", id}});
}

void delete_contents(Connection& connection, const std::string& id, std::uint32_t from, std::uint32_t to) {
  const Parameters parameters{{"id", id}, {"from", Number{from}}, {"to", Number{to}}};
  connection.execute("DELETE FROM results WHERE request_id = :id AND number >= :from AND number < :to", parameters);
  connection.execute("DELETE FROM contents WHERE request_id = :id AND number >= :from AND number < :to", parameters);
}

bool end_deletion(Connection& connection, const std::string& id) {
  // Whose signature over what it was goes along; that there was a request, of whom and how it ended, stays.
  return connection.execute(
             "UPDATE requests SET contents_deleted = 2, short_description = '', description = '', signer_id = NULL, delegator_id "
             "= NULL "
             "WHERE id = :id AND contents_deleted < 2",
             {{"id", id}}) > 0;
}

#undef SIGNET_DUE
#undef SIGNET_MAY_SIGN

}  // namespace signet::portal::store
