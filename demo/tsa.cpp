#include "demo/tsa.hpp"

#include <openssl/rand.h>
#include <openssl/ts.h>

#include <algorithm>
#include <array>

#include "openssl.hpp"

namespace signet::demo {
namespace {

using base::Owned;
using Bio = Owned<BIO, BIO_free_all>;
using Request = Owned<TS_REQ, TS_REQ_free>;
using Info = Owned<TS_TST_INFO, TS_TST_INFO_free>;

// Identifier octets.
constexpr unsigned char octet_string = V_ASN1_OCTET_STRING, sequence = V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE,
                        set = V_ASN1_CONSTRUCTED | V_ASN1_SET, tagged_0 = V_ASN1_CONTEXT_SPECIFIC | V_ASN1_CONSTRUCTED;

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

base::Bytes object_id(int nid) { return encoded<ASN1_OBJECT>(i2d_ASN1_OBJECT, OBJ_nid2obj(nid)); }

base::Bytes algorithm_id(int nid) { return element(sequence, {object_id(nid)}); }

// Attribute ::= SEQUENCE { attrType OBJECT IDENTIFIER, attrValues SET OF AttributeValue }, with one value.
base::Bytes attribute(int nid, base::BytesView value) { return element(sequence, {object_id(nid), element(set, {value})}); }

// RFC 5816: SigningCertificateV2 ::= SEQUENCE { certs SEQUENCE OF ESSCertIDv2 }, of one with SHA-256, which is the default.
base::Bytes signing_certificate_v2(const pki::Certificate& certificate) {
  const base::Digest hash = certificate.fingerprint();
  const base::Bytes id = element(sequence, {element(octet_string, {hash.bytes()}), certificate.issuer_serial_der()});
  return attribute(NID_id_smime_aa_signingCertificateV2, element(sequence, {element(sequence, {id})}));
}

// RFC 5754 3.2, 3.3: with an RSA key the identifier is the key's own.
base::Bytes signature_algorithm(const EVP_PKEY* key) {
  static constexpr std::array<std::uint8_t, 2> null{0x05, 0};
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) return element(sequence, {object_id(NID_rsaEncryption), null});
  return algorithm_id(NID_ecdsa_with_SHA256);
}

// The certificates of a SignedData: a SET OF, which in DER has an order (X.690 11.6).
base::Bytes certificate_set(const pki::Certificate& signer, const std::vector<pki::Certificate>& chain) {
  std::vector<base::Bytes> all{{signer.der().begin(), signer.der().end()}};
  for (const pki::Certificate& one : chain) all.emplace_back(one.der().begin(), one.der().end());
  std::ranges::sort(all);
  base::Bytes joined;
  for (const base::Bytes& one : all) joined.insert(joined.end(), one.begin(), one.end());
  return element(tagged_0, {joined});
}

base::Bytes signature(EVP_PKEY* key, base::BytesView message) {
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
  base::Bytes value(size);
  need(context && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
           EVP_DigestSign(context.get(), value.data(), &size, message.data(), message.size()) == 1,
       "EVP_DigestSign");
  value.resize(size);
  return value;
}

}  // namespace

// Who signs, with all of a token that is the same in each.
struct TimeStampResponder::Signer {
  Signer(const Identity& identity, const std::vector<pki::Certificate>& chain)
      : key(identity.key),
        certificates(certificate_set(identity.certificate, chain)),
        issuer_and_serial(
            element(sequence, {encoded<X509_NAME>(i2d_X509_NAME, X509_get_issuer_name(identity.certificate.native())),
                               encoded<ASN1_INTEGER>(i2d_ASN1_INTEGER, X509_get0_serialNumber(identity.certificate.native()))})),
        signing_certificate(signing_certificate_v2(identity.certificate)),
        signature_algorithm(demo::signature_algorithm(identity.key.get())) {}

  base::Bytes response(const TS_TST_INFO* info, bool with_certificates, base::Time now) const;

  PrivateKey key;
  base::Bytes certificates, issuer_and_serial, signing_certificate, signature_algorithm;
};

// TimeStampResp (RFC 3161 2.4.2) around SignedData (RFC 5652 5.1), written here: OpenSSL's TS responder refuses to sign with a
// certificate of the wrong usage, and with its CMS the signature itself would be a tenth of the work.
base::Bytes TimeStampResponder::Signer::response(const TS_TST_INFO* info, bool with_certificates, base::Time now) const {
  static const base::Bytes digest_algorithm = algorithm_id(NID_sha256), signed_data = object_id(NID_pkcs7_signed),
                           tst_info = object_id(NID_id_smime_ct_TSTInfo),
                           content_type = attribute(NID_pkcs9_contentType, tst_info);
  static constexpr std::array<std::uint8_t, 3> version_1{V_ASN1_INTEGER, 1, 1}, version_3{V_ASN1_INTEGER, 1, 3};
  static constexpr std::array<std::uint8_t, 5> granted{sequence, 3, V_ASN1_INTEGER, 1, TS_STATUS_GRANTED};

  const base::Bytes content = encoded<TS_TST_INFO>(i2d_TS_TST_INFO, info);
  const base::Digest digest = base::digest(base::DigestAlgorithm::sha256, content);
  const base::Bytes time = attribute(NID_pkcs9_signingTime, encoded<ASN1_TIME>(i2d_ASN1_TIME, asn1_time(now).get()));
  const base::Bytes message_digest = attribute(NID_pkcs9_messageDigest, element(octet_string, {digest.bytes()}));
  // A SET OF in DER goes from the shortest of these to the longest; it is signed as a SET and sent as [0] (RFC 5652 5.4).
  base::Bytes attributes = element(set, {content_type, time, message_digest, signing_certificate});
  const base::Bytes value = signature(key.get(), attributes);
  attributes.front() = tagged_0;

  const base::Bytes signer_info = element(sequence, {version_1, issuer_and_serial, digest_algorithm, attributes,
                                                     signature_algorithm, element(octet_string, {value})});
  const base::Bytes encapsulated = element(sequence, {tst_info, element(tagged_0, {element(octet_string, {content})})});
  const base::Bytes data =
      element(sequence, {version_3, element(set, {digest_algorithm}), encapsulated,
                         with_certificates ? base::BytesView(certificates) : base::BytesView{}, element(set, {signer_info})});
  return element(sequence, {granted, element(sequence, {signed_data, element(tagged_0, {data})})});
}

TimeStampResponder::TimeStampResponder(Identity tsa, std::vector<pki::Certificate> chain, std::optional<Identity> unfit)
    : tsa_(std::make_shared<const Signer>(tsa, chain)), unfit_(unfit ? std::make_shared<const Signer>(*unfit, chain) : nullptr) {}

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

  const Signer& signer = fault == TsaFault::wrong_usage ? *unfit_ : *tsa_;
  const Info info = make_info(request.get(), fault, now);
  base::Bytes response = signer.response(info.get(), TS_REQ_get_cert_req(request.get()) != 0, now);
  if (fault == TsaFault::bad_signature) response.back() ^= 1;  // SignerInfo ends with the signature, and it ends the response
  return response;
}

}  // namespace signet::demo
