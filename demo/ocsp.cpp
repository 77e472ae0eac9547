#include "demo/ocsp.hpp"

#include <stdexcept>

#include "base/message_digest.hpp"
#include "openssl.hpp"

namespace signet::demo {
namespace {

using base::Owned;

Owned<X509_EXTENSION, X509_EXTENSION_free> unknown_critical() {
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> object{OBJ_txt2obj("1.2.3.4", 1)};
  const Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> value{ASN1_OCTET_STRING_new()};
  return Owned<X509_EXTENSION, X509_EXTENSION_free>{X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 1, value.get())};
}

void add(OCSP_BASICRESP* response, const OcspSaid& said) {
  const Owned<OCSP_CERTID, OCSP_CERTID_free> id{
      OCSP_cert_to_id(base::message_digest(said.id_digest), said.certificate.native(), said.issuer.native())};
  const bool revoked = said.value == pki::OcspStatus::Value::revoked;
  const Asn1Time when = asn1_time(said.revoked_at.value_or(said.at));
  const Asn1Time this_update = asn1_time(said.at);
  const Asn1Time next_update = said.next_update ? asn1_time(*said.next_update) : nullptr;
  const int value = revoked                                         ? V_OCSP_CERTSTATUS_REVOKED
                    : said.value == pki::OcspStatus::Value::unknown ? V_OCSP_CERTSTATUS_UNKNOWN
                                                                    : V_OCSP_CERTSTATUS_GOOD;
  const int reason = said.on_hold ? OCSP_REVOKED_STATUS_CERTIFICATEHOLD : OCSP_REVOKED_STATUS_KEYCOMPROMISE;
  OCSP_SINGLERESP* single = OCSP_basic_add1_status(response, id.get(), value, reason, revoked ? when.get() : nullptr,
                                                   this_update.get(), next_update.get());
  need(single != nullptr, "OCSP_basic_add1_status");
  if (said.oddity == OcspSaid::Oddity::in_status)
    need(OCSP_SINGLERESP_add_ext(single, unknown_critical().get(), -1) == 1, "an extension");
  if (said.archive_cutoff) {
    const Asn1Time cutoff{ASN1_GENERALIZEDTIME_set(nullptr, said.archive_cutoff->time_since_epoch().count())};
    need(OCSP_SINGLERESP_add1_ext_i2d(single, NID_id_pkix_OCSP_archiveCutoff, cutoff.get(), 0, 0) == 1, "archiveCutoff");
  }
}

}  // namespace

pki::OcspResponse ocsp_response(const Identity& responder, const std::vector<OcspSaid>& said) {
  const OcspSaid& first = said.at(0);
  const Owned<OCSP_BASICRESP, OCSP_BASICRESP_free> basic{OCSP_BASICRESP_new()};
  for (const OcspSaid& one : said) add(basic.get(), one);
  base::Bytes nonce = first.nonce;  // OpenSSL copies it but does not take it as const
  if (!nonce.empty()) need(OCSP_basic_add1_nonce(basic.get(), nonce.data(), static_cast<int>(nonce.size())) == 1, "the nonce");
  if (first.oddity == OcspSaid::Oddity::in_response)
    need(OCSP_BASICRESP_add_ext(basic.get(), unknown_critical().get(), -1) == 1, "an extension");
  for (const pki::Certificate& one : first.certificates) need(OCSP_basic_add1_cert(basic.get(), one.native()) == 1, "add1_cert");
  // Only then producedAt is ours: OCSP_basic_sign writes the clock's, unless it is told not to.
  const unsigned long flags = OCSP_NOTIME | (first.responder_id == OcspSaid::ResponderId::key ? OCSP_RESPID_KEY : 0);
  const std::string produced = [&] {
    const Owned<ASN1_GENERALIZEDTIME, ASN1_GENERALIZEDTIME_free> time{
        ASN1_GENERALIZEDTIME_set(nullptr, first.at.time_since_epoch().count())};
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(time.get())),
                       static_cast<std::size_t>(ASN1_STRING_length(time.get())));
  }();
  // libcrypto has no setter for it either.
  auto* produced_at = const_cast<ASN1_GENERALIZEDTIME*>(OCSP_resp_get0_produced_at(basic.get()));
  need(ASN1_GENERALIZEDTIME_set_string(produced_at, produced.c_str()) == 1, "producedAt");
  need(OCSP_basic_sign(basic.get(), responder.certificate.native(), responder.key.get(), first.signature_digest, nullptr,
                       flags) == 1,
       "OCSP_basic_sign");
  const Owned<OCSP_RESPONSE, OCSP_RESPONSE_free> response{OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get())};
  need(response != nullptr, "OCSP_response_create");
  auto made = pki::OcspResponse::from_der(encoded<OCSP_RESPONSE>(i2d_OCSP_RESPONSE, response.get()));
  if (!made) throw std::runtime_error("an OCSP response that cannot be read: " + made.error().detail);
  return *made;
}

}  // namespace signet::demo
