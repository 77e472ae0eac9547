#include "pki/time_stamp.hpp"

#include <openssl/cms.h>
#include <openssl/ess.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

#include "base/text.hpp"
#include "openssl.hpp"
#include "stack.hpp"

namespace signet::pki {
namespace {

using base::ErrorCode;
using base::Owned;
using base::Result;

constexpr std::size_t max_token_size = std::size_t{1} << 20;  // real ones have 2 to 10 KiB
constexpr int max_embedded = 32;                              // certificates or lists in a token; real ones have one to four
constexpr std::size_t max_shown_reason = 200;
// Clocks differ: a token may be this much younger than the validation.
constexpr std::chrono::seconds clock_tolerance{300};

std::optional<base::DigestAlgorithm> digest_algorithm_of(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  switch (OBJ_obj2nid(object)) {
    case NID_sha1:
      return base::DigestAlgorithm::sha1;
    case NID_sha224:
      return base::DigestAlgorithm::sha224;
    case NID_sha256:
      return base::DigestAlgorithm::sha256;
    case NID_sha384:
      return base::DigestAlgorithm::sha384;
    case NID_sha512:
      return base::DigestAlgorithm::sha512;
    default:
      return std::nullopt;
  }
}

int nid_of(base::DigestAlgorithm algorithm) {
  switch (algorithm) {
    case base::DigestAlgorithm::sha1:
      return NID_sha1;
    case base::DigestAlgorithm::sha224:
      return NID_sha224;
    case base::DigestAlgorithm::sha256:
      return NID_sha256;
    case base::DigestAlgorithm::sha384:
      return NID_sha384;
    case base::DigestAlgorithm::sha512:
      return NID_sha512;
  }
  throw std::logic_error("no such digest algorithm");
}

std::string dotted(const ASN1_OBJECT* object) {
  char text[128] = {};
  OBJ_obj2txt(text, sizeof text, object, 1);
  return text;
}

base::BytesView content_of(const ASN1_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// Seconds, thousandths and millionths (RFC 3161 2.4.2); what is not said of them is none.
std::optional<std::chrono::microseconds> accuracy_of(TS_TST_INFO* info) {
  const TS_ACCURACY* accuracy = TS_TST_INFO_get_accuracy(info);
  if (accuracy == nullptr) return std::nullopt;
  const auto value = [](const ASN1_INTEGER* part, std::int64_t most) {
    std::int64_t number = 0;
    if (part != nullptr && ASN1_INTEGER_get_int64(&number, part) != 1) number = most;
    return std::clamp<std::int64_t>(number, 0, most);
  };
  return std::chrono::seconds{value(TS_ACCURACY_get_seconds(accuracy), 1'000'000'000)} +
         std::chrono::milliseconds{value(TS_ACCURACY_get_millis(accuracy), 999)} +
         std::chrono::microseconds{value(TS_ACCURACY_get_micros(accuracy), 999)};
}

// The element at the start of some DER: whole, and without its header. None if it does not fit, or in BER that tells no length.
struct Element {
  int tag = 0, tag_class = 0;
  bool constructed = false;
  base::BytesView whole, content;
  bool is(int wanted_tag, int wanted_class) const { return constructed && tag == wanted_tag && tag_class == wanted_class; }
};
std::optional<Element> first_element(base::BytesView der) {
  const unsigned char* in = der.data();
  long size = 0;
  Element element;
  const int form = ASN1_get_object(&in, &size, &element.tag, &element.tag_class, static_cast<long>(der.size()));
  if (form != 0 && form != V_ASN1_CONSTRUCTED) return std::nullopt;
  element.constructed = form == V_ASN1_CONSTRUCTED;
  element.whole = {der.data(), in + size};
  element.content = {in, in + size};
  return element;
}
std::optional<Element> first_sequence(base::BytesView der) {
  auto element = first_element(der);
  if (element && !element->is(V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL)) element.reset();
  return element;
}

// The elements that some DER is made of; none if there are more than `most`, or bytes that are no element.
std::optional<std::vector<Element>> elements_of(base::BytesView der, std::size_t most) {
  std::vector<Element> elements;
  while (!der.empty()) {
    const auto element = first_element(der);
    if (!element || elements.size() == most) return std::nullopt;
    der = der.subspan(element->whole.size());
    elements.push_back(*element);
  }
  return elements;
}

// A CMS SignedData without its certificates, and these.
struct Parted {
  base::Bytes rest;
  std::vector<Certificate> certificates;
};

// d2i_CMS_ContentInfo would decode the certificates anew in each token, which costs more than all else that is done with one,
// the signature included; Certificate knows those that have come before. Nothing is checked here: there are no parts of whatever
// is not as most tokens are (RFC 5652 5.1 in DER, X.509 certificates alone), and libcrypto then judges the whole.
std::optional<Parted> part(base::BytesView der) {
  const ErrorQueue queue;
  constexpr std::size_t before_certificates = 3;  // version, digestAlgorithms, encapContentInfo
  const auto content_info = first_sequence(der);
  if (!content_info || content_info->whole.size() != der.size()) return std::nullopt;
  const auto in_content_info = elements_of(content_info->content, 2);
  if (!in_content_info || in_content_info->size() != 2 || !in_content_info->back().is(0, V_ASN1_CONTEXT_SPECIFIC))
    return std::nullopt;
  const auto signed_data = first_sequence(in_content_info->back().content);
  if (!signed_data || signed_data->whole.size() != in_content_info->back().content.size()) return std::nullopt;
  const auto fields = elements_of(signed_data->content, 6);
  const auto is_tagged_0 = [](const Element& field) { return field.is(0, V_ASN1_CONTEXT_SPECIFIC); };
  // Once and in its place: what is left would else be a SignedData where there was none.
  if (!fields || fields->size() <= before_certificates || !is_tagged_0(fields->at(before_certificates)) ||
      std::ranges::count_if(*fields, is_tagged_0) != 1)
    return std::nullopt;
  const auto certificates = elements_of(fields->at(before_certificates).content, max_embedded);
  if (!certificates) return std::nullopt;

  Parted parted;
  for (const Element& element : *certificates) {
    auto certificate = Certificate::from_der(element.whole);
    if (!certificate) return std::nullopt;
    parted.certificates.push_back(std::move(*certificate));
  }
  base::Bytes rest, sequence, tagged;
  for (const Element& field : *fields) {
    if (!is_tagged_0(field)) rest.insert(rest.end(), field.whole.begin(), field.whole.end());
  }
  append_tlv(sequence, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, rest);
  const base::BytesView type = in_content_info->front().whole;
  tagged.assign(type.begin(), type.end());
  append_tlv(tagged, 0, V_ASN1_CONTEXT_SPECIFIC, sequence);
  append_tlv(parted.rest, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, tagged);
  return parted;
}

// A token that has the form of one: SignedData over a TSTInfo with one signer.
struct OpenToken {
  TimeStampToken value;
  Owned<CMS_ContentInfo, CMS_ContentInfo_free> cms;
  Owned<TS_TST_INFO, TS_TST_INFO_free> info;
  CMS_SignerInfo* signer_info = nullptr;  // within cms
  OwningX509Stack certificates;           // those in the token; null if there are none
};

Result<OpenToken> open_token(base::BytesView der) {
  const auto malformed = [](const char* what) { return openssl_failure(ErrorCode::parameter_invalid, what); };
  if (der.size() > max_token_size) return malformed("the time stamp token is too large");
  OpenToken token;
  const std::optional<Parted> parted = part(der);
  token.cms = decoded<CMS_ContentInfo_free>(d2i_CMS_ContentInfo, parted ? base::BytesView(parted->rest) : der);
  if (!token.cms || OBJ_obj2nid(CMS_get0_type(token.cms.get())) != NID_pkcs7_signed) return malformed("not a CMS SignedData");
  if (OBJ_obj2nid(CMS_get0_eContentType(token.cms.get())) != NID_id_smime_ct_TSTInfo) return malformed("not over a TSTInfo");
  STACK_OF(CMS_SignerInfo)* signers = CMS_get0_SignerInfos(token.cms.get());
  if (sk_CMS_SignerInfo_num(signers) != 1) return malformed("not signed by exactly one (RFC 3161 2.4.2)");
  token.signer_info = sk_CMS_SignerInfo_value(signers, 0);
  token.certificates = parted ? shared_stack_of(parted->certificates) : OwningX509Stack{CMS_get1_certs(token.cms.get())};
  if (sk_X509_num(token.certificates.get()) > max_embedded) return malformed("too many certificates in the token");

  ASN1_OCTET_STRING** const content = CMS_get0_content(token.cms.get());
  if (content == nullptr || *content == nullptr) return malformed("the TSTInfo is absent");
  token.info = decoded<TS_TST_INFO_free>(d2i_TS_TST_INFO, content_of(*content));
  TS_TST_INFO* info = token.info.get();
  if (info == nullptr || TS_TST_INFO_get_version(info) != 1) return malformed("not a TSTInfo of version 1");
  if (TS_TST_INFO_get_ext_by_critical(info, 1, -1) >= 0) return malformed("an unknown critical extension");

  TS_MSG_IMPRINT* imprint = TS_TST_INFO_get_msg_imprint(info);
  const auto algorithm = digest_algorithm_of(TS_MSG_IMPRINT_get_algo(imprint));
  if (!algorithm) return malformed("an unknown digest algorithm");
  auto digest = base::Digest::of_value(*algorithm, content_of(TS_MSG_IMPRINT_get_msg(imprint)));
  if (!digest) return base::failure(ErrorCode::parameter_invalid, "the imprint is not as long as its algorithm's digests");
  const auto time = time_of(TS_TST_INFO_get_time(info));
  if (!time) return malformed("genTime is not a time");
  token.value = {.der = {der.begin(), der.end()},
                 .time = *time,
                 .imprint = *digest,
                 .policy = dotted(TS_TST_INFO_get_policy_id(info)),
                 .accuracy = accuracy_of(info)};
  return token;
}

// SigningCertificate or SigningCertificateV2 ::= SEQUENCE { certs SEQUENCE OF ESSCertID, … } with its first identifier alone, the
// signer's. OpenSSL wants to see what the others name too, but they may name attribute certificates, or a chain that is not here.
std::optional<base::Bytes> without_further_identifiers(base::BytesView attribute) {
  const auto outer = first_sequence(attribute);
  const auto identifiers = outer ? first_sequence(outer->content) : std::nullopt;
  const auto first = identifiers ? first_sequence(identifiers->content) : std::nullopt;
  if (!first || outer->whole.size() != attribute.size()) return std::nullopt;
  base::Bytes list, out;
  append_tlv(list, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, first->whole);
  append_tlv(out, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, list);
  return out;
}

// -3: an attribute that is there twice or has two values counts as absent.
template <auto Free, class T>
Owned<T, Free> signing_certificate(CMS_SignerInfo* signer, int nid, T* (*d2i)(T**, const unsigned char**, long)) {
  const auto* value = static_cast<const ASN1_STRING*>(CMS_signed_get0_data_by_OBJ(signer, OBJ_nid2obj(nid), -3, V_ASN1_SEQUENCE));
  const auto first = value == nullptr ? std::nullopt : without_further_identifiers(content_of(value));
  return first ? decoded<Free>(d2i, *first) : Owned<T, Free>{};
}

// RFC 3161 2.4.2, RFC 5816: which certificate signed is itself signed, so that no other with the same key or name can take its
// place. Both forms of the attribute are checked where both are there.
bool names_its_signer(CMS_SignerInfo* signer_info, X509* signer) {
  const bool has_v1 = CMS_signed_get_attr_by_NID(signer_info, NID_id_smime_aa_signingCertificate, -1) >= 0;
  const bool has_v2 = CMS_signed_get_attr_by_NID(signer_info, NID_id_smime_aa_signingCertificateV2, -1) >= 0;
  const auto v1 =
      signing_certificate<ESS_SIGNING_CERT_free>(signer_info, NID_id_smime_aa_signingCertificate, d2i_ESS_SIGNING_CERT);
  const auto v2 =
      signing_certificate<ESS_SIGNING_CERT_V2_free>(signer_info, NID_id_smime_aa_signingCertificateV2, d2i_ESS_SIGNING_CERT_V2);
  if (has_v1 != (v1 != nullptr) || has_v2 != (v2 != nullptr)) return false;
  const X509Stack only{sk_X509_new_null()};
  sk_X509_push(only.get(), signer);
  return OSSL_ESS_check_signing_certs(v1.get(), v2.get(), only.get(), 1) == 1;
}

bool says_what_it_signs(CMS_SignerInfo* signer_info, CMS_ContentInfo* cms) {
  const auto* type = static_cast<const ASN1_OBJECT*>(
      CMS_signed_get0_data_by_OBJ(signer_info, OBJ_nid2obj(NID_pkcs9_contentType), -3, V_ASN1_OBJECT));
  return type != nullptr && OBJ_cmp(type, CMS_get0_eContentType(cms)) == 0;
}

// The digest under the CMS signature; the key is judged with the path.
std::optional<std::string> digest_weakness(CMS_SignerInfo* signer_info, const AlgorithmTable& algorithms, base::Time at) {
  X509_ALGOR* digest = nullptr;
  CMS_SignerInfo_get0_algs(signer_info, nullptr, nullptr, &digest, nullptr);
  const auto algorithm = digest_algorithm_of(digest);
  if (!algorithm) return "an unknown digest algorithm";
  return weakness(algorithms, *algorithm, at);
}

bool names_by_sha1_alone(CMS_SignerInfo* signer_info) {
  return CMS_signed_get_attr_by_NID(signer_info, NID_id_smime_aa_signingCertificateV2, -1) < 0;
}

// 2.4.2: the tsa field, a hint, MUST be one of the names of the certificate.
bool hint_fits(TS_TST_INFO* info, X509* signer) {
  GENERAL_NAME* const hint = TS_TST_INFO_get_tsa(info);
  if (hint == nullptr) return true;
  if (hint->type == GEN_DIRNAME && X509_NAME_cmp(hint->d.directoryName, X509_get_subject_name(signer)) == 0) return true;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(signer, NID_subject_alt_name, nullptr, nullptr))};
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names.get(), i), hint) == 0) return true;
  }
  return false;
}

// RFC 5652 5.3: signatureAlgorithm is not signed, and OpenSSL hardly looks at it: it goes by digestAlgorithm and the key.
bool names_its_algorithm(CMS_SignerInfo* signer_info) {
  EVP_PKEY* key = nullptr;
  X509_ALGOR *digest = nullptr, *signature = nullptr;
  CMS_SignerInfo_get0_algs(signer_info, &key, nullptr, &digest, &signature);
  const ASN1_OBJECT *digest_object = nullptr, *signature_object = nullptr;
  X509_ALGOR_get0(&digest_object, nullptr, nullptr, digest);
  X509_ALGOR_get0(&signature_object, nullptr, nullptr, signature);
  const int named = OBJ_obj2nid(signature_object);
  const int key_type = key == nullptr ? NID_undef : EVP_PKEY_get_base_id(key);
  if (key_type == NID_undef) return false;
  if (named == key_type) return true;  // "rsaEncryption" (RFC 3370 3.2), EdDSA
  if (named == NID_rsassaPss) return key_type == NID_rsaEncryption;
  int named_digest = NID_undef, named_key_type = NID_undef;
  return OBJ_find_sigid_algs(named, &named_digest, &named_key_type) == 1 && named_digest == OBJ_obj2nid(digest_object) &&
         named_key_type == key_type;
}

// The signer's certificate if the CMS signature is its own (RFC 5652 5.4, 5.6). `others` help to find it in a token that carries
// none. Nothing is trusted here.
Result<Certificate> checked_signer(OpenToken& token, const std::vector<Certificate>& others) {
  const auto invalid = [](const char* what) { return openssl_failure(ErrorCode::parameter_invalid, what); };
  const X509Stack known = stack_of(others);
  for (int i = 0; i < sk_X509_num(token.certificates.get()); ++i)
    sk_X509_push(known.get(), sk_X509_value(token.certificates.get(), i));
  // The signature is checked here, the signer's path by validate_path: CMS_verify would use today's time and no lists.
  const unsigned flags = CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
  if (CMS_verify(token.cms.get(), known.get(), nullptr, nullptr, nullptr, flags) != 1)
    return invalid("the signature is not valid");
  if (!says_what_it_signs(token.signer_info, token.cms.get())) return invalid("the signed content type is another");
  if (!names_its_algorithm(token.signer_info)) return invalid("the signature algorithm is another");
  X509* signer = nullptr;
  CMS_SignerInfo_get0_algs(token.signer_info, nullptr, &signer, nullptr, nullptr);
  if (signer == nullptr) return invalid("no signer's certificate");
  if (!names_its_signer(token.signer_info, signer)) return invalid("the signing certificate attribute names another certificate");
  return Certificate::from_der(encoded(i2d_X509, signer));
}

// Who signed it is found by the signature: of all that could have, the costliest.
std::size_t cost_of_signature(const OpenToken& token, const std::vector<Certificate>& others) {
  std::size_t most = 100'000;  // to decode it
  const auto look = [&](const EVP_PKEY* key) { most = std::max(most, cost_of_verification(key, token.value.der.size())); };
  for (int i = 0; i < sk_X509_num(token.certificates.get()); ++i)
    look(X509_get0_pubkey(sk_X509_value(token.certificates.get(), i)));
  if (token.certificates == nullptr)
    for (const Certificate& other : others) look(X509_get0_pubkey(other.native()));
  return most;
}

// Certificates and lists that the token carries, besides what is given. What of them does not parse is as if it were not there.
TrustMaterial with_embedded(const OpenToken& token, const TrustMaterial& trust) {
  TrustMaterial all = trust;
  for (int i = 0; i < sk_X509_num(token.certificates.get()); ++i) {
    if (auto certificate = Certificate::from_der(encoded(i2d_X509, sk_X509_value(token.certificates.get(), i))))
      all.intermediates.push_back(std::move(*certificate));
  }
  const OwningCrlStack crls{CMS_get1_crls(token.cms.get())};
  for (int i = 0; i < std::min(sk_X509_CRL_num(crls.get()), max_embedded); ++i) {
    if (auto crl = Crl::from_der(encoded(i2d_X509_CRL, sk_X509_CRL_value(crls.get(), i)))) all.crls.push_back(std::move(*crl));
  }
  return all;
}

// What the token carries is at least as old as the token. `material`: with_embedded(); what was added to `trust` is at its ends.
KnownSince since_with_token(const TrustMaterial& material, const TrustMaterial& trust, const TimeStampOptions& options) {
  return [&](base::BytesView der) {
    const auto is = [der](const auto& one) { return std::ranges::equal(one.der(), der); };
    const base::Time since = options.known_since(der);
    const auto carried = [&](const auto& all, std::size_t given) {
      return std::any_of(all.begin() + static_cast<std::ptrdiff_t>(given), all.end(), is);
    };
    if (carried(material.intermediates, trust.intermediates.size()) || carried(material.crls, trust.crls.size()))
      return std::min(since, options.at);
    return since;
  };
}

// PKIFailureInfo, RFC 3161 2.4.2.
std::string failure_names(const ASN1_BIT_STRING* failure) {
  struct Row {
    int bit;
    const char* name;
  };
  constexpr std::array rows{Row{TS_INFO_BAD_ALG, "badAlg"},
                            Row{TS_INFO_BAD_REQUEST, "badRequest"},
                            Row{TS_INFO_BAD_DATA_FORMAT, "badDataFormat"},
                            Row{TS_INFO_TIME_NOT_AVAILABLE, "timeNotAvailable"},
                            Row{TS_INFO_UNACCEPTED_POLICY, "unacceptedPolicy"},
                            Row{TS_INFO_UNACCEPTED_EXTENSION, "unacceptedExtension"},
                            Row{TS_INFO_ADD_INFO_NOT_AVAILABLE, "addInfoNotAvailable"},
                            Row{TS_INFO_SYSTEM_FAILURE, "systemFailure"}};
  std::string names;
  for (const Row& row : rows) {
    if (failure != nullptr && ASN1_BIT_STRING_get_bit(failure, row.bit) == 1) names += std::string(" ") + row.name;
  }
  return names;
}

std::string refusal(const TS_STATUS_INFO* info) {
  std::string reason = "the time stamp authority refused, status " +
                       std::to_string(ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(info))) +
                       failure_names(TS_STATUS_INFO_get0_failure_info(info));
  const STACK_OF(ASN1_UTF8STRING)* texts = TS_STATUS_INFO_get0_text(info);
  if (sk_ASN1_UTF8STRING_num(texts) > 0)
    reason += ": " + base::shown(base::as_text(content_of(sk_ASN1_UTF8STRING_value(texts, 0))), max_shown_reason);
  return reason;
}

// The parts of TimeStampResp ::= SEQUENCE { status PKIStatusInfo, timeStampToken OPTIONAL }. Not by d2i_TS_RESP: the token is
// kept as it came, byte for byte.
struct Response {
  Owned<TS_STATUS_INFO, TS_STATUS_INFO_free> status;
  base::BytesView token;
};

std::optional<Response> split_response(base::BytesView der) {
  const auto parts = first_sequence(der);
  if (!parts || parts->whole.size() != der.size()) return std::nullopt;
  const unsigned char* in = parts->content.data();
  Response response;
  response.status.reset(d2i_TS_STATUS_INFO(nullptr, &in, static_cast<long>(parts->content.size())));
  if (!response.status) return std::nullopt;
  response.token = {in, parts->content.data() + parts->content.size()};
  return response;
}

base::Bytes magnitude_of(const ASN1_INTEGER* number) {
  const base::BytesView bytes = content_of(number);
  return {bytes.begin(), bytes.end()};
}

void need(bool done) {
  if (!done) throw std::bad_alloc();
}

base::Bytes request_der(const base::Digest& imprint, const base::Bytes& nonce, const std::string& policy) {
  const Owned<TS_REQ, TS_REQ_free> request{TS_REQ_new()};
  const Owned<TS_MSG_IMPRINT, TS_MSG_IMPRINT_free> message{TS_MSG_IMPRINT_new()};
  const Owned<X509_ALGOR, X509_ALGOR_free> algorithm{X509_ALGOR_new()};
  const Owned<BIGNUM, BN_free> number{BN_bin2bn(nonce.data(), static_cast<int>(nonce.size()), nullptr)};
  const Owned<ASN1_INTEGER, ASN1_INTEGER_free> nonce_integer{BN_to_ASN1_INTEGER(number.get(), nullptr)};
  base::Bytes value(imprint.bytes().begin(), imprint.bytes().end());  // OpenSSL copies it but does not take it as const
  // NULL parameters, as openssl ts writes them: some authorities refuse a request without.
  need(request && message && algorithm && nonce_integer &&
       X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(nid_of(imprint.algorithm())), V_ASN1_NULL, nullptr) == 1 &&
       TS_MSG_IMPRINT_set_algo(message.get(), algorithm.get()) == 1 &&
       TS_MSG_IMPRINT_set_msg(message.get(), value.data(), static_cast<int>(value.size())) == 1 &&
       TS_REQ_set_version(request.get(), 1) == 1 && TS_REQ_set_msg_imprint(request.get(), message.get()) == 1 &&
       TS_REQ_set_nonce(request.get(), nonce_integer.get()) == 1 && TS_REQ_set_cert_req(request.get(), 1) == 1);
  if (!policy.empty()) {
    const Owned<ASN1_OBJECT, ASN1_OBJECT_free> object{OBJ_txt2obj(policy.c_str(), 1)};
    if (!object) throw std::invalid_argument("a policy that is no OID");
    need(TS_REQ_set_policy_id(request.get(), object.get()) == 1);
  }
  base::Bytes der = encoded(i2d_TS_REQ, request.get());
  need(!der.empty());
  return der;
}

// Which certificate of the chain was not in force at genTime, and how; the anchor's validity says nothing of what it is trusted
// for.
std::optional<PathStatus> out_of_time(const std::vector<Certificate>& chain, base::Time time) {
  for (std::size_t i = 0; i < std::max<std::size_t>(chain.size() - 1, 1); ++i) {
    if (time < chain[i].not_before()) return PathStatus::not_yet_valid;
    if (time > chain[i].not_after()) return PathStatus::expired;
  }
  return std::nullopt;
}

}  // namespace

TimeStampRequest make_time_stamp_request(const base::Digest& imprint, std::string policy) {
  const ErrorQueue queue;
  base::Bytes nonce(8);  // some authorities take no more than 64 bits
  need(RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) == 1);
  nonce[0] = static_cast<std::uint8_t>((nonce[0] & 0x7f) | 0x40);  // positive and always as long
  base::Bytes der = request_der(imprint, nonce, policy);
  return {.der = std::move(der), .imprint = imprint, .nonce = std::move(nonce), .policy = std::move(policy)};
}

Result<TimeStampToken> read_time_stamp_response(base::BytesView response, const TimeStampRequest& request) {
  const ErrorQueue queue;
  const auto failed = [](std::string detail) { return base::failure(ErrorCode::time_stamp_failed, std::move(detail)); };
  if (response.size() > max_token_size) return failed("the response is too large");
  const auto parts = split_response(response);
  if (!parts) return openssl_failure(ErrorCode::time_stamp_failed, "not a TimeStampResp");
  const long status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(parts->status.get()));
  if (status != TS_STATUS_GRANTED && status != TS_STATUS_GRANTED_WITH_MODS) return failed(refusal(parts->status.get()));
  if (parts->token.empty()) return failed("granted, but there is no token");

  auto token = open_token(parts->token);
  if (!token) return base::failure(ErrorCode::time_stamp_failed, token.error().detail, token.error().origin);
  if (!(token->value.imprint == request.imprint)) return failed("the token is over another imprint");
  const ASN1_INTEGER* nonce = TS_TST_INFO_get_nonce(token->info.get());
  if (nonce == nullptr || ASN1_STRING_type(nonce) != V_ASN1_INTEGER || magnitude_of(nonce) != request.nonce)
    return failed("the token has another nonce");
  if (!request.policy.empty() && token->value.policy != request.policy) return failed("the token is under another policy");
  if (token->certificates == nullptr) return failed("the token has no certificate, though one was asked for");
  const auto signer = checked_signer(*token, {});
  if (!signer) return base::failure(ErrorCode::time_stamp_failed, signer.error().detail, signer.error().origin);
  if (const auto weak = digest_weakness(token->signer_info, ts_119_312(), token->value.time))
    return failed("the token is signed with a weak digest: " + *weak);
  return std::move(token->value);
}

Result<TimeStampToken> parse_time_stamp_token(base::BytesView der) {
  const ErrorQueue queue;
  auto token = open_token(der);
  if (!token) return base::failure_of(token);
  return std::move(token->value);
}

TimeStampReport verify_time_stamp(base::BytesView der, const base::Digest& imprint, const TrustMaterial& trust,
                                  const TimeStampOptions& options) {
  const ErrorQueue queue;
  TimeStampReport report;
  const auto ended = [&report](TimeStampStatus status, std::string detail) {
    report.status = status;
    report.detail = std::move(detail);
    return std::move(report);
  };
  const auto untrusted = [&](PathStatus status, std::string detail) {
    report.path.status = status;
    report.path.detail = detail;
    return ended(TimeStampStatus::untrusted, std::move(detail));
  };

  auto token = open_token(der);
  if (!token) return ended(TimeStampStatus::signature_invalid, token.error().detail);
  report.time = token->value.time;
  report.policy = token->value.policy;
  if (options.budget != nullptr && !options.budget->take(cost_of_signature(*token, trust.intermediates)))
    return untrusted(PathStatus::no_path, "more work than the limit");
  const auto signer = checked_signer(*token, trust.intermediates);
  if (!signer) return ended(TimeStampStatus::signature_invalid, signer.error().detail);
  report.signer = *signer;
  if (names_by_sha1_alone(token->signer_info)) report.warnings.emplace_back("the time stamp names its signer by SHA-1 alone");
  if (!hint_fits(token->info.get(), signer->native()))
    report.warnings.emplace_back("the time stamp names an authority that is not its signer");
  if (!(token->value.imprint == imprint)) return ended(TimeStampStatus::imprint_differs, "the token is over another imprint");

  const TrustMaterial material = with_embedded(*token, trust);
  PathOptions path{.at = options.at, .purpose = Purpose::time_stamping, .algorithms = options.algorithms};
  path.budget = options.budget;
  if (options.known_since) path.known_since = since_with_token(material, trust, options);
  report.path = validate_path(*signer, material, path);
  if (report.path.status != PathStatus::valid) return ended(TimeStampStatus::untrusted, report.path.detail);
  if ((report.path.weak_algorithm = digest_weakness(token->signer_info, *options.algorithms, options.at)))
    return untrusted(PathStatus::constraints, "the token is signed with a weak digest: " + *report.path.weak_algorithm);
  if (!options.policies.empty() && std::ranges::find(options.policies, report.policy) == options.policies.end())
    return untrusted(PathStatus::constraints, "the token is under another policy");
  if (const auto when = out_of_time(report.path.chain, report.time))
    return untrusted(*when, "a certificate of the TSA's path was not in force at genTime");
  if (report.time > options.at + clock_tolerance)
    return ended(TimeStampStatus::untrusted, "genTime is later than the time of the validation");
  return ended(TimeStampStatus::valid, {});
}

TimeStampReport verify_time_stamp(base::BytesView token, const base::Digest& imprint, const TrustMaterial& trust, base::Time at) {
  return verify_time_stamp(token, imprint, trust, TimeStampOptions{.at = at});
}

}  // namespace signet::pki
