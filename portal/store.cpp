#include "portal/store.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.hpp"
#include "portal/identifiers.hpp"
#include "store/at_hand.hpp"
#include "store/register.hpp"
#include "store/requests.hpp"
#include "store/schema.hpp"
#include "store/workers.hpp"

namespace signet::portal {
namespace {

using base::ErrorCode;
using boost::asio::awaitable;
using store::Connection;
using store::Work;
using store::Workers;

constexpr std::uint32_t expired_at_once = 500;    // a sweep's steps leave room for others between them
constexpr std::uint32_t contents_at_once = 1000;  // deleted in one step
constexpr std::uint32_t requests_at_once = 200;   // looked at in one step
constexpr std::uint32_t listed_at_most = 1000;
constexpr std::uint32_t results_here = 16;  // of a request that the calling thread reads itself
constexpr std::uint32_t all_results = std::numeric_limits<std::uint32_t>::max();
// Steps of a sweep lock rows in an order of their own, so they come after all that is ordered by ids.
constexpr const char* last_of_all = "~";

base::Result<base::Bytes> random_bytes(std::size_t count) {
  base::Bytes bytes(count);
  if (::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    return base::failure(ErrorCode::internal, "the system gives no random bytes");
  return bytes;
}

// A NUL would end a text on its way to the database, and PostgreSQL takes nothing but UTF-8.
bool is_storable(std::string_view text) { return text.find('\0') == std::string_view::npos && base::is_utf8(text); }
bool is_storable_or_absent(const std::optional<std::string>& text) { return !text || is_storable(*text); }

std::unexpected<base::Error> invalid(std::string what) { return base::failure(ErrorCode::parameter_invalid, std::move(what)); }

std::string error_in(const NewRequest& request) {
  if (request.contents.empty()) return "a request without contents";
  const auto& signer = request.expected_signer;
  bool storable = is_storable(request.consumer_id) && is_storable(request.short_description) &&
                  is_storable(request.description) &&
                  (!signer || (is_storable_or_absent(signer->id) && is_storable_or_absent(signer->delegator_id)));
  for (std::size_t i = 0; i < request.contents.size(); ++i) {
    const auto& content = request.contents[i];
    if (content.number != i) return "contents that are not numbered from 0";
    storable = storable && is_storable_or_absent(content.correlation_id) && is_storable_or_absent(content.name);
  }
  return storable ? "" : "a text that is not UTF-8 or has a NUL";
}

std::string error_in(const Claim& claim) {
  if (claim.key.empty()) return "a claim without a key";
  return is_storable(claim.key) ? "" : "a text that is not UTF-8 or has a NUL";
}

}  // namespace

class Store::Implementation {
 public:
  Implementation(const store::Database& database, const StoreOptions& options)
      : readers_(database, Workers::Kind::readers, options.readers),
        // SQLite has one writer at a time: a second one would only wait for the first.
        writers_(database, Workers::Kind::writers, database.kind == store::Database::Kind::sqlite ? 1 : options.writers) {
    if (database.kind == store::Database::Kind::sqlite) at_hand_.emplace(database);
  }

  template <class T>
  awaitable<base::Result<T>> read(Work<T> work) {
    return told(readers_.run<T>({}, std::move(work)));
  }
  // By the calling thread; nothing where the workers are to do it.
  template <class T, class Read>
  std::optional<base::Result<T>> read_here(const Read& read) {
    return at_hand_ ? at_hand_->read<base::Result<T>>(read) : std::nullopt;
  }
  template <class T>
  awaitable<base::Result<T>> write(std::string order, Work<T> work) {
    return told(writers_.run<T>(std::move(order), std::move(work)));
  }
  std::function<void(const base::Error&)> on_failure;

 private:
  template <class T>
  awaitable<base::Result<T>> told(awaitable<base::Result<T>> call) {
    auto result = co_await std::move(call);
    if (!result && on_failure && result.error().code != base::ErrorCode::parameter_invalid) on_failure(result.error());
    co_return result;
  }

  Workers readers_, writers_;
  std::optional<store::AtHand> at_hand_;
};

base::Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  const auto database = store::database(options.database);
  if (!database) return std::unexpected(database.error());
  try {
    Connection connection(*database);
    if (auto migrated = store::migrate(connection); !migrated) return base::failure_of(migrated);
  } catch (const std::exception& exception) {
    return std::unexpected(store::error_of(exception));
  }
  return std::unique_ptr<Store>(new Store(std::make_unique<Implementation>(*database, options)));
}

Store::Store(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Store::~Store() = default;
void Store::on_failure(std::function<void(const base::Error&)> told) { implementation_->on_failure = std::move(told); }

awaitable<base::Result<std::string>> Store::post(NewRequest request) {
  if (auto error = error_in(request); !error.empty()) co_return invalid(std::move(error));
  const auto random = random_bytes(16);
  if (!random) co_return std::unexpected(random.error());
  std::string id = base::hex(*random);
  co_return co_await implementation_->write<std::string>(
      id, [request = std::move(request), id](Connection& connection) -> base::Result<std::string> {
        store::insert_request(connection, id, request);
        return id;
      });
}

awaitable<base::Result<std::optional<StoredRequest>>> Store::request(std::string id, base::Time now) {
  using Found = std::optional<store::RequestRow>;
  if (!is_request_id(id)) co_return std::nullopt;
  auto found = co_await implementation_->read<Found>(
      [id, now](Connection& connection) -> base::Result<Found> { return store::read_request(connection, id, now); });
  if (found && *found && (*found)->due) {
    found = co_await implementation_->write<Found>(id, [id, now](Connection& connection) -> base::Result<Found> {
      store::expire(connection, id, now);
      return store::read_request(connection, id, now);
    });
  }
  if (!found) co_return base::failure_of(found);
  if (!*found) co_return std::nullopt;
  co_return std::move((*found)->request);
}

awaitable<base::Result<std::optional<Store::Fetched>>> Store::fetch(std::string id, base::Time now) {
  using Found = std::optional<store::FetchedRow>;
  if (!is_request_id(id)) co_return std::nullopt;
  const auto read = [id, now](Connection& connection, std::uint32_t most) -> base::Result<Found> {
    return store::read_fetched(connection, id, now, most);
  };
  auto found = implementation_->read_here<Found>([&](Connection& connection) { return read(connection, results_here); });
  if (!found || !*found || (**found && (**found)->has_more))
    found = co_await implementation_->read<Found>([read](Connection& connection) { return read(connection, all_results); });
  if (*found && **found && (**found)->due)
    found = co_await implementation_->write<Found>(id, [id, now, read](Connection& connection) -> base::Result<Found> {
      store::expire(connection, id, now);
      return read(connection, all_results);
    });
  if (!*found) co_return base::failure_of(*found);
  if (!**found) co_return std::nullopt;
  co_return std::move((**found)->fetched);
}

awaitable<base::Result<std::vector<StoredContent>>> Store::contents(std::string id, std::uint32_t first, std::uint32_t count,
                                                                    bool only_unsigned) {
  using Contents = std::vector<StoredContent>;
  if (!is_request_id(id)) co_return Contents();
  co_return co_await implementation_->read<Contents>([=](Connection& connection) -> base::Result<Contents> {
    return store::read_contents(connection, id, first, count, only_unsigned);
  });
}

awaitable<base::Result<std::vector<StoredResult>>> Store::results(std::string id) {
  using Results = std::vector<StoredResult>;
  if (!is_request_id(id)) co_return Results();
  co_return co_await implementation_->read<Results>(
      [id](Connection& connection) -> base::Result<Results> { return store::read_results(connection, id); });
}

awaitable<base::Result<ClaimOutcome>> Store::claim(Claim claim, std::string instrument) {
  if (!is_request_id(claim.request_id)) co_return ClaimOutcome::unknown;
  if (auto error = error_in(claim); !error.empty()) co_return invalid(std::move(error));
  if (!is_storable(instrument)) co_return invalid("an instrument that is not UTF-8 or has a NUL");
  co_return co_await implementation_->write<ClaimOutcome>(
      claim.request_id, [claim, instrument](Connection& connection) -> base::Result<ClaimOutcome> {
        return store::claim(connection, claim, instrument);
      });
}

awaitable<base::Result<void>> Store::release(std::string request_id, std::string key) {
  if (!is_request_id(request_id) || key.empty() || !is_storable(key)) co_return base::Result<void>();  // which nobody holds
  co_return co_await implementation_->write<void>(request_id, [request_id, key](Connection& connection) -> base::Result<void> {
    store::release(connection, request_id, key);
    return {};
  });
}

awaitable<base::Result<SavedResults>> Store::save(Claim claim, std::vector<StoredResult> results) {
  if (!is_request_id(claim.request_id)) co_return SavedResults();
  if (auto error = error_in(claim); !error.empty()) co_return invalid(std::move(error));
  for (const auto& result : results)
    if (!is_storable(result.signature)) co_return invalid("a signature that is not UTF-8 or has a NUL");
  std::string id = claim.request_id;
  co_return co_await implementation_->write<SavedResults>(
      std::move(id),
      [claim = std::move(claim), results = std::move(results)](Connection& connection) -> base::Result<SavedResults> {
        return store::save(connection, claim, results);
      });
}

awaitable<base::Result<ClaimOutcome>> Store::give_up(Claim claim, std::string reason) {
  if (!is_request_id(claim.request_id)) co_return ClaimOutcome::unknown;
  if (auto error = error_in(claim); !error.empty()) co_return invalid(std::move(error));
  if (!is_storable(reason)) co_return invalid("a reason that is not UTF-8 or has a NUL");
  co_return co_await implementation_->write<ClaimOutcome>(claim.request_id,
                                                          [claim, reason](Connection& connection) -> base::Result<ClaimOutcome> {
                                                            return store::give_up(connection, claim, reason);
                                                          });
}

awaitable<base::Result<ClaimOutcome>> Store::expire(Claim claim) {
  if (!is_request_id(claim.request_id)) co_return ClaimOutcome::unknown;
  if (auto error = error_in(claim); !error.empty()) co_return invalid(std::move(error));
  co_return co_await implementation_->write<ClaimOutcome>(
      claim.request_id,
      [claim](Connection& connection) -> base::Result<ClaimOutcome> { return store::expire_early(connection, claim); });
}

awaitable<base::Result<Store::Swept>> Store::sweep(base::Time now, base::Time delete_ended_before) {
  using Candidates = std::vector<store::Deletable>;
  Swept swept;
  for (std::uint64_t last = expired_at_once; last == expired_at_once; swept.expired += last) {
    const auto step =
        co_await implementation_->write<std::uint64_t>(last_of_all, [now](Connection& connection) -> base::Result<std::uint64_t> {
          return store::expire_some(connection, now, expired_at_once);
        });
    if (!step) co_return std::unexpected(step.error());
    last = *step;
  }
  for (;;) {
    auto found =
        co_await implementation_->read<Candidates>([delete_ended_before](Connection& connection) -> base::Result<Candidates> {
          return store::deletable(connection, delete_ended_before, requests_at_once);
        });
    if (!found) co_return base::failure_of(found);
    if (found->empty()) co_return swept;
    // As many requests as have few contents together, and otherwise one in as many steps as it takes.
    std::uint64_t contents = 0;
    const auto end = std::ranges::find_if(*found, [&](const auto& one) { return (contents += one.contents) > contents_at_once; });
    if (end == found->begin()) {
      const auto big = found->front();
      for (std::uint32_t from = 0; from < big.contents; from += contents_at_once) {
        auto step = co_await implementation_->write<void>(last_of_all, [big, from](Connection& connection) -> base::Result<void> {
          if (from == 0) store::begin_deletion(connection, big.id);
          store::delete_contents(connection, big.id, from, from + contents_at_once);
          return {};
        });
        if (!step) co_return base::failure_of(step);
      }
      found->resize(1);
      found->front().contents = 0;
    } else {
      found->erase(end, found->end());
    }
    std::ranges::sort(*found, {}, &store::Deletable::id);
    const auto deleted = co_await implementation_->write<std::uint64_t>(
        last_of_all, [requests = std::move(*found)](Connection& connection) -> base::Result<std::uint64_t> {
          std::uint64_t count = 0;
          for (const auto& one : requests) {
            if (store::end_deletion(connection, one.id)) ++count;
            if (one.contents > 0) store::delete_contents(connection, one.id, 0, one.contents);
          }
          return count;
        });
    if (!deleted) co_return std::unexpected(deleted.error());
    swept.contents_deleted += *deleted;
  }
}

awaitable<base::Result<std::vector<StoredRequest>>> Store::list(Listing listing, base::Time now) {
  using Requests = std::vector<StoredRequest>;
  if (!is_storable_or_absent(listing.consumer_id)) co_return invalid("a consumer's id that is not UTF-8 or has a NUL");
  listing.count = std::min(listing.count, listed_at_most);
  co_return co_await implementation_->read<Requests>([listing, now](Connection& connection) -> base::Result<Requests> {
    return store::list_requests(connection, listing, now);
  });
}

awaitable<base::Result<std::vector<Consumer>>> Store::consumers() {
  co_return co_await implementation_->read<std::vector<Consumer>>(
      [](Connection& connection) -> base::Result<std::vector<Consumer>> { return store::read_consumers(connection); });
}

awaitable<base::Result<void>> Store::put_consumer(Consumer consumer) {
  if (auto error = consumer_error(consumer); !error.empty()) co_return invalid(std::move(error));
  co_return co_await implementation_->write<void>({},
                                                  [consumer = std::move(consumer)](Connection& connection) -> base::Result<void> {
                                                    store::put_consumer(connection, consumer);
                                                    return {};
                                                  });
}

awaitable<base::Result<bool>> Store::remove_consumer(std::string id) {
  if (!is_storable(id)) co_return false;
  co_return co_await implementation_->write<bool>(
      {}, [id](Connection& connection) -> base::Result<bool> { return store::remove_consumer(connection, id); });
}

awaitable<base::Result<std::uint64_t>> Store::consumers_version() {
  co_return co_await implementation_->read<std::uint64_t>(
      [](Connection& connection) -> base::Result<std::uint64_t> { return store::consumers_version(connection); });
}

awaitable<base::Result<base::Bytes>> Store::shared_secret(std::string name) {
  if (name.empty() || !is_storable(name)) co_return invalid("a secret's name that is empty, not UTF-8 or has a NUL");
  auto proposed = random_bytes(32);
  if (!proposed) co_return base::failure_of(proposed);
  co_return co_await implementation_->write<base::Bytes>(
      {}, [name, secret = std::move(*proposed)](Connection& connection) -> base::Result<base::Bytes> {
        return store::shared_secret(connection, name, secret);
      });
}

awaitable<base::Result<void>> Store::ping() {
  co_return co_await implementation_->read<void>([](Connection& connection) -> base::Result<void> {
    connection.rows<store::Number>("SELECT value FROM counters WHERE name = 'consumers'", {});
    return {};
  });
}

}  // namespace signet::portal
