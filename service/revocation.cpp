#include "service/revocation.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>

#include "base/text.hpp"
#include "net/fetch.hpp"
#include "service/worker.hpp"

namespace signet::service {

namespace asio = boost::asio;
using asio::awaitable;
using base::ErrorCode;
using Instant = std::chrono::steady_clock::time_point;

namespace {

constexpr std::size_t fetches_at_once = 8;
constexpr unsigned fetches_at_once_from_one = 2;
constexpr std::size_t most_places = 1'000;
constexpr std::chrono::hours fresh_for{1};
constexpr std::chrono::minutes old_one_is_used_for{10};  // where a newer one could not be had
constexpr std::size_t shown_host_characters = 100;

std::string host_of(std::string_view url) {
  url.remove_prefix(std::min(url.find("://") + 3, url.size()));
  return std::string(url.substr(0, url.find_first_of("/?#")));
}

base::Result<pki::Crl> fetched(net::FetchRequest request, Instant deadline, const std::atomic<bool>* cancelled, base::Time now,
                               const pki::ListWanted& wanted) {
  request.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  if (request.timeout.count() <= 0) return base::failure(ErrorCode::network_failed, "others are waited for");
  const auto response = net::fetch(request, cancelled);
  if (!response) return std::unexpected(response.error());
  if (response->status != 200) return base::failure(ErrorCode::network_failed, "HTTP status " + std::to_string(response->status));
  auto lists = pki::crls_in(response->body);
  if (!lists) return std::unexpected(lists.error());
  const auto list = std::ranges::find_if(*lists, [&](const pki::Crl& one) { return pki::is_wanted(one, wanted); });
  if (list == lists->end()) return base::failure(ErrorCode::network_failed, "the list is not one of the certificate's issuer");
  if (const auto end = list->next_update(); !end || *end <= now)
    return base::failure(ErrorCode::network_failed, "the list has ended");
  return std::move(*list);
}

// Those who wait for one thing, each with a timer of its own: moving a common one would wake all others.
struct Waiting {
  std::list<asio::steady_timer> timers;
  void wake() {
    for (asio::steady_timer& timer : timers) timer.cancel();
  }
};

awaitable<void> woken(std::shared_ptr<Waiting> waiting, Instant deadline) {
  struct Mine {
    std::shared_ptr<Waiting> waiting;
    std::list<asio::steady_timer>::iterator timer;
    ~Mine() { waiting->timers.erase(timer); }
  };
  const auto executor = co_await asio::this_coro::executor;
  const Mine mine{waiting, waiting->timers.emplace(waiting->timers.end(), executor, deadline)};
  boost::system::error_code ignored;
  co_await mine.timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace

struct RevocationLists::Place {
  std::optional<pki::Crl> list;
  base::Time ends{};        // its nextUpdate
  base::Time good_until{};  // until then it is not asked for again: whoever answered may have given an old one
  Clock::time_point left_alone_until{};
  bool loading = false;
  std::shared_ptr<Waiting> waiting = std::make_shared<Waiting>();  // for its end

  bool in_force(base::Time now) const { return list && ends > now; }
  bool good(base::Time now) const { return in_force(now) && good_until > now; }
};

// While it lives somebody loads the list; however that ends, nobody waits for it any longer.
class RevocationLists::Loading {
 public:
  explicit Loading(std::shared_ptr<Place> place) : place_(std::move(place)) { place_->loading = true; }
  Loading(Loading&&) = default;
  Loading& operator=(Loading&&) = delete;
  ~Loading() {
    if (!place_) return;
    place_->loading = false;
    place_->waiting->wake();
  }
  Place& place() const { return *place_; }

 private:
  std::shared_ptr<Place> place_;
};

struct RevocationLists::Turns {
  std::map<std::string, unsigned, std::less<>> fetching_from;  // by host
  std::shared_ptr<Waiting> waiting = std::make_shared<Waiting>();

  bool all_taken(const std::string& host) const {
    const auto found = fetching_from.find(host);
    return found != fetching_from.end() && found->second >= fetches_at_once_from_one;
  }
};

// One of the fetches at once from a service.
class RevocationLists::Turn {
 public:
  Turn(std::shared_ptr<Turns> turns, std::string host) : turns_(std::move(turns)), host_(std::move(host)) {
    ++turns_->fetching_from[host_];
  }
  Turn(const Turn&) = delete;  // is counted
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (const auto mine = turns_->fetching_from.find(host_); --mine->second == 0) turns_->fetching_from.erase(mine);
    turns_->waiting->wake();
  }

 private:
  std::shared_ptr<Turns> turns_;
  std::string host_;
};

RevocationLists::RevocationLists(asio::any_io_executor executor, Options options,
                                 std::function<void(std::string_view, const EventFields&)> on_event)
    : executor_(std::move(executor)),
      options_(options),
      on_event_(std::move(on_event)),
      turns_(std::make_shared<Turns>()),
      fetchers_(fetches_at_once) {}

RevocationLists::~RevocationLists() {
  cancelled_ = true;
  fetchers_.join();
}

std::shared_ptr<const std::vector<pki::Crl>> RevocationLists::known(base::Time now) {
  if (now >= known_until_) tell(now);
  return known_;
}

awaitable<bool> RevocationLists::fetch(std::vector<pki::ListWanted> wanted, base::Time now) {
  if (!options_.fetch || wanted.empty()) co_return false;
  // All at once: the time-outs of several services do not add up.
  struct Outcome {
    std::size_t left;
    bool any = false;
    std::shared_ptr<Waiting> waiting = std::make_shared<Waiting>();
  };
  const auto outcome = std::make_shared<Outcome>(Outcome{.left = wanted.size()});
  const auto deadline = Clock::now() + options_.timeout;
  for (pki::ListWanted& one : wanted)
    asio::co_spawn(executor_, fetch_one(std::move(one), now, deadline), [outcome](std::exception_ptr thrown, bool came) {
      outcome->any = outcome->any || (!thrown && came);
      if (--outcome->left == 0) outcome->waiting->wake();
    });
  while (outcome->left > 0) co_await woken(outcome->waiting, Instant::max());
  co_return outcome->any;
}

// The first of its addresses that has one.
awaitable<bool> RevocationLists::fetch_one(pki::ListWanted wanted, base::Time now, Clock::time_point deadline) {
  for (const std::string& url : wanted.certificate.crl_urls()) {
    if (co_await fetch_from(url, wanted, now, deadline)) co_return true;
  }
  co_return false;
}

awaitable<bool> RevocationLists::fetch_from(std::string url, pki::ListWanted wanted, base::Time now, Clock::time_point deadline) {
  const std::shared_ptr<Place> here = place_for(url, wanted, now);
  if (!here->loading && !here->good(now) && Clock::now() >= here->left_alone_until && Clock::now() < deadline)
    asio::co_spawn(executor_, load(std::move(url), std::move(wanted), Loading(here), now), [](std::exception_ptr) {});
  while (here->loading && Clock::now() < deadline) co_await woken(here->waiting, deadline);
  if (!here->good(now) && here->in_force(now)) {
    here->good_until = std::min(here->ends, now + old_one_is_used_for);
    tell(now);
  }
  co_return here->good(now);
}

std::shared_ptr<RevocationLists::Place> RevocationLists::place_for(const std::string& url, const pki::ListWanted& wanted,
                                                                   base::Time now) {
  std::pair key(url, wanted.issuers.empty() ? std::string{} : base::hex(wanted.issuers.front().fingerprint().bytes()));
  if (const auto found = places_.find(key); found != places_.end()) return found->second;
  if (places_.size() >= most_places) forget(now);
  return places_.emplace(std::move(key), std::make_shared<Place>()).first->second;
}

awaitable<void> RevocationLists::load(std::string url, pki::ListWanted wanted, Loading loading, base::Time now) {
  Place& here = loading.place();
  here.left_alone_until = Clock::now() + options_.left_alone;
  base::Result<pki::Crl> list = base::failure(ErrorCode::internal);
  try {
    list = co_await list_from(url, std::move(wanted), now, Clock::now() + options_.timeout);
  } catch (const std::exception& thrown) {
    list = base::failure(ErrorCode::internal, thrown.what());
  }
  if (list && here.in_force(now) && list->this_update() < here.list->this_update())
    list = base::failure(ErrorCode::network_failed, "the list is older than the one that is known");
  if (list) {
    here.ends = *list->next_update();
    here.good_until = std::min<base::Time>(here.ends, now + fresh_for);
    here.left_alone_until = {};
    here.list = std::move(*list);
    forget(now);
    tell(now);
  }
  EventFields fields{{"host", base::shown(host_of(url), shown_host_characters)}};
  if (!list) fields.emplace_back("detail", list.error().detail);
  on_event_(list ? "revocation_list_fetched" : "revocation_list_failed", fields);
}

awaitable<base::Result<pki::Crl>> RevocationLists::list_from(std::string url, pki::ListWanted wanted, base::Time now,
                                                             Clock::time_point deadline) {
  const std::string host = host_of(url);
  const auto turns = turns_;
  while (turns->all_taken(host)) {
    if (Clock::now() >= deadline) co_return base::failure(ErrorCode::network_failed, "others wait for this service already");
    co_await woken(turns->waiting, deadline);
  }
  const Turn turn(turns, host);
  net::FetchRequest request;
  request.url = std::move(url);
  request.max_response_bytes = options_.most_bytes;
  request.public_addresses_only = !options_.private_addresses;
  co_return co_await on_worker(fetchers_, [request = std::move(request), wanted = std::move(wanted), deadline, now, this] {
    return fetched(request, deadline, &cancelled_, now, wanted);
  });
}

// What has ended, and what ends first where all together are too large or too many.
void RevocationLists::forget(base::Time now) {
  std::erase_if(places_, [&](const auto& entry) {
    const Place& place = *entry.second;
    return !place.loading && !place.in_force(now) && Clock::now() >= place.left_alone_until;
  });
  const auto size = [this] {
    std::size_t bytes = 0;
    for (const auto& [key, place] : places_) bytes += place->list ? place->list->der().size() : 0;
    return bytes;
  };
  while (places_.size() >= most_places || size() > options_.most_bytes_kept) {
    auto first = places_.end();
    for (auto place = places_.begin(); place != places_.end(); ++place) {
      if (!place->second->loading && (first == places_.end() || place->second->ends < first->second->ends)) first = place;
    }
    if (first == places_.end()) return;
    places_.erase(first);
  }
}

void RevocationLists::tell(base::Time now) {
  std::vector<pki::Crl> lists;
  known_until_ = base::Time::max();
  for (const auto& [key, place] : places_) {
    if (!place->good(now)) continue;
    lists.push_back(*place->list);
    known_until_ = std::min(known_until_, place->good_until);
  }
  known_ = std::make_shared<const std::vector<pki::Crl>>(std::move(lists));
}

}  // namespace signet::service
