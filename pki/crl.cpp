#include "pki/crl.hpp"

#include <openssl/pem.h>

#include "openssl.hpp"

namespace signet::pki {

struct Crl::Content {
  base::Bytes der;
  base::Owned<X509_CRL, X509_CRL_free> crl;
};

base::Result<Crl> Crl::from_der(base::BytesView der) {
  const ErrorQueue queue;
  if (der.size() > max_file_size) return base::failure(base::ErrorCode::parameter_invalid, "the revocation list is too large");
  Content content;
  content.crl = decoded<X509_CRL_free>(d2i_X509_CRL, der);
  if (!content.crl) return openssl_failure(base::ErrorCode::parameter_invalid, "not a revocation list");
  content.der.assign(der.begin(), der.end());
  return Crl(std::make_shared<const Content>(std::move(content)));
}

base::BytesView Crl::der() const { return content_->der; }
std::optional<base::Time> Crl::next_update() const {
  const ASN1_TIME* const time = X509_CRL_get0_nextUpdate(native());
  if (time == nullptr) return {};
  return time_of(time);
}
std::optional<base::Time> Crl::this_update() const { return time_of(X509_CRL_get0_lastUpdate(native())); }
X509_CRL* Crl::native() const { return content_->crl.get(); }

base::Result<std::vector<Crl>> crls_in(base::BytesView file) { return all_in<Crl>(file, PEM_STRING_X509_CRL); }

}  // namespace signet::pki
