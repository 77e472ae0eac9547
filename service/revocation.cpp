#include "service/revocation.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/text.hpp"
#include "net/fetch.hpp"
#include "service/worker.hpp"

namespace signet::service {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t fetches_at_once = 8;
constexpr unsigned fetches_at_once_from_one = 2;
constexpr std::size_t most_places = 1'000;
constexpr std::size_t shown_host_characters = 100;

std::string host_of(std::string_view url) {
  url.remove_prefix(std::min(url.find("://") + 3, url.size()));
  return std::string(url.substr(0, url.find_first_of("/?#")));
}

base::Result<pki::Crl> fetched(const net::FetchRequest& request, const std::atomic<bool>* cancelled, base::Time now) {
  const auto response = net::fetch(request, cancelled);
  if (!response) return std::unexpected(response.error());
  if (response->status != 200)
    return base::failure(base::ErrorCode::network_failed, "HTTP status " + std::to_string(response->status));
  auto lists = pki::crls_in(response->body);
  if (!lists) return std::unexpected(lists.error());
  const auto end = lists->front().next_update();
  if (!end || *end <= now) return base::failure(base::ErrorCode::network_failed, "the list has ended");
  return std::move(lists->front());
}

}  // namespace

struct RevocationLists::Place {
  explicit Place(const asio::any_io_executor& executor) : done(executor, Clock::time_point::max()) {}
  std::optional<pki::Crl> list;
  base::Time ends{};
  Clock::time_point left_alone_until{};
  bool loading = false;
  asio::steady_timer done;  // cancelled when loading ends

  bool holds(base::Time now) const { return list && ends > now; }
};

RevocationLists::RevocationLists(asio::any_io_executor executor, Options options,
                                 std::function<void(std::string_view, const EventFields&)> on_event)
    : executor_(std::move(executor)),
      options_(options),
      on_event_(std::move(on_event)),
      host_left_(executor_, Clock::time_point::max()),
      fetchers_(fetches_at_once) {}

RevocationLists::~RevocationLists() {
  cancelled_ = true;
  fetchers_.join();
}

awaitable<bool> RevocationLists::fetch(std::vector<pki::Certificate> certificates, base::Time now) {
  if (!options_.fetch || certificates.empty()) co_return false;
  // All at once: the time-outs of several services do not add up.
  struct Outcome {
    std::size_t left;
    bool any = false;
    asio::steady_timer done;
  };
  const auto outcome = std::make_shared<Outcome>(Outcome{certificates.size(), false, {executor_, Clock::time_point::max()}});
  for (pki::Certificate& certificate : certificates)
    asio::co_spawn(executor_, fetch_one(std::move(certificate), now), [outcome](std::exception_ptr thrown, bool came) {
      outcome->any = outcome->any || (!thrown && came);
      if (--outcome->left == 0) outcome->done.cancel();
    });
  boost::system::error_code ignored;
  while (outcome->left > 0) co_await outcome->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return outcome->any;
}

// The first of its addresses that has one.
awaitable<bool> RevocationLists::fetch_one(pki::Certificate certificate, base::Time now) {
  for (const std::string& url : certificate.crl_urls()) {
    if (co_await fetch_from(url, now)) co_return true;
  }
  co_return false;
}

awaitable<bool> RevocationLists::fetch_from(std::string url, base::Time now) {
  if (!places_.contains(url) && places_.size() >= most_places) forget(now);
  auto& entry = places_[url];
  if (!entry) entry = std::make_shared<Place>(executor_);
  const std::shared_ptr<Place> place = entry;
  if (!place->loading && !place->holds(now)) {
    if (Clock::now() < place->left_alone_until) co_return false;
    place->loading = true;
    asio::co_spawn(executor_, load(url, place, now), asio::detached);
  }
  boost::system::error_code ignored;
  while (place->loading) co_await place->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return place->holds(now);
}

awaitable<void> RevocationLists::load(std::string url, std::shared_ptr<Place> place, base::Time now) {
  const std::string host = host_of(url);
  const auto deadline = Clock::now() + options_.timeout;
  boost::system::error_code ignored;
  while (fetching_from_[host] >= fetches_at_once_from_one && Clock::now() < deadline) {
    host_left_.expires_at(deadline);
    co_await host_left_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  base::Result<pki::Crl> list = base::failure(base::ErrorCode::network_failed, "others wait for this service already");
  if (fetching_from_[host] < fetches_at_once_from_one) {
    ++fetching_from_[host];
    net::FetchRequest request;
    request.url = url;
    request.timeout = options_.timeout;
    request.max_response_bytes = options_.most_bytes;
    request.public_addresses_only = !options_.private_addresses;
    list =
        co_await on_worker(fetchers_, [request = std::move(request), now, this] { return fetched(request, &cancelled_, now); });
    if (--fetching_from_[host] == 0) fetching_from_.erase(host);
    host_left_.cancel();
  }
  EventFields fields{{"host", base::shown(host, shown_host_characters)}};
  if (!list) fields.emplace_back("detail", list.error().detail);
  on_event_(list ? "revocation_list_fetched" : "revocation_list_failed", fields);
  if (list) {
    place->ends = *list->next_update();
    place->list = std::move(*list);
    forget(now);
    tell();
  } else {
    place->left_alone_until = Clock::now() + options_.left_alone;
  }
  place->loading = false;
  place->done.cancel();
}

// What has ended, and what ends first where all together are too large or too many.
void RevocationLists::forget(base::Time now) {
  std::erase_if(places_, [&](const auto& entry) {
    return !entry.second->loading && !entry.second->holds(now) && Clock::now() >= entry.second->left_alone_until;
  });
  const auto size = [this] {
    std::size_t bytes = 0;
    for (const auto& [url, place] : places_) bytes += place->list ? place->list->der().size() : 0;
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

void RevocationLists::tell() {
  std::vector<pki::Crl> lists;
  for (const auto& [url, place] : places_) {
    if (place->list) lists.push_back(*place->list);
  }
  known_ = std::make_shared<const std::vector<pki::Crl>>(std::move(lists));
}

}  // namespace signet::service
