#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "portal/consumers.hpp"
#include "portal/contract.hpp"

namespace signet::portal {

// One thing to be signed, as it was posted. `number` counts from 0 in the order of the request.
struct StoredContent {
  std::uint32_t number = 0;
  base::Digest digest;
  std::optional<std::string> correlation_id;
  std::optional<std::string> name;
};

struct NewRequest {
  std::string consumer_id;
  std::string short_description, description;
  std::optional<ExpectedSigner> expected_signer;
  std::vector<StoredContent> contents;
  base::Time posted_at{}, expires_at{};
};

struct StoredRequest {
  std::string id;  // 32 lower-case hexadecimal digits from the system's random source
  std::string consumer_id;
  std::string short_description, description;
  std::optional<ExpectedSigner> expected_signer;
  std::uint32_t contents = 0;  // how many were posted
  std::uint32_t results = 0;   // how many of them are signed
  SignStatus status = SignStatus::pending;
  std::string reason;      // with failure: a code, such as "user_cancelled"; its words are chosen when it is shown
  std::string instrument;  // the one that was used last; empty if none
  bool contents_deleted = false;
  base::Time posted_at{}, expires_at{};
  base::Time claimed_until{};  // past, or 1970: nobody is signing
  std::optional<base::Time> ended_at;
};

struct StoredResult {
  std::uint32_t number = 0;
  std::optional<std::string> correlation_id;
  std::string signature;    // XML
  base::Bytes certificate;  // DER of the signer's
};

// Who may sign a request: one page at a time, for as long as it shows that it lives. `key` is the page's own random secret.
struct Claim {
  std::string request_id, key;
  base::Time now{}, until{};
};

enum class ClaimOutcome : std::uint8_t {
  claimed,  // by this key; the same key claims again to go on
  held,     // another page signs
  ended,    // the request is not pending any more
  unknown,
};

struct SavedResults {
  ClaimOutcome claim = ClaimOutcome::unknown;  // nothing was saved unless `claimed`
  std::uint32_t saved = 0;                     // new ones: a result that is there already stays as it is
  std::uint32_t missing = 0;                   // contents without a result; at 0 the request has become a success
};

struct StoreOptions {
  std::string database;  // "sqlite:FILE" or "postgresql:CONNINFO" (libpq's keywords)
  std::size_t readers = 2;
  std::size_t writers = 1;  // for PostgreSQL; SQLite has one
};

// Requests and their results. A pending request becomes a success, a failure or expired, and never anything else after that;
// whatever a call has answered survives a crash of this process and of the machine (SQLite: WAL with synchronous = FULL;
// PostgreSQL: its default). Calls but fetch() block worker threads of the store's own alone and give their answer on the caller's
// executor; what is written by several callers at once is committed together. Several instances may use one PostgreSQL database.
// Any executor that outlives the store; destroying it waits for the calls under way. file_failed with the database's reason where
// it fails: what failed was not done, but for a commit whose answer was lost, and then the reason says so. parameter_invalid, and
// nothing of it in the database, for text that is not UTF-8 or has a NUL. too_many where 10 000 calls wait already.
class Store {
 public:
  // Told of each call that the database failed, on the caller's executor; the reason holds nothing of what was stored. Set before
  // the first call.
  void on_failure(std::function<void(const base::Error&)> told);

  // Creates or migrates the schema under a lock: several instances may start at once. configuration_invalid for a name that is
  // no database's, and for a schema that is newer than this program.
  static base::Result<std::unique_ptr<Store>> open(const StoreOptions& options);
  ~Store();
  Store(const Store&) = delete;  // owns threads and connections
  Store& operator=(const Store&) = delete;

  boost::asio::awaitable<base::Result<std::string>> post(NewRequest request);
  // As it is at `now`: a pending one past its time that nobody is signing is given as expired (and is made so).
  boost::asio::awaitable<base::Result<std::optional<StoredRequest>>> request(std::string id, base::Time now);
  // What an e-service fetches of one, with all its results unless it is pending. The calling thread reads a few of SQLite's
  // itself: to wake another thread costs more.
  struct Fetched {
    std::string consumer_id;
    SignStatus status = SignStatus::pending;
    std::string reason;
    bool contents_deleted = false;
    std::vector<StoredResult> results;
  };
  boost::asio::awaitable<base::Result<std::optional<Fetched>>> fetch(std::string id, base::Time now);
  // Contents from `first` on, in order; with `only_unsigned` those without a result. Empty once deleted.
  boost::asio::awaitable<base::Result<std::vector<StoredContent>>> contents(std::string id, std::uint32_t first,
                                                                            std::uint32_t count, bool only_unsigned);
  boost::asio::awaitable<base::Result<std::vector<StoredResult>>> results(std::string id);

  // One update with a condition decides which of several pages, on any instance, signs. The holder goes on past `expires_at` for
  // as long as its claim lives; a new claim needs time that is left. save(), give_up() and expire() claim as claim() does, so
  // they also succeed where the claim has lapsed and nobody else has come. A key is not empty. One that released the request
  // claims it no more: what such a page still had on its way to save() or give_up() counts, and keeps nobody else from going on.
  boost::asio::awaitable<base::Result<ClaimOutcome>> claim(Claim claim, std::string instrument);
  boost::asio::awaitable<base::Result<void>> release(std::string request_id, std::string key);
  boost::asio::awaitable<base::Result<SavedResults>> save(Claim claim, std::vector<StoredResult> results);
  // Pending becomes failure. `held` while another page signs. Results made so far stay.
  boost::asio::awaitable<base::Result<ClaimOutcome>> give_up(Claim claim, std::string reason);
  // Pending becomes expired before its time, otherwise as give_up(): sandboxes play it.
  boost::asio::awaitable<base::Result<ClaimOutcome>> expire(Claim claim);

  struct Swept {
    std::uint64_t expired = 0, contents_deleted = 0;
  };
  // What is past its time expires; contents and results of requests that ended before `delete_ended_before` are deleted.
  boost::asio::awaitable<base::Result<Swept>> sweep(base::Time now, base::Time delete_ended_before);

  // For operators. The newest first.
  struct Listing {
    std::optional<std::string> consumer_id;
    std::optional<SignStatus> status;
    std::uint32_t count = 50;
  };
  boost::asio::awaitable<base::Result<std::vector<StoredRequest>>> list(Listing listing, base::Time now);

  // The register of consumers. `put` adds one or replaces the one with its id; `remove` says whether there was one. `put` refuses
  // (parameter_invalid) what consumer_error() names, and a certificate that another consumer has: it would not say who calls.
  boost::asio::awaitable<base::Result<std::vector<Consumer>>> consumers();
  boost::asio::awaitable<base::Result<void>> put_consumer(Consumer consumer);
  boost::asio::awaitable<base::Result<bool>> remove_consumer(std::string id);
  // Changes whenever the register does, on any instance: cheap enough to be asked each second.
  boost::asio::awaitable<base::Result<std::uint64_t>> consumers_version();

  // A secret of 32 bytes that all instances on this database share, made by the first that asks for the name.
  boost::asio::awaitable<base::Result<base::Bytes>> shared_secret(std::string name);
  // Whether the database answers.
  boost::asio::awaitable<base::Result<void>> ping();

 private:
  class Implementation;
  explicit Store(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace signet::portal
