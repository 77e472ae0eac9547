#include "pki/crl.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <initializer_list>

#include "openssl.hpp"

namespace signet::pki {
namespace {

bool has_unknown_critical(const STACK_OF(X509_EXTENSION) * extensions, std::initializer_list<int> known) {
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509_EXTENSION* one = sk_X509_EXTENSION_value(extensions, i);
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(one));
    if (X509_EXTENSION_get_critical(one) == 1 && std::ranges::find(known, nid) == known.end()) return true;
  }
  return false;
}

// RFC 5280 5.2 and 5.3: a list with a critical extension that is not known, of its own or of an entry, says nothing of anybody.
bool has_unknown_critical(X509_CRL* list) {
  if (has_unknown_critical(X509_CRL_get0_extensions(list), {NID_issuing_distribution_point, NID_delta_crl, NID_crl_number,
                                                            NID_authority_key_identifier, NID_freshest_crl}))
    return true;
  const STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(list);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    if (has_unknown_critical(X509_REVOKED_get0_extensions(sk_X509_REVOKED_value(entries, i)),
                             {NID_crl_reason, NID_certificate_issuer, NID_invalidity_date}))
      return true;
  }
  return false;
}

}  // namespace

struct Crl::Content {
  base::Bytes der;
  base::Owned<X509_CRL, X509_CRL_free> crl;
  bool unknown_critical = false;
};

base::Result<Crl> Crl::from_der(base::BytesView der) {
  const ErrorQueue queue;
  if (der.size() > max_file_size) return base::failure(base::ErrorCode::parameter_invalid, "the revocation list is too large");
  Content content;
  content.crl = decoded<X509_CRL_free>(d2i_X509_CRL, der);
  if (!content.crl) return openssl_failure(base::ErrorCode::parameter_invalid, "not a revocation list");
  content.der.assign(der.begin(), der.end());
  content.unknown_critical = has_unknown_critical(content.crl.get());
  // The first look-up sorts the entries: now, before copies are shared between threads.
  X509_REVOKED* none = nullptr;
  const base::Owned<ASN1_INTEGER, ASN1_INTEGER_free> zero{ASN1_INTEGER_new()};
  X509_CRL_get0_by_serial(content.crl.get(), &none, zero.get());
  return Crl(std::make_shared<const Content>(std::move(content)));
}

base::BytesView Crl::der() const { return content_->der; }
std::optional<base::Time> Crl::next_update() const {
  const ASN1_TIME* const time = X509_CRL_get0_nextUpdate(native());
  if (time == nullptr) return {};
  return time_of(time);
}
std::optional<base::Time> Crl::this_update() const { return time_of(X509_CRL_get0_lastUpdate(native())); }
bool Crl::has_unknown_critical_extension() const { return content_->unknown_critical; }
X509_CRL* Crl::native() const { return content_->crl.get(); }

base::Result<std::vector<Crl>> crls_in(base::BytesView file) { return all_in<Crl>(file, PEM_STRING_X509_CRL); }

}  // namespace signet::pki
