#include "pki/certificate.hpp"

#include <openssl/err.h>

#include <algorithm>

#include "base/text.hpp"
#include "property.hpp"
#include "world.hpp"

// A certificate from a token, a signature or a file.

using namespace signet;
using fuzz::hold;
using fuzz::world;

namespace {

// What the issuer signed; the signature itself is not compared, as one of ECDSA has two forms that hold.
bool same_content(const pki::Certificate& a, const pki::Certificate& b) {
  return a.subject() == b.subject() && a.serial_hex() == b.serial_hex() && a.not_before() == b.not_before() &&
         a.not_after() == b.not_after() && EVP_PKEY_eq(X509_get0_pubkey(a.native()), X509_get0_pubkey(b.native())) == 1;
}

void check_path(const pki::Certificate& certificate) {
  static const std::vector<pki::Certificate> known = [] {
    std::vector<pki::Certificate> out;
    for (const base::Bytes& seed : fuzz::seeds("certificate")) {
      if (auto read = pki::certificates_in(seed)) out.insert(out.end(), read->begin(), read->end());
    }
    return out;
  }();
  for (const auto purpose : {pki::Purpose::signer, pki::Purpose::time_stamping}) {
    const auto path = pki::validate_path(certificate, world().trust, fuzz::now, purpose);
    if (path.status != pki::PathStatus::valid) continue;
    hold(std::ranges::any_of(known, [&](const auto& one) { return same_content(one, certificate); }));
    hold(!same_content(certificate, world().revoked));
    hold(certificate.not_before() <= fuzz::now && fuzz::now <= certificate.not_after());
    hold(path.chain.size() >= 2 && path.chain.front() == certificate);
  }
}

void check(const pki::Certificate& certificate) {
  for (const std::string& text : {certificate.subject(), certificate.issuer(), certificate.common_name()})
    hold(base::is_utf8(text));
  hold(certificate.short_name().size() == 8);
  hold(certificate.key_bits() >= 0);
  if (certificate.is_ca()) hold(!certificate.fit_for_signing());
  if (certificate.has_non_repudiation() && !certificate.is_ca()) hold(certificate.fit_for_signing());
  static_cast<void>(certificate.key_type());
  hold(!certificate.serial_hex().empty());
  hold(!certificate.issuer_serial_der().empty() && certificate.issuer_serial_der()[0] == 0x30);
  // Somebody else's certificate is never an intermediate of itself.
  hold(std::ranges::none_of(pki::intermediates_of(world().signer, {certificate, world().signer}),
                            [](const auto& one) { return one == world().signer; }));
  static_cast<void>(pki::intermediates_of(certificate, {certificate, world().signer, world().trust.anchors.front()}));
  check_path(certificate);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::BytesView input{data, size};
  if (const auto certificate = pki::Certificate::from_der(input)) {
    hold(std::ranges::equal(certificate->der(), input) && size <= 64 * 1024);
    check(*certificate);
  }
  const auto all = pki::certificates_in(input);
  if (all) {
    for (const pki::Certificate& one : *all) hold(pki::Certificate::from_der(one.der()) == one);
  }
  hold(ERR_peek_error() == 0);  // nobody later takes these errors for their own
  return 0;
}
