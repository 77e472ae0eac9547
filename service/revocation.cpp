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
#include "trust/revocation_data.hpp"

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

struct RevocationServices::Place {
  std::optional<Thing> thing;
  base::Time good_until{};  // until then it is not asked for again: whoever answered may have given an old one
  Clock::time_point left_alone_until{};
  bool loading = false;
  std::shared_ptr<Waiting> waiting = std::make_shared<Waiting>();  // for its end

  bool in_force(base::Time now) const { return thing && thing->end > now; }
  bool good(base::Time now) const { return in_force(now) && good_until > now; }
};

std::size_t RevocationServices::Thing::bytes() const {
  return std::visit([](const auto& one) { return one.der().size(); }, value);
}

// While it lives somebody loads the thing; however that ends, nobody waits for it any longer.
class RevocationServices::Loading {
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

struct RevocationServices::Turns {
  std::map<std::string, unsigned, std::less<>> fetching_from;  // by host
  std::shared_ptr<Waiting> waiting = std::make_shared<Waiting>();

  bool all_taken(const std::string& host) const {
    const auto found = fetching_from.find(host);
    return found != fetching_from.end() && found->second >= fetches_at_once_from_one;
  }
};

// One of the fetches at once from a service.
class RevocationServices::Turn {
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

RevocationServices::RevocationServices(asio::any_io_executor executor, Options options,
                                       std::function<void(std::string_view, const EventFields&)> on_event)
    : executor_(std::move(executor)),
      options_(options),
      on_event_(std::move(on_event)),
      turns_(std::make_shared<Turns>()),
      fetchers_(fetches_at_once) {}

RevocationServices::~RevocationServices() {
  cancelled_ = true;
  fetchers_.join();
}

std::shared_ptr<const std::vector<pki::Crl>> RevocationServices::known(base::Time now) {
  if (now >= known_until_) tell(now);
  return known_;
}

awaitable<RevocationServices::Came> RevocationServices::fetch(std::vector<pki::ListWanted> wanted, base::Time now, Ask ask) {
  wanted = pki::each_once(std::move(wanted));
  if (!options_.fetch || wanted.empty()) co_return Came{};
  // All at once: the time-outs of several services do not add up.
  struct Outcome {
    std::size_t left;
    Came all;
    std::shared_ptr<Waiting> waiting = std::make_shared<Waiting>();
  };
  const auto outcome = std::make_shared<Outcome>(Outcome{.left = wanted.size(), .all = {}});
  const auto deadline = Clock::now() + options_.timeout;
  for (pki::ListWanted& one : wanted)
    asio::co_spawn(executor_, fetch_one(std::move(one), now, ask, deadline), [outcome](std::exception_ptr thrown, Came came) {
      if (!thrown) {
        outcome->all.list = outcome->all.list || came.list;
        std::ranges::move(came.responses, std::back_inserter(outcome->all.responses));
      }
      if (--outcome->left == 0) outcome->waiting->wake();
    });
  while (outcome->left > 0) co_await woken(outcome->waiting, Instant::max());
  co_return std::move(outcome->all);
}

// The first of its responders that answers, else the first of its addresses that has a list.
awaitable<RevocationServices::Came> RevocationServices::fetch_one(pki::ListWanted wanted, base::Time now, Ask ask,
                                                                  Clock::time_point deadline) {
  Came came;
  for (const std::string& url : wanted.certificate.ocsp_urls()) {
    const auto place = co_await fetch_from({Kind::response, url}, wanted, now, deadline);
    if (!place->good(now)) continue;
    came.responses.push_back(std::get<pki::OcspResponse>(place->thing->value));
    break;
  }
  if (!came.responses.empty() && ask == Ask::lists_after_ocsp) co_return came;
  for (const std::string& url : wanted.certificate.crl_urls()) {
    const auto place = co_await fetch_from({Kind::list, url}, wanted, now, deadline);
    came.list = place->good(now);
    if (came.list) break;
  }
  co_return came;
}

awaitable<std::shared_ptr<RevocationServices::Place>> RevocationServices::fetch_from(Source source, pki::ListWanted wanted,
                                                                                     base::Time now, Clock::time_point deadline) {
  const std::shared_ptr<Place> here = place_for(source, wanted, now);
  if (!here->loading && !here->good(now) && Clock::now() >= here->left_alone_until && Clock::now() < deadline)
    asio::co_spawn(executor_, load(std::move(source), std::move(wanted), Loading(here), now), [](std::exception_ptr) {});
  while (here->loading && Clock::now() < deadline) co_await woken(here->waiting, deadline);
  if (!here->good(now) && here->in_force(now)) {
    here->good_until = std::min(here->thing->end, now + old_one_is_used_for);
    tell(now);
  }
  co_return here;
}

std::shared_ptr<RevocationServices::Place> RevocationServices::place_for(const Source& source, const pki::ListWanted& wanted,
                                                                         base::Time now) {
  // A list is of its issuer, a response about one certificate.
  std::string about = wanted.issuers.empty() ? std::string{} : base::hex(wanted.issuers.front().fingerprint().bytes());
  if (source.kind == Kind::response) about += " " + base::hex(wanted.certificate.fingerprint().bytes());
  std::pair key(source.url, std::move(about));
  if (const auto found = places_.find(key); found != places_.end()) return found->second;
  if (places_.size() >= most_places) forget(now);
  return places_.emplace(std::move(key), std::make_shared<Place>()).first->second;
}

awaitable<void> RevocationServices::load(Source source, pki::ListWanted wanted, Loading loading, base::Time now) {
  Place& here = loading.place();
  here.left_alone_until = Clock::now() + options_.left_alone;
  base::Result<Thing> thing = base::failure(ErrorCode::internal);
  try {
    thing = co_await thing_from(source, std::move(wanted), now, Clock::now() + options_.timeout);
  } catch (const std::exception& thrown) {
    thing = base::failure(ErrorCode::internal, thrown.what());
  }
  if (thing && here.in_force(now) && thing->made < here.thing->made)
    thing = base::failure(ErrorCode::network_failed, "what it gave is older than what is known");
  if (thing) {
    here.good_until = std::min<base::Time>(thing->end, now + fresh_for);
    here.left_alone_until = {};
    here.thing = std::move(*thing);
    forget(now);
    if (source.kind == Kind::list) tell(now);
  }
  EventFields fields{{"host", base::shown(host_of(source.url), shown_host_characters)}};
  if (!thing) fields.emplace_back("detail", thing.error().detail);
  const bool list = source.kind == Kind::list;
  on_event_(thing ? (list ? "revocation_list_fetched" : "ocsp_response_fetched")
                  : (list ? "revocation_list_failed" : "ocsp_response_failed"),
            fields);
}

awaitable<base::Result<RevocationServices::Thing>> RevocationServices::thing_from(Source source, pki::ListWanted wanted,
                                                                                  base::Time now, Clock::time_point deadline) {
  const std::string host = host_of(source.url);
  const auto turns = turns_;
  while (turns->all_taken(host)) {
    if (Clock::now() >= deadline) co_return base::failure(ErrorCode::network_failed, "others wait for this service already");
    co_await woken(turns->waiting, deadline);
  }
  const Turn turn(turns, host);
  co_return co_await on_worker(fetchers_, [source = std::move(source), wanted = std::move(wanted), deadline, now, this] {
    return fetched(source, wanted, now, deadline);
  });
}

// On a worker.
base::Result<RevocationServices::Thing> RevocationServices::fetched(const Source& source, const pki::ListWanted& wanted,
                                                                    base::Time now, Clock::time_point deadline) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  if (left.count() <= 0) return base::failure(ErrorCode::network_failed, "others are waited for");
  if (source.kind == Kind::response) {
    const trust::Fetching fetching{.private_addresses = options_.private_addresses, .timeout = left};
    auto answered = trust::ask_responder(source.url, wanted, fetching, now, &cancelled_);
    if (!answered) return base::failure_of(answered);
    const auto made = answered->response.produced_at();
    return Thing{std::move(answered->response), made, answered->end};
  }
  net::FetchRequest request;
  request.url = source.url;
  request.max_response_bytes = options_.most_bytes;
  request.public_addresses_only = !options_.private_addresses;
  request.max_redirects = net::most_redirects;
  request.timeout = left;
  const auto response = net::fetch(request, &cancelled_);
  if (!response) return std::unexpected(response.error());
  if (response->status != 200) return base::failure(ErrorCode::network_failed, "HTTP status " + std::to_string(response->status));
  auto lists = pki::crls_in(response->body);
  if (!lists) return std::unexpected(lists.error());
  const auto list = std::ranges::find_if(*lists, [&](const pki::Crl& one) { return pki::is_wanted(one, wanted); });
  if (list == lists->end()) return base::failure(ErrorCode::network_failed, "the list is not one of the certificate's issuer");
  const auto end = list->next_update();
  if (!end || *end <= now) return base::failure(ErrorCode::network_failed, "the list has ended");
  const auto made = list->this_update().value_or(base::Time{});
  return Thing{std::move(*list), made, *end};
}

// What has ended, and what ends first where all together are too large or too many.
void RevocationServices::forget(base::Time now) {
  std::erase_if(places_, [&](const auto& entry) {
    const Place& place = *entry.second;
    return !place.loading && !place.in_force(now) && Clock::now() >= place.left_alone_until;
  });
  const auto size = [this] {
    std::size_t bytes = 0;
    for (const auto& [key, place] : places_) bytes += place->thing ? place->thing->bytes() : 0;
    return bytes;
  };
  while (places_.size() >= most_places || size() > options_.most_bytes_kept) {
    auto first = places_.end();
    const auto end = [](const auto& entry) { return entry->second->thing ? entry->second->thing->end : base::Time{}; };
    for (auto place = places_.begin(); place != places_.end(); ++place) {
      if (!place->second->loading && (first == places_.end() || end(place) < end(first))) first = place;
    }
    if (first == places_.end()) return;
    places_.erase(first);
  }
}

void RevocationServices::tell(base::Time now) {
  std::vector<pki::Crl> lists;
  known_until_ = base::Time::max();
  for (const auto& [key, place] : places_) {
    const auto* const list = place->good(now) ? std::get_if<pki::Crl>(&place->thing->value) : nullptr;
    if (list == nullptr) continue;
    lists.push_back(*list);
    known_until_ = std::min(known_until_, place->good_until);
  }
  known_ = std::make_shared<const std::vector<pki::Crl>>(std::move(lists));
}

}  // namespace signet::service
