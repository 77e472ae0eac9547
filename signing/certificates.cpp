#include "signing/certificates.hpp"

#include <algorithm>

namespace signet::signing {
namespace {

SigningCertificate::Validity validity_of(const pki::Certificate& certificate, base::Time now) {
  using enum SigningCertificate::Validity;
  if (now > certificate.not_after()) return expired;
  if (now < certificate.not_before()) return not_yet_valid;
  return certificate.not_after() - now < expires_soon_within ? expires_soon : valid;
}

}  // namespace

namespace {

// Where no module works it is not the person who can help by plugging something in.
base::Error no_token(const pkcs11::Modules& modules) {
  const std::vector<pkcs11::ModuleState> states = modules.states();
  const auto stopped = std::ranges::find_if(states, [](const auto& state) { return state.stopped && state.last_error; });
  if (stopped != states.end()) return *stopped->last_error;
  if (auto why = modules.why_none()) return *std::move(why);
  base::Error error{base::ErrorCode::no_token, "no token is there", 0, {}};
  if (modules.options().empty()) error.detail = "nothing is plugged in that a module serves, and no module is configured";
  const auto failed = [](const pkcs11::ModuleState& state) { return state.last_error && !state.running; };
  if (!states.empty() && std::ranges::all_of(states, failed)) return *states.front().last_error;
  return error;
}

}  // namespace

std::string SigningCertificate::id() const { return base::hex(certificate.fingerprint().bytes()); }

std::vector<SigningCertificate> fit_for_signing(std::vector<SigningCertificate> certificates, base::Time now) {
  std::erase_if(certificates, [](const SigningCertificate& candidate) { return !candidate.certificate.fit_for_signing(); });
  for (SigningCertificate& candidate : certificates) {
    candidate.validity = validity_of(candidate.certificate, now);
    candidate.left = std::chrono::floor<std::chrono::days>(candidate.certificate.not_after() - now);
  }
  // The same certificate on a token that shows in two slots counts once.
  std::vector<SigningCertificate> once;
  for (SigningCertificate& candidate : certificates) {
    if (std::ranges::none_of(once, [&](const SigningCertificate& kept) { return kept.certificate == candidate.certificate; }))
      once.push_back(std::move(candidate));
  }
  std::ranges::sort(once, {}, [](const SigningCertificate& candidate) {
    using enum SigningCertificate::Validity;
    // Those meant for signatures (nonRepudiation) before those meant for log-ins, what has run out last; the order of equals
    // is the same each time.
    const int rank = candidate.validity == expired ? 4 : candidate.validity == not_yet_valid ? 2 : 0;
    return std::pair(rank + (candidate.certificate.has_non_repudiation() ? 0 : 1), candidate.id());
  });
  return once;
}

boost::asio::awaitable<base::Result<std::vector<SigningCertificate>>> list_certificates(pkcs11::Modules& modules,
                                                                                        base::Time now) {
  const std::vector<pkcs11::TokenPlace> places = co_await modules.tokens();
  if (places.empty()) {
    if (co_await modules.card_held()) co_return base::failure(base::ErrorCode::card_busy, "another program holds the card");
    co_return std::unexpected(no_token(modules));
  }
  std::vector<SigningCertificate> found;
  std::optional<base::Error> error;
  for (const pkcs11::TokenPlace& place : places) {
    base::Result<std::vector<pkcs11::TokenCertificate>> on_token;
    for (int asked = 0;
         asked == 0 || (asked < pkcs11::most_hosts_asked && !on_token && pkcs11::ended_on_purpose(on_token.error())); ++asked) {
      auto host = co_await modules.host(place.module);
      if (host) {
        on_token = co_await (*host)->certificates(place.token.slot_id);
      } else {
        on_token = base::failure_of(host);
      }
    }
    if (!on_token) {
      error = on_token.error();
      continue;
    }
    std::vector<SigningCertificate> own;
    std::vector<pki::Certificate> authorities;
    for (const pkcs11::TokenCertificate& stored : *on_token) {
      const auto certificate = pki::Certificate::from_der(stored.der);
      if (!certificate) continue;  // a token may hold what is no certificate: it cannot sign, and is nobody's error
      if (certificate->is_ca()) {
        authorities.push_back(*certificate);
      } else if (!stored.cka_id.empty()) {
        own.push_back({*certificate, {}, place, stored.cka_id});
      }
    }
    for (SigningCertificate& candidate : own) {
      candidate.chain = pki::intermediates_of(candidate.certificate, authorities);
      found.push_back(std::move(candidate));
    }
  }
  const bool any = !found.empty();
  found = fit_for_signing(std::move(found), now);
  if (!found.empty()) co_return found;
  if (error) co_return std::unexpected(*error);
  if (any) co_return base::failure(base::ErrorCode::certificate_unfit, "no certificate on the token is for signing");
  co_return base::failure(base::ErrorCode::certificate_not_found, "no certificate on the token");
}

}  // namespace signet::signing
