#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "portal/acceptance.hpp"
#include "portal/verification.hpp"
#include "service/places.hpp"
#include "service/revocation.hpp"

namespace signet::portal {

// accept() and verify_content() on workers, by the anchors and lists as they are when they are asked. Where only OCSP responses or
// revocation lists are missing they are fetched, and it is judged again; whoever has them does not wait for that. What people sign
// never waits for what others want verified, nor that of consumers for that of strangers. One thread (the executor's).
class Judges {
 public:
  struct Limits {  // of those who have something verified or wait for it
    std::size_t consumers = 256;
    std::size_t strangers = 32;  // with up to 4 MiB each
  };
  explicit Judges(service::RevocationServices& services) : Judges(services, Limits{}) {}
  Judges(service::RevocationServices& services, Limits limits)
      : services_(services), of_consumers_(limits.consumers), of_strangers_(limits.strangers) {}

  void trust(pki::TrustMaterial trust);
  // Answers in the order of what was asked.
  boost::asio::awaitable<std::vector<std::expected<Accepted, Refusal>>> accept(
      std::vector<std::pair<std::string, Wanted>> questions);
  enum class Asker : std::uint8_t { consumer, stranger };
  // One content after the other, so that ten thousand of one caller do not keep another's single one waiting. Nothing where too
  // many wait already.
  boost::asio::awaitable<std::optional<std::vector<VerificationResult>>> verify(std::vector<VerificationContent> contents,
                                                                                Language language, Asker asker);
  // What is being judged ends; nobody waits any more for what was not begun. Once the io_context has stopped.
  void join();

 private:
  // Those who verify for one kind of asker.
  struct Bench {
    explicit Bench(std::size_t most) : places(most) {}
    service::Places places;
    boost::asio::thread_pool worker{1};
  };

  std::shared_ptr<const pki::TrustMaterial> current();
  // judge(trust) on a worker: its result and, where that is not good, whose revocation data it lacks. The last result, with the data.
  template <class Judge>
  boost::asio::awaitable<decltype(std::declval<Judge>()(std::declval<const pki::TrustMaterial&>()).result)> with_revocation_data(
      boost::asio::thread_pool& pool, Judge judge);
  boost::asio::awaitable<VerificationResult> verify_one(VerificationContent content, Language language, Bench& bench);

  service::RevocationServices& services_;
  std::shared_ptr<const pki::TrustMaterial> given_ = std::make_shared<const pki::TrustMaterial>(), with_lists_;
  std::shared_ptr<const std::vector<pki::Crl>> lists_in_it_;
  boost::asio::thread_pool acceptors_{1};
  Bench of_consumers_, of_strangers_;
};

}  // namespace signet::portal
