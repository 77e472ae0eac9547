#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pki/path.hpp"
#include "service/event_log.hpp"

namespace signet::service {

// The revocation lists that authorities publish (RFC 5280 4.2.1.13), fetched when a path lacks one and kept in memory until they
// end. Whoever asks waits for no longer than the time-out, and for the services of its own certificates alone: one that is slow
// gets no more than two connections, is asked once for all who want the same list, and is left alone for a while after it failed.
// Nothing is verified here: a list counts for what its signature says in pki::validate_path. One thread (the executor's).
class RevocationLists {
 public:
  struct Options {
    bool fetch = true;  // without it fetch() does nothing
    std::chrono::milliseconds timeout{10'000};
    std::chrono::seconds left_alone{60};       // after a failure
    std::size_t most_bytes = 32u << 20;        // of one list
    std::size_t most_bytes_kept = 256u << 20;  // of all; the ones that end first go
    bool private_addresses = false;            // a certificate must not make this service call inside its own network
  };
  RevocationLists(boost::asio::any_io_executor executor, Options options,
                  std::function<void(std::string_view event, const EventFields& fields)> on_event);
  ~RevocationLists();  // waits for the fetches under way

  // What is known; the same object until something came or went.
  std::shared_ptr<const std::vector<pki::Crl>> known() const { return known_; }
  // Fetches what of these certificates' lists is not known at `now`. Whether anything came. A certificate must have a path to an
  // anchor of ours, or strangers choose what is called.
  boost::asio::awaitable<bool> fetch(std::vector<pki::Certificate> certificates, base::Time now);

 private:
  struct Place;  // one address
  using Places = std::map<std::string, std::shared_ptr<Place>, std::less<>>;

  boost::asio::awaitable<bool> fetch_one(pki::Certificate certificate, base::Time now);
  boost::asio::awaitable<bool> fetch_from(std::string url, base::Time now);
  boost::asio::awaitable<void> load(std::string url, std::shared_ptr<Place> place, base::Time now);
  void forget(base::Time now);
  void tell();

  boost::asio::any_io_executor executor_;
  Options options_;
  std::function<void(std::string_view, const EventFields&)> on_event_;
  Places places_;
  std::map<std::string, unsigned, std::less<>> fetching_from_;  // by host
  std::shared_ptr<const std::vector<pki::Crl>> known_ = std::make_shared<const std::vector<pki::Crl>>();
  boost::asio::steady_timer host_left_;  // cancelled whenever a service is let go
  std::atomic<bool> cancelled_ = false;
  boost::asio::thread_pool fetchers_;
};

}  // namespace signet::service
