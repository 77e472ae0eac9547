#include "pki/certificate.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "openssl.hpp"

namespace signet::pki {
namespace {

constexpr std::size_t max_certificate_size = std::size_t{64} << 10;
constexpr std::size_t max_chain_length = 10;
constexpr std::size_t max_urls = 4;
constexpr std::size_t max_url_size = 1'024;

std::string text_of(const X509_NAME* name) {
  const ErrorQueue queue;
  const Bio out{BIO_new(BIO_s_mem())};
  // Cannot fail but for want of memory: what is not of the character set that it claims was refused by d2i_X509.
  if (X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB)) < 0) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string{};
}

bool is_issued_by(X509* certificate, X509* issuer) {
  return X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) == 0 &&
         X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

void add_url(std::vector<std::string>& urls, const GENERAL_NAME* name) {
  if (name->type != GEN_URI || urls.size() >= max_urls) return;
  const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
  const std::string url(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                        static_cast<std::size_t>(ASN1_STRING_length(uri)));
  if (url.size() <= max_url_size && (url.starts_with("http://") || url.starts_with("https://"))) urls.push_back(url);
}

}  // namespace

struct Certificate::Content {
  base::Bytes der;
  base::Owned<X509, X509_free> x509;
  base::Time not_before, not_after;
};

// The certificates that were decoded last. Most documents carry the same few, and to decode one (its key above all) costs more
// than to verify with it. Bounded, as documents of others fill it.
class Certificate::Recent {
 public:
  static Recent& instance() {
    static Recent recent;
    return recent;
  }

  std::shared_ptr<const Content> find(base::BytesView der) {
    if (der.size() > max_size) return nullptr;
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(text(der));
    if (found == places_.end()) return nullptr;
    kept_.splice(kept_.begin(), kept_, found->second);
    return *found->second;
  }

  void keep(const std::shared_ptr<const Content>& content) {
    if (content->der.size() > max_size) return;
    const std::lock_guard lock(mutex_);
    if (places_.contains(text(content->der))) return;  // by another thread meanwhile
    kept_.push_front(content);
    places_.emplace(text(content->der), kept_.begin());
    if (kept_.size() <= max_count) return;
    places_.erase(text(kept_.back()->der));
    kept_.pop_back();
  }

 private:
  static constexpr std::size_t max_count = 256, max_size = std::size_t{4} << 10;

  static std::string_view text(base::BytesView der) { return {reinterpret_cast<const char*>(der.data()), der.size()}; }

  std::mutex mutex_;
  std::list<std::shared_ptr<const Content>> kept_;                                                    // the last used first
  std::unordered_map<std::string_view, std::list<std::shared_ptr<const Content>>::iterator> places_;  // by DER, in kept_
};

base::Result<Certificate> Certificate::from_der(base::BytesView der) {
  if (auto recent = Recent::instance().find(der)) return Certificate(std::move(recent));
  const ErrorQueue queue;
  if (der.size() > max_certificate_size) return base::failure(base::ErrorCode::parameter_invalid, "the certificate is too large");
  Content content;
  content.x509 = decoded<X509_free>(d2i_X509, der);
  if (!content.x509) return openssl_failure(base::ErrorCode::parameter_invalid, "not a certificate");
  content.der.assign(der.begin(), der.end());
  // One certificate has one encoding: otherwise its fingerprint could be changed at will.
  if (encoded(i2d_X509, content.x509.get()) != content.der)
    return base::failure(base::ErrorCode::parameter_invalid, "the certificate is not in DER");
  const auto not_before = time_of(X509_get0_notBefore(content.x509.get()));
  const auto not_after = time_of(X509_get0_notAfter(content.x509.get()));
  if (!not_before || !not_after)
    return base::failure(base::ErrorCode::parameter_invalid, "the certificate's validity is not a time");
  content.not_before = *not_before;
  content.not_after = *not_after;
  X509_check_purpose(content.x509.get(), -1, 0);  // decodes the extensions now, before copies are shared between threads
  auto shared = std::make_shared<const Content>(std::move(content));
  Recent::instance().keep(shared);
  return Certificate(std::move(shared));
}

base::BytesView Certificate::der() const { return content_->der; }
X509* Certificate::native() const { return content_->x509.get(); }
std::string Certificate::subject() const { return text_of(X509_get_subject_name(native())); }
std::string Certificate::issuer() const { return text_of(X509_get_issuer_name(native())); }
base::Time Certificate::not_before() const { return content_->not_before; }
base::Time Certificate::not_after() const { return content_->not_after; }

std::string Certificate::common_name() const {
  const ErrorQueue queue;
  const X509_NAME* name = X509_get_subject_name(native());
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;) last = i;
  if (last < 0) return subject();
  unsigned char* data = nullptr;
  const int size = ASN1_STRING_to_UTF8(&data, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
  if (size < 0) return subject();
  const base::Owned<unsigned char, free_bytes> owner{data};
  return {reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)};
}

std::string Certificate::serial_hex() const {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(native());
  const base::BytesView magnitude{ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))};
  return (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "") + base::hex(magnitude);
}

int Certificate::version() const { return static_cast<int>(X509_get_version(native())) + 1; }

KeyType Certificate::key_type() const {
  const ErrorQueue queue;
  const EVP_PKEY* key = X509_get0_pubkey(native());
  if (key == nullptr) return KeyType::other;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) return KeyType::rsa;
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return KeyType::other;
  char group[32] = {};
  if (EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) != 1) return KeyType::other;
  switch (OBJ_sn2nid(group)) {
    case NID_X9_62_prime256v1:
      return KeyType::ec_p256;
    case NID_secp384r1:
      return KeyType::ec_p384;
    case NID_secp521r1:
      return KeyType::ec_p521;
    default:
      return KeyType::other;
  }
}

int Certificate::key_bits() const {
  const ErrorQueue queue;
  const EVP_PKEY* key = X509_get0_pubkey(native());
  return key == nullptr ? 0 : EVP_PKEY_get_bits(key);
}

bool Certificate::is_ca() const {
  const std::uint32_t flags = X509_get_extension_flags(native());
  return (flags & EXFLAG_CA) != 0 && (flags & EXFLAG_INVALID) == 0;
}

bool Certificate::fit_for_signing() const {
  if (is_ca() || (X509_get_extension_flags(native()) & EXFLAG_INVALID) != 0) return false;
  // All bits are set when the extension is absent.
  return (X509_get_key_usage(native()) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) != 0;
}

bool Certificate::has_non_repudiation() const {
  const std::uint32_t flags = X509_get_extension_flags(native());
  return (flags & EXFLAG_KUSAGE) != 0 && (flags & EXFLAG_INVALID) == 0 &&
         (X509_get_key_usage(native()) & KU_NON_REPUDIATION) != 0;
}

base::Digest Certificate::fingerprint() const { return base::digest(base::DigestAlgorithm::sha256, der()); }

std::string Certificate::short_name() const { return base::hex(fingerprint().bytes().first(4)); }

std::vector<std::string> Certificate::crl_urls() const {
  const ErrorQueue queue;
  const base::Owned<CRL_DIST_POINTS, CRL_DIST_POINTS_free> points{
      static_cast<CRL_DIST_POINTS*>(X509_get_ext_d2i(native(), NID_crl_distribution_points, nullptr, nullptr))};
  std::vector<std::string> urls;
  for (int i = 0; points && i < sk_DIST_POINT_num(points.get()); ++i) {
    const DIST_POINT_NAME* const name = sk_DIST_POINT_value(points.get(), i)->distpoint;
    if (name == nullptr || name->type != 0) continue;  // relative to the issuer's name: a directory's
    for (int j = 0; j < sk_GENERAL_NAME_num(name->name.fullname); ++j)
      add_url(urls, sk_GENERAL_NAME_value(name->name.fullname, j));
  }
  return urls;
}

std::vector<std::string> Certificate::ocsp_urls() const {
  const ErrorQueue queue;
  const base::Owned<AUTHORITY_INFO_ACCESS, AUTHORITY_INFO_ACCESS_free> places{
      static_cast<AUTHORITY_INFO_ACCESS*>(X509_get_ext_d2i(native(), NID_info_access, nullptr, nullptr))};
  std::vector<std::string> urls;
  for (int i = 0; places && i < sk_ACCESS_DESCRIPTION_num(places.get()); ++i) {
    const ACCESS_DESCRIPTION* const place = sk_ACCESS_DESCRIPTION_value(places.get(), i);
    if (OBJ_obj2nid(place->method) == NID_ad_OCSP) add_url(urls, place->location);
  }
  return urls;
}

base::Bytes Certificate::issuer_serial_der() const {
  // IssuerSerial ::= SEQUENCE { issuer GeneralNames, serialNumber CertificateSerialNumber } with one directoryName,
  // which is [4] and EXPLICIT because Name is a CHOICE (RFC 5280 4.2.1.6).
  base::Bytes directory_name, general_names, issuer_serial;
  append_tlv(directory_name, 4, V_ASN1_CONTEXT_SPECIFIC, encoded(i2d_X509_NAME, X509_get_issuer_name(native())));
  append_tlv(general_names, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, directory_name);
  const base::Bytes serial = encoded(i2d_ASN1_INTEGER, X509_get_serialNumber(native()));
  general_names.insert(general_names.end(), serial.begin(), serial.end());
  append_tlv(issuer_serial, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, general_names);
  return issuer_serial;
}

bool Certificate::operator==(const Certificate& other) const {
  return content_ == other.content_ || content_->der == other.content_->der;
}

base::Result<std::vector<Certificate>> certificates_in(base::BytesView file) {
  return all_in<Certificate>(file, PEM_STRING_X509);
}

std::vector<Certificate> intermediates_of(const Certificate& certificate, const std::vector<Certificate>& candidates) {
  const ErrorQueue queue;
  std::vector<Certificate> found;
  Certificate below = certificate;
  while (found.size() < max_chain_length && !is_issued_by(below.native(), below.native())) {
    const auto issuer = std::ranges::find_if(candidates, [&](const Certificate& candidate) {
      return candidate != certificate && std::ranges::find(found, candidate) == found.end() &&
             is_issued_by(below.native(), candidate.native());
    });
    if (issuer == candidates.end() || is_issued_by(issuer->native(), issuer->native())) break;
    found.push_back(*issuer);
    below = *issuer;
  }
  return found;
}

}  // namespace signet::pki
