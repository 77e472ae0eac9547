#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pki/path.hpp"
#include "service/event_log.hpp"

namespace signet::service {

// What authorities answer about a certificate (RFC 6960) and the revocation lists that they publish (RFC 5280 4.2.1.13), fetched
// when a path lacks them, OCSP first, and kept in memory for an hour: who then cannot get a newer one goes on with the old one until
// that ends. Whoever asks waits for no longer than the time-out, and for the services of its own certificates alone: one that is slow
// gets no more than two connections, is asked once for all who want the same, and is left alone for a while after it failed. What an
// authority of the certificate's path has not signed is not kept. One thread (the executor's).
class RevocationServices {
 public:
  struct Options {
    bool fetch = true;  // without it fetch() does nothing
    std::chrono::milliseconds timeout{10'000};
    std::chrono::seconds left_alone{60};       // after a failure
    std::size_t most_bytes = 32u << 20;        // of one list
    std::size_t most_bytes_kept = 256u << 20;  // of all lists and responses; the ones that end first go
    bool private_addresses = false;            // a certificate must not make this service call inside its own network
  };
  RevocationServices(boost::asio::any_io_executor executor, Options options,
                  std::function<void(std::string_view event, const EventFields& fields)> on_event);
  ~RevocationServices();  // waits for the fetches under way

  // The lists that are known and need not be asked for anew at `now`; the same object until something came or went.
  std::shared_ptr<const std::vector<pki::Crl>> known(base::Time now);
  struct Came {
    bool list = false;  // one that is wanted is known() now
    std::vector<pki::OcspResponse> responses;
    bool any() const { return list || !responses.empty(); }
  };
  // Fetches what of these is not known at `now`. both: also the lists of those whom a responder tells of, as its own certificate
  // may stand in one. A certificate must have a path to an anchor of ours, or strangers choose what is called.
  enum class Ask : std::uint8_t { lists_after_ocsp, both };
  boost::asio::awaitable<Came> fetch(std::vector<pki::ListWanted> wanted, base::Time now, Ask ask = Ask::lists_after_ocsp);

 private:
  using Clock = std::chrono::steady_clock;
  struct Place;  // one address
  class Loading;
  struct Turns;  // who fetches from which service, and who waits to
  class Turn;
  using Places = std::map<std::pair<std::string, std::string>, std::shared_ptr<Place>>;  // by address, and the issuer or whom it is about

  enum class Kind : std::uint8_t { response, list };
  struct Source {  // of what is wanted
    Kind kind;
    std::string url;
  };
  struct Thing {  // that a source gave
    std::variant<pki::OcspResponse, pki::Crl> value;
    base::Time made{}, end{};
    std::size_t bytes() const;
  };

  boost::asio::awaitable<Came> fetch_one(pki::ListWanted wanted, base::Time now, Ask ask, Clock::time_point deadline);
  boost::asio::awaitable<std::shared_ptr<Place>> fetch_from(Source source, pki::ListWanted wanted, base::Time now,
                                                            Clock::time_point deadline);
  boost::asio::awaitable<void> load(Source source, pki::ListWanted wanted, Loading loading, base::Time now);
  boost::asio::awaitable<base::Result<Thing>> thing_from(Source source, pki::ListWanted wanted, base::Time now,
                                                         Clock::time_point deadline);
  base::Result<Thing> fetched(const Source& source, const pki::ListWanted& wanted, base::Time now, Clock::time_point deadline) const;
  std::shared_ptr<Place> place_for(const Source& source, const pki::ListWanted& wanted, base::Time now);
  void forget(base::Time now);
  void tell(base::Time now);

  boost::asio::any_io_executor executor_;
  Options options_;
  std::function<void(std::string_view, const EventFields&)> on_event_;
  Places places_;
  std::shared_ptr<Turns> turns_;  // a coroutine that is never gone on with may outlive this object
  std::shared_ptr<const std::vector<pki::Crl>> known_ = std::make_shared<const std::vector<pki::Crl>>();
  base::Time known_until_ = base::Time::max();
  std::atomic<bool> cancelled_ = false;
  boost::asio::thread_pool fetchers_;
};

}  // namespace signet::service
