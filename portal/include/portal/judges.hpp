#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "portal/acceptance.hpp"
#include "portal/verification.hpp"
#include "service/revocation.hpp"

namespace signet::portal {

// accept() and verify_content() on workers, by the anchors and lists as they are when they are asked. Where only revocation lists
// are missing they are fetched, and it is judged again; whoever has them does not wait for that. What people sign never waits for
// what others want verified. One thread (the executor's).
class Judges {
 public:
  Judges(boost::asio::any_io_executor executor, service::RevocationLists& lists) : lists_(lists), home_(std::move(executor)) {}

  void trust(pki::TrustMaterial trust);
  // Answers in the order of what was asked.
  boost::asio::awaitable<std::vector<std::expected<Accepted, Refusal>>> accept(
      std::vector<std::pair<std::string, Wanted>> questions);
  boost::asio::awaitable<VerificationResult> verify(VerificationContent content, Language language);
  void join();

 private:
  std::shared_ptr<const pki::TrustMaterial> current();

  service::RevocationLists& lists_;
  boost::asio::any_io_executor home_;
  std::shared_ptr<const pki::TrustMaterial> given_ = std::make_shared<const pki::TrustMaterial>(), with_lists_;
  std::shared_ptr<const std::vector<pki::Crl>> lists_in_it_;
  boost::asio::thread_pool acceptors_{1}, verifiers_{1};
};

}  // namespace signet::portal
