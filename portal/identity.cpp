#include "portal/identity.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace signet::portal {
namespace {

constexpr std::chrono::seconds judged_again_after{60};
constexpr std::size_t judged_at_most = 1'000;  // whoever connects decides what is in there

std::unexpected<Fault> refused(std::string reason) {
  return std::unexpected(Fault{FaultCode::authentication_failed, std::move(reason)});
}

std::string why(pki::PathStatus status) {
  switch (status) {
    case pki::PathStatus::expired:
      return "it has expired";
    case pki::PathStatus::not_yet_valid:
      return "it is not valid yet";
    case pki::PathStatus::revoked:
    case pki::PathStatus::ca_revoked:
      return "it has been revoked";
    case pki::PathStatus::no_revocation_data:
      return "whether it has been revoked is not known now: its certification authority's list is missing or out of date";
    case pki::PathStatus::constraints:
      return "it is not for authenticating a client";
    default:
      return "it was not issued by a certification authority that this service accepts";
  }
}

// "00a1" and "A1" are one number.
std::string serial_of(const pki::Certificate& certificate) {
  std::string serial = base::lower(certificate.serial_hex());
  serial.erase(0, std::min(serial.find_first_not_of('0'), serial.size() - 1));
  return serial;
}

}  // namespace

void Identity::know(std::vector<Consumer> consumers) {
  std::vector<std::shared_ptr<const Consumer>> known;
  for (Consumer& consumer : consumers) known.push_back(std::make_shared<const Consumer>(std::move(consumer)));
  const std::scoped_lock lock(mutex_);
  consumers_ = std::move(known);
}

void Identity::trust(pki::TrustMaterial trust) {
  const std::scoped_lock lock(mutex_);
  options_.trust = std::move(trust);
  judged_.clear();
}

const Identity::Judged& Identity::judge(const base::Bytes& certificate, base::Time now) {
  if (const auto known = judged_.find(certificate);
      known != judged_.end() && now >= known->second.at && now < known->second.at + judged_again_after)
    return known->second;
  if (judged_.size() >= judged_at_most) judged_.clear();
  Judged judged;
  judged.at = now;
  if (const auto parsed = pki::Certificate::from_der(certificate)) {
    judged.serial_hex = serial_of(*parsed);
    const auto path = pki::validate_path(*parsed, options_.trust, now, pki::Purpose::client_authentication);
    // Without any list of the CA nothing is known of revocation, and the register is the place to take a consumer out.
    const bool no_lists = path.status == pki::PathStatus::no_revocation_data && options_.trust.crls.empty();
    if (path.status != pki::PathStatus::valid && !no_lists) judged.refused = why(path.status);
    if (path.chain.size() > 1) judged.issuer_sha256 = base::hex(path.chain[1].fingerprint().bytes());
  } else {
    judged.refused = "it cannot be read";
  }
  return judged_.insert_or_assign(certificate, std::move(judged)).first->second;
}

std::expected<std::shared_ptr<const Consumer>, Fault> Identity::of(const base::Bytes* certificate,
                                                                   const boost::asio::ip::address& from, base::Time now) {
  if (certificate == nullptr) return refused("Invalid authentication certificate provided: none was presented");
  const std::scoped_lock lock(mutex_);
  const Judged& judged = judge(*certificate, now);
  if (!judged.refused.empty()) return refused("Invalid authentication certificate provided: " + judged.refused);
  const auto has_number = [&](const std::shared_ptr<const Consumer>& consumer) {
    return std::ranges::any_of(consumer->certificates, [&](const ConsumerCertificate& known) {
      return known.serial_hex == judged.serial_hex && known.issuer_sha256 == judged.issuer_sha256;
    });
  };
  const auto found = std::ranges::find_if(consumers_, has_number);
  if (found == consumers_.end()) return refused("Unknown service consumer: " + judged.serial_hex);
  const std::shared_ptr<const Consumer>& consumer = *found;
  if (!consumer->active) return refused("Service consumer is not active: " + judged.serial_hex);
  if (std::ranges::none_of(consumer->addresses, [&](const AddressRange& range) { return range.contains(from); }))
    return refused("Service consumer may not call from this address: " + judged.serial_hex);
  return consumer;
}

}  // namespace signet::portal
