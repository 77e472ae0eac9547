#include "demo/tsa.hpp"

#include <openssl/cms.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/ts.h>

#include <array>

#include "openssl.hpp"

namespace signet::demo {
namespace {

using base::Owned;
using Bio = Owned<BIO, BIO_free_all>;
using Request = Owned<TS_REQ, TS_REQ_free>;
using Info = Owned<TS_TST_INFO, TS_TST_INFO_free>;

constexpr const char* policy_oid = "1.3.6.1.4.1.13762.3";

Request parsed(base::BytesView der) {
  const unsigned char* in = der.data();
  Request request{d2i_TS_REQ(nullptr, &in, static_cast<long>(der.size()))};
  if (request && in != der.data() + der.size()) request.reset();
  return request;
}

bool is_acceptable(TS_REQ* request) {
  if (TS_REQ_get_version(request) != 1 || TS_REQ_get_ext_count(request) > 0) return false;
  TS_MSG_IMPRINT* imprint = TS_REQ_get_msg_imprint(request);
  const ASN1_OBJECT* algorithm = nullptr;
  X509_ALGOR_get0(&algorithm, nullptr, nullptr, TS_MSG_IMPRINT_get_algo(imprint));
  const int length = ASN1_STRING_length(TS_MSG_IMPRINT_get_msg(imprint));
  switch (OBJ_obj2nid(algorithm)) {
    case NID_sha256:
      return length == 32;
    case NID_sha384:
      return length == 48;
    case NID_sha512:
      return length == 64;
    default:
      return false;
  }
}

// OpenSSL's own responder, told of no digest algorithm: it rejects every request, badAlg or badDataFormat.
base::Bytes rejection(base::BytesView request) {
  const Owned<TS_RESP_CTX, TS_RESP_CTX_free> context{TS_RESP_CTX_new()};
  const Bio in{BIO_new(BIO_s_mem())};  // not BIO_new_mem_buf, which takes no empty request
  need(context != nullptr && in != nullptr, "TS_RESP_CTX_new");
  BIO_write(in.get(), request.data(), static_cast<int>(request.size()));
  const Owned<TS_RESP, TS_RESP_free> response{TS_RESP_create_response(context.get(), in.get())};
  ERR_clear_error();
  need(response != nullptr, "TS_RESP_create_response");
  return encoded<TS_RESP>(i2d_TS_RESP, response.get());
}

// The seconds and 64 random bits: no two alike, growing from second to second.
Asn1Integer serial_at(base::Time now) {
  std::array<unsigned char, 16> bytes{};
  const auto seconds = static_cast<std::uint64_t>(now.time_since_epoch().count());
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(seconds >> (56 - 8 * i));
  need(RAND_bytes(bytes.data() + 8, 8) == 1, "RAND_bytes");
  const Owned<BIGNUM, BN_free> number{BN_bin2bn(bytes.data(), bytes.size(), nullptr)};
  Asn1Integer serial{BN_to_ASN1_INTEGER(number.get(), nullptr)};
  need(serial != nullptr, "BN_to_ASN1_INTEGER");
  return serial;
}

void set_imprint(TS_TST_INFO* info, TS_REQ* request, TsaFault fault) {
  TS_MSG_IMPRINT* asked = TS_REQ_get_msg_imprint(request);
  const Owned<TS_MSG_IMPRINT, TS_MSG_IMPRINT_free> imprint{TS_MSG_IMPRINT_dup(asked)};
  const ASN1_OCTET_STRING* message = TS_MSG_IMPRINT_get_msg(asked);
  base::Bytes value(ASN1_STRING_get0_data(message), ASN1_STRING_get0_data(message) + ASN1_STRING_length(message));
  if (fault == TsaFault::wrong_imprint) value.front() ^= 1;
  need(imprint != nullptr && TS_MSG_IMPRINT_set_msg(imprint.get(), value.data(), static_cast<int>(value.size())) == 1 &&
           TS_TST_INFO_set_msg_imprint(info, imprint.get()) == 1,
       "the imprint");
}

void set_nonce(TS_TST_INFO* info, const TS_REQ* request, TsaFault fault) {
  const ASN1_INTEGER* asked = TS_REQ_get_nonce(request);
  if (asked == nullptr) return;
  const Owned<BIGNUM, BN_free> number{ASN1_INTEGER_to_BN(asked, nullptr)};
  if (fault == TsaFault::wrong_nonce) need(BN_add_word(number.get(), 1) == 1, "BN_add_word");
  const Asn1Integer nonce{BN_to_ASN1_INTEGER(number.get(), nullptr)};
  need(nonce != nullptr && TS_TST_INFO_set_nonce(info, nonce.get()) == 1, "the nonce");
}

Info make_info(TS_REQ* request, TsaFault fault, base::Time now) {
  Info info{TS_TST_INFO_new()};
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> policy{OBJ_txt2obj(policy_oid, 1)};
  const Owned<ASN1_GENERALIZEDTIME, ASN1_GENERALIZEDTIME_free> time{
      ASN1_GENERALIZEDTIME_set(nullptr, now.time_since_epoch().count())};
  const Owned<TS_ACCURACY, TS_ACCURACY_free> accuracy{TS_ACCURACY_new()};
  const Asn1Integer one_second{ASN1_INTEGER_new()};
  const ASN1_OBJECT* asked_policy = TS_REQ_get_policy_id(request);
  need(info && policy && time && accuracy && ASN1_INTEGER_set_uint64(one_second.get(), 1) == 1 &&
           TS_ACCURACY_set_seconds(accuracy.get(), one_second.get()) == 1 && TS_TST_INFO_set_version(info.get(), 1) == 1 &&
           TS_TST_INFO_set_policy_id(info.get(), const_cast<ASN1_OBJECT*>(asked_policy ? asked_policy : policy.get())) == 1 &&
           TS_TST_INFO_set_serial(info.get(), serial_at(now).get()) == 1 && TS_TST_INFO_set_time(info.get(), time.get()) == 1 &&
           TS_TST_INFO_set_accuracy(info.get(), accuracy.get()) == 1,
       "a TSTInfo");
  set_imprint(info.get(), request, fault);
  set_nonce(info.get(), request, fault);
  return info;
}

// CMS rather than OpenSSL's TS responder, which refuses to sign with a certificate of the wrong usage.
base::Bytes signed_info(const TS_TST_INFO* info, const Identity& signer, const std::vector<pki::Certificate>& certificates,
                        base::Time now) {
  const Owned<CMS_ContentInfo, CMS_ContentInfo_free> cms{CMS_sign(nullptr, nullptr, nullptr, nullptr, CMS_PARTIAL | CMS_BINARY)};
  need(cms && CMS_set1_eContentType(cms.get(), OBJ_nid2obj(NID_id_smime_ct_TSTInfo)) == 1, "CMS_sign");
  // CMS_CADES adds the ESSCertIDv2 attribute (RFC 5816).
  CMS_SignerInfo* signer_info = CMS_add1_signer(cms.get(), signer.certificate.native(), signer.key.get(), EVP_sha256(),
                                                CMS_BINARY | CMS_NOSMIMECAP | CMS_CADES | CMS_NOCERTS);
  const Asn1Time signing_time = asn1_time(now);
  need(signer_info != nullptr && CMS_signed_add1_attr_by_NID(signer_info, NID_pkcs9_signingTime, signing_time->type,
                                                             signing_time->data, signing_time->length) == 1,
       "CMS_add1_signer");
  for (const pki::Certificate& certificate : certificates)
    need(CMS_add1_cert(cms.get(), certificate.native()) == 1, "CMS_add1_cert");
  const base::Bytes content = encoded<TS_TST_INFO>(i2d_TS_TST_INFO, info);
  const Bio in{BIO_new_mem_buf(content.data(), static_cast<int>(content.size()))};
  need(in && CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY) == 1, "CMS_final");
  return encoded<CMS_ContentInfo>(i2d_CMS_ContentInfo, cms.get());
}

base::Bytes granted(base::BytesView token, TS_TST_INFO* info) {
  const Owned<TS_RESP, TS_RESP_free> response{TS_RESP_new()};
  const Owned<TS_STATUS_INFO, TS_STATUS_INFO_free> status{TS_STATUS_INFO_new()};
  const unsigned char* in = token.data();
  Owned<PKCS7, PKCS7_free> pkcs7{d2i_PKCS7(nullptr, &in, static_cast<long>(token.size()))};
  need(response && status && pkcs7 && TS_STATUS_INFO_set_status(status.get(), TS_STATUS_GRANTED) == 1 &&
           TS_RESP_set_status_info(response.get(), status.get()) == 1,
       "a TimeStampResp");
  TS_RESP_set_tst_info(response.get(), pkcs7.release(), TS_TST_INFO_dup(info));
  return encoded<TS_RESP>(i2d_TS_RESP, response.get());
}

}  // namespace

TimeStampResponder::TimeStampResponder(Identity tsa, std::vector<pki::Certificate> chain, std::optional<Identity> unfit)
    : tsa_(std::move(tsa)), chain_(std::move(chain)), unfit_(std::move(unfit)) {}

base::Bytes TimeStampResponder::answer(base::BytesView request_der, TsaFault fault, base::Time now) const {
  switch (fault) {
    case TsaFault::http_500:
    case TsaFault::http_429:
    case TsaFault::silent:
      throw std::logic_error("a fault of the server, not of its answer");
    case TsaFault::garbage: {
      const base::BytesView text = base::as_bytes("this is no TimeStampResp");
      return {text.begin(), text.end()};
    }
    case TsaFault::rejected:
      return rejection(request_der);
    default:
      break;
  }
  if (fault == TsaFault::wrong_usage && !unfit_) throw std::logic_error("nobody to sign with a wrong usage");
  const Request request = parsed(request_der);
  if (!request || !is_acceptable(request.get())) return rejection(request_der);

  const Identity& signer = fault == TsaFault::wrong_usage ? *unfit_ : tsa_;
  std::vector<pki::Certificate> certificates;
  if (TS_REQ_get_cert_req(request.get()) != 0) {
    certificates = chain_;
    certificates.insert(certificates.begin(), signer.certificate);
  }
  const Info info = make_info(request.get(), fault, now);
  base::Bytes response = granted(signed_info(info.get(), signer, certificates, now), info.get());
  if (fault == TsaFault::bad_signature) response.back() ^= 1;  // SignerInfo ends with the signature, and it ends the response
  return response;
}

}  // namespace signet::demo
