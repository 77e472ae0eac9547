#include "pki/ocsp.hpp"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <new>

#include "base/message_digest.hpp"
#include "openssl.hpp"
#include "stack.hpp"

namespace signet::pki {
namespace {

using base::ErrorCode;
using base::Owned;
using base::Result;

constexpr std::size_t max_response_size = std::size_t{1} << 20;  // real ones have 0.5 to 5 KiB
constexpr int max_statuses = 64;
constexpr int max_certificates = 16;
constexpr std::size_t nonce_size = 32;
constexpr std::size_t max_nonce_size = 128;  // RFC 9654 2.1

using CertId = Owned<OCSP_CERTID, OCSP_CERTID_free>;

base::BytesView content_of(const ASN1_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// RFC 8954 and 9654: the extension's value is an OCTET STRING within the extension's own. Old responders leave it out.
base::Bytes nonce_in(const X509_EXTENSION* extension) {
  const base::BytesView outer = content_of(X509_EXTENSION_get_data(const_cast<X509_EXTENSION*>(extension)));
  const auto inner = decoded<ASN1_OCTET_STRING_free>(d2i_ASN1_OCTET_STRING, outer);
  const base::BytesView value = inner ? content_of(inner.get()) : outer;
  return {value.begin(), value.end()};
}

int nid_of(X509_EXTENSION* extension) { return OBJ_obj2nid(X509_EXTENSION_get_object(extension)); }

struct Single {
  const OCSP_CERTID* id;  // within the response
  OcspStatus status;
};

std::optional<Single> read_single(OCSP_SINGLERESP* single) {
  Single out{.id = OCSP_SINGLERESP_get0_id(single), .status = {}};
  int reason = -1;
  ASN1_GENERALIZEDTIME *revoked = nullptr, *this_update = nullptr, *next_update = nullptr;
  const int value = OCSP_single_get0_status(single, &reason, &revoked, &this_update, &next_update);
  const auto this_time = time_of(this_update);
  if (out.id == nullptr || !this_time) return std::nullopt;
  out.status.this_update = *this_time;
  if (next_update != nullptr && !(out.status.next_update = time_of(next_update))) return std::nullopt;
  const auto next_critical = [single](int last) { return OCSP_SINGLERESP_get_ext_by_critical(single, 1, last); };
  for (int at = next_critical(-1); at >= 0; at = next_critical(at)) {
    if (nid_of(OCSP_SINGLERESP_get_ext(single, at)) != NID_id_pkix_OCSP_archiveCutoff) return std::nullopt;
  }
  if (value == V_OCSP_CERTSTATUS_GOOD) out.status.value = OcspStatus::Value::good;
  if (value == V_OCSP_CERTSTATUS_REVOKED) {
    out.status.value = OcspStatus::Value::revoked;
    if (!(out.status.revoked_at = time_of(revoked))) return std::nullopt;
    out.status.on_hold = reason == OCSP_REVOKED_STATUS_CERTIFICATEHOLD;
  }
  const Owned<ASN1_GENERALIZEDTIME, ASN1_GENERALIZEDTIME_free> cutoff{
      static_cast<ASN1_GENERALIZEDTIME*>(OCSP_SINGLERESP_get1_ext_d2i(single, NID_id_pkix_OCSP_archiveCutoff, nullptr, nullptr))};
  if (cutoff) out.status.archive_cutoff = time_of(cutoff.get());
  return out;
}

// Those that a CertID may use: a short table, as each costs two hashes.
const EVP_MD* digest_of(const OCSP_CERTID* id) {
  ASN1_OBJECT* algorithm = nullptr;
  if (OCSP_id_get0_info(nullptr, &algorithm, nullptr, nullptr, const_cast<OCSP_CERTID*>(id)) != 1) return nullptr;
  switch (OBJ_obj2nid(algorithm)) {
    case NID_sha1:
      return EVP_sha1();
    case NID_sha224:
      return EVP_sha224();
    case NID_sha256:
      return EVP_sha256();
    case NID_sha384:
      return EVP_sha384();
    case NID_sha512:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

bool is_about(const OCSP_CERTID* id, const Certificate& certificate, const Certificate& issuer) {
  const EVP_MD* digest = digest_of(id);
  if (digest == nullptr) return false;
  const CertId wanted{OCSP_cert_to_id(digest, certificate.native(), issuer.native())};
  return wanted && OCSP_id_cmp(wanted.get(), id) == 0;
}

std::string refusal(int status) { return std::string("the OCSP responder refused: ") + OCSP_response_status_str(status); }

void need(bool done) {
  if (!done) throw std::bad_alloc();
}

}  // namespace

struct OcspResponse::Content {
  base::Bytes der;
  Owned<OCSP_BASICRESP, OCSP_BASICRESP_free> basic;
  base::Time produced_at;
  std::vector<Single> statuses;
  std::vector<Certificate> certificates;
  base::Bytes nonce;
};

Result<OcspResponse> OcspResponse::from_der(base::BytesView der) {
  const ErrorQueue queue;
  const auto malformed = [](const char* what) { return openssl_failure(ErrorCode::parameter_invalid, what); };
  if (der.size() > max_response_size) return malformed("the OCSP response is too large");
  const auto response = decoded<OCSP_RESPONSE_free>(d2i_OCSP_RESPONSE, der);
  if (!response) return malformed("not an OCSP response");
  if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
    return base::failure(ErrorCode::parameter_invalid, refusal(status));
  Content content;
  content.basic.reset(OCSP_response_get1_basic(response.get()));
  OCSP_BASICRESP* basic = content.basic.get();
  if (basic == nullptr) return malformed("not a basic OCSP response");
  // What is signed is encoded anew to be verified: a response has one encoding, or its bytes could be changed at will.
  const Owned<OCSP_RESPONSE, OCSP_RESPONSE_free> again{OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic)};
  if (!again || !std::ranges::equal(encoded(i2d_OCSP_RESPONSE, again.get()), der))
    return malformed("the OCSP response is not in DER");
  const auto produced = time_of(OCSP_resp_get0_produced_at(basic));
  if (!produced) return malformed("producedAt is not a time");
  content.produced_at = *produced;
  const auto next_critical = [basic](int last) { return OCSP_BASICRESP_get_ext_by_critical(basic, 1, last); };
  for (int at = next_critical(-1); at >= 0; at = next_critical(at)) {
    if (nid_of(OCSP_BASICRESP_get_ext(basic, at)) != NID_id_pkix_OCSP_Nonce) return malformed("an unknown critical extension");
  }
  if (OCSP_resp_count(basic) > max_statuses) return malformed("too many statuses in the OCSP response");
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    const auto single = read_single(OCSP_resp_get0(basic, i));
    if (!single) return malformed("a status that is not of the form");
    content.statuses.push_back(*single);
  }
  const STACK_OF(X509)* certificates = OCSP_resp_get0_certs(basic);
  if (sk_X509_num(certificates) > max_certificates) return malformed("too many certificates in the OCSP response");
  for (int i = 0; i < sk_X509_num(certificates); ++i) {
    if (auto one = Certificate::from_der(encoded(i2d_X509, sk_X509_value(certificates, i))))
      content.certificates.push_back(std::move(*one));
  }
  if (const int at = OCSP_BASICRESP_get_ext_by_NID(basic, NID_id_pkix_OCSP_Nonce, -1); at >= 0) {
    content.nonce = nonce_in(OCSP_BASICRESP_get_ext(basic, at));
    if (content.nonce.size() > max_nonce_size) return malformed("the nonce is too long");
  }
  content.der.assign(der.begin(), der.end());
  return OcspResponse(std::make_shared<const Content>(std::move(content)));
}

base::BytesView OcspResponse::der() const { return content_->der; }
base::Time OcspResponse::produced_at() const { return content_->produced_at; }
std::size_t OcspResponse::size() const { return content_->statuses.size(); }
const std::vector<Certificate>& OcspResponse::certificates() const { return content_->certificates; }
const base::Bytes& OcspResponse::nonce() const { return content_->nonce; }
OCSP_BASICRESP* OcspResponse::native() const { return content_->basic.get(); }
bool OcspResponse::operator==(const OcspResponse& other) const {
  return content_ == other.content_ || content_->der == other.content_->der;
}

std::optional<OcspStatus> OcspResponse::status_of(const Certificate& certificate, const Certificate& issuer) const {
  const ErrorQueue queue;
  // Anything but "good" goes before it; a revocation before what is not known.
  const auto gravity = [](const OcspStatus& status) {
    return status.value == OcspStatus::Value::revoked ? 2 : status.value == OcspStatus::Value::unknown ? 1 : 0;
  };
  std::optional<OcspStatus> worst;
  for (const Single& single : content_->statuses) {
    if (!is_about(single.id, certificate, issuer)) continue;
    const auto key = [&](const OcspStatus& status) { return std::pair(gravity(status), status.this_update); };
    if (!worst || key(*worst) < key(single.status)) worst = single.status;
  }
  return worst;
}

bool OcspResponse::names_as_responder(const Certificate& certificate) const {
  const ErrorQueue queue;
  const ASN1_OCTET_STRING* key = nullptr;
  const X509_NAME* name = nullptr;
  if (OCSP_resp_get0_id(content_->basic.get(), &key, &name) != 1) return false;
  if (name != nullptr) return X509_NAME_cmp(name, X509_get_subject_name(certificate.native())) == 0;
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};  // RFC 6960 4.2.1: SHA-1 of the key, as of nothing else
  unsigned size = 0;
  return X509_pubkey_digest(certificate.native(), EVP_sha1(), digest.data(), &size) == 1 &&
         std::ranges::equal(base::BytesView(digest).first(size),
                            base::BytesView(ASN1_STRING_get0_data(key), static_cast<std::size_t>(ASN1_STRING_length(key))));
}

bool OcspResponse::is_signed_by(const Certificate& responder) const {
  const ErrorQueue queue;
  const X509Stack only = stack_of({responder});
  // No path and no other certificate than this: OpenSSL would judge at today's time, and trust what it is sent.
  return OCSP_basic_verify(content_->basic.get(), only.get(), nullptr, OCSP_NOVERIFY | OCSP_NOINTERN) == 1;
}

OcspRequest make_ocsp_request(const Certificate& certificate, const Certificate& issuer, base::DigestAlgorithm id_digest) {
  const ErrorQueue queue;
  OcspRequest out;
  out.nonce.resize(nonce_size);
  need(RAND_bytes(out.nonce.data(), static_cast<int>(out.nonce.size())) == 1);
  const Owned<OCSP_REQUEST, OCSP_REQUEST_free> request{OCSP_REQUEST_new()};
  CertId id{OCSP_cert_to_id(base::message_digest(id_digest), certificate.native(), issuer.native())};
  need(request && id && OCSP_request_add0_id(request.get(), id.get()) != nullptr);
  (void)id.release();  // the request's now
  need(OCSP_request_add1_nonce(request.get(), out.nonce.data(), static_cast<int>(out.nonce.size())) == 1);
  out.der = encoded(i2d_OCSP_REQUEST, request.get());
  need(!out.der.empty());
  return out;
}

Result<OcspResponse> read_ocsp_response(base::BytesView der, const OcspRequest& request, const Certificate& certificate,
                                        const Certificate& issuer, NonceRule rule) {
  const auto failed = [](std::string detail) { return base::failure(ErrorCode::network_failed, std::move(detail)); };
  auto response = OcspResponse::from_der(der);
  if (!response) return failed(response.error().detail);
  if (!response->status_of(certificate, issuer)) return failed("the OCSP response is about other certificates");
  if (response->nonce() != request.nonce && (rule == NonceRule::same || !response->nonce().empty()))
    return failed("the OCSP response has another nonce, or none");
  return response;
}

}  // namespace signet::pki
