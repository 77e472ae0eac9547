#pragma once

#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "pki/path.hpp"
#include "portal/consumers.hpp"
#include "portal/contract.hpp"

namespace signet::portal {

// Who calls the API. A certificate's number alone lets nobody in: it must have been issued by the CA that the register names, be
// in force, and come from an address of its consumer. Any thread.
class Identity {
 public:
  struct Options {
    pki::TrustMaterial trust;  // the CAs of system certificates; a list of theirs counts where one is given
  };
  explicit Identity(Options options) : options_(std::move(options)) {}

  // The register as it is now.
  void know(std::vector<Consumer> consumers);
  void trust(pki::TrustMaterial trust);

  // AuthenticationFailed with the rule that refuses. `certificate` is DER, null if none was presented. The consumer is as it was
  // when this was asked.
  std::expected<std::shared_ptr<const Consumer>, Fault> of(const base::Bytes* certificate, const boost::asio::ip::address& from,
                                                           base::Time now);

 private:
  // What a certificate is worth, apart from the register: judged again each minute.
  struct Judged {
    std::string serial_hex;
    std::string issuer_sha256;
    std::string refused;  // why; empty if it is good
    base::Time at{};
  };
  const Judged& judge(const base::Bytes& certificate, base::Time now);

  std::mutex mutex_;  // of all that follows
  Options options_;
  std::vector<std::shared_ptr<const Consumer>> consumers_;
  std::map<base::Bytes, Judged> judged_;  // by DER
};

}  // namespace signet::portal
