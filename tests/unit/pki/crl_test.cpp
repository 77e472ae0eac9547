#include "pki/crl.hpp"

#include "altered.hpp"

using namespace signet;
using namespace signet::pki;
using base::ErrorCode;

namespace {

demo::Authority& authority() {
  static demo::Authority made("Test Root", now);
  return made;
}

}  // namespace

TEST_CASE("a revocation list keeps its bytes") {
  const Crl crl = authority().crl();
  const auto again = Crl::from_der(crl.der());
  REQUIRE(again);
  CHECK(base::hex(again->der()) == base::hex(crl.der()));
  CHECK(X509_CRL_cmp(again->native(), crl.native()) == 0);
}

TEST_CASE("revocation lists are read from PEM and from DER files") {
  const Crl first = authority().crl();
  const Crl second = authority().crl();
  const std::string text = demo::pem(first) + demo::pem(authority().root().certificate) + demo::pem(second);
  const auto crls = crls_in(base::as_bytes(text));
  REQUIRE(crls);
  REQUIRE(crls->size() == 2);
  CHECK(base::hex(crls->back().der()) == base::hex(second.der()));
  CHECK(crls_in(first.der()).value().size() == 1);
}

TEST_CASE("every truncation of a revocation list is refused") {
  authority().revoke(authority().issue(person("Ana")).certificate, now);
  const base::Bytes der = bytes_of(authority().crl().der());
  for (std::size_t size = 0; size < der.size(); ++size) {
    const auto cut = Crl::from_der(base::BytesView(der).first(size));
    if (cut) FAIL("accepted after " << size << " bytes");
    CHECK(cut.error().code == ErrorCode::parameter_invalid);
  }
}

TEST_CASE("bytes after a revocation list are refused") {
  base::Bytes der = bytes_of(authority().crl().der());
  der.push_back(0);
  CHECK(Crl::from_der(der).error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("a file without a revocation list, or with a damaged one, is refused") {
  const std::string good = demo::pem(authority().crl());
  const auto text = GENERATE_COPY(as<std::string>{}, "", "nothing", good + good.substr(0, good.size() / 2),
                                  demo::pem(authority().root().certificate));
  CAPTURE(text);
  const auto crls = crls_in(base::as_bytes(text));
  REQUIRE_FALSE(crls);
  CHECK(crls.error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("a certificate is no revocation list") {
  CHECK(Crl::from_der(authority().root().certificate.der()).error().code == ErrorCode::parameter_invalid);
}
