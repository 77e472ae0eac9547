#include "pki/time_stamp.hpp"

#include <openssl/cms.h>
#include <openssl/ts.h>

#include <functional>
#include <utility>

#include "altered.hpp"
#include "demo/tsa.hpp"

using namespace signet;
using namespace signet::pki;
using namespace std::chrono_literals;
using base::ErrorCode;
using demo::TsaFault;

namespace signet::pki {
std::ostream& operator<<(std::ostream& out, TimeStampStatus status) {
  static constexpr const char* names[] = {"valid", "imprint_differs", "signature_invalid", "untrusted"};
  return out << names[static_cast<int>(status)];
}
}  // namespace signet::pki

namespace {

demo::Subject tsa_subject() {
  auto subject = person("TSA");
  subject.usage = demo::Subject::Usage::time_stamping;
  return subject;
}

struct World {
  demo::Authority root{"Root", now};
  demo::Authority issuing = root.subordinate(person("TSA CA"));
  demo::Identity tsa = issuing.issue(tsa_subject());
  demo::Identity person_s = issuing.issue(person("Ana"));
  demo::TimeStampResponder responder{tsa, one(issuing.root()), person_s};
  base::Digest imprint = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("what is stamped"));
  TimeStampRequest request = make_time_stamp_request(imprint);

  base::Bytes answer(TsaFault fault = TsaFault::none) const { return responder.answer(request.der, fault, now); }
  base::Bytes token() const { return read_time_stamp_response(answer(), request).value().der; }
  TrustMaterial trust() { return {one(root.root()), {}, {root.crl(), issuing.crl()}}; }
  TimeStampReport verify(base::BytesView der, base::Time at = now) { return verify_time_stamp(der, imprint, trust(), at); }
};

// A token made by hand, for what the responder would not do. `change` sees the SignerInfo before it signs.
struct Handmade {
  const EVP_MD* digest = EVP_sha256();
  unsigned flags = CMS_CADES;
  int content_type = NID_id_smime_ct_TSTInfo;
  std::function<void(base::Bytes&)> change_info = [](base::Bytes&) {};
  std::function<void(CMS_ContentInfo*, CMS_SignerInfo*)> change = [](CMS_ContentInfo*, CMS_SignerInfo*) {};
};

base::Bytes handmade(const demo::Identity& signer, base::BytesView info, const Handmade& how) {
  base::Bytes content = bytes_of(info);
  how.change_info(content);
  const base::Owned<CMS_ContentInfo, CMS_ContentInfo_free> cms{
      CMS_sign(nullptr, nullptr, nullptr, nullptr, CMS_PARTIAL | CMS_BINARY)};
  CMS_set1_eContentType(cms.get(), OBJ_nid2obj(how.content_type));
  CMS_SignerInfo* signer_info = CMS_add1_signer(cms.get(), signer.certificate.native(), signer.key.get(), how.digest,
                                                CMS_BINARY | CMS_NOSMIMECAP | how.flags);
  REQUIRE(signer_info != nullptr);
  how.change(cms.get(), signer_info);
  const base::Owned<BIO, BIO_free_all> in{BIO_new_mem_buf(content.data(), static_cast<int>(content.size()))};
  REQUIRE(CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY) == 1);
  unsigned char* der = nullptr;
  const int size = i2d_CMS_ContentInfo(cms.get(), &der);
  REQUIRE(size > 0);
  const base::Owned<unsigned char, free_bytes> owner{der};
  return {der, der + size};
}

// The TSTInfo within a token.
base::Bytes info_of(const base::Bytes& token) {
  const unsigned char* in = token.data();
  const base::Owned<CMS_ContentInfo, CMS_ContentInfo_free> cms{
      d2i_CMS_ContentInfo(nullptr, &in, static_cast<long>(token.size()))};
  const ASN1_OCTET_STRING* content = *CMS_get0_content(cms.get());
  return {ASN1_STRING_get0_data(content), ASN1_STRING_get0_data(content) + ASN1_STRING_length(content)};
}

std::size_t position_of(const base::Bytes& all, base::BytesView part) {
  const auto found = std::search(all.begin(), all.end(), part.begin(), part.end());
  REQUIRE(found != all.end());
  return static_cast<std::size_t>(found - all.begin());
}

// An element in DER or, without its length, in BER.
base::Bytes element(std::uint8_t identifier, base::BytesView content, bool with_length = true) {
  base::Bytes der{identifier, 0x80};
  if (with_length) {
    der.back() = 0x83;
    for (const int shift : {16, 8, 0}) der.push_back(static_cast<std::uint8_t>(content.size() >> shift));
  }
  der.insert(der.end(), content.begin(), content.end());
  if (!with_length) der.insert(der.end(), 2, 0);
  return der;
}

// What a token's SignedData is made of (RFC 5652 5.1).
std::vector<base::Bytes> fields_of(const base::Bytes& token) {
  const auto head = [](base::BytesView der) {
    const unsigned char* in = der.data();
    long size = 0;
    int tag = 0, tag_class = 0;
    ASN1_get_object(&in, &size, &tag, &tag_class, static_cast<long>(der.size()));
    return std::pair{static_cast<std::size_t>(in - der.data()), static_cast<std::size_t>(size)};
  };
  base::BytesView left = token;
  left = left.subspan(head(left).first);                      // ContentInfo
  left = left.subspan(head(left).first + head(left).second);  // its type
  left = left.subspan(head(left).first);                      // [0]
  left = left.subspan(head(left).first);                      // SignedData
  std::vector<base::Bytes> fields;
  while (!left.empty()) {
    const std::size_t size = head(left).first + head(left).second;
    fields.push_back(bytes_of(left.first(size)));
    left = left.subspan(size);
  }
  REQUIRE(fields.size() == 5);
  return fields;
}

base::Bytes joined(const std::vector<base::Bytes>& parts) {
  base::Bytes all;
  for (const base::Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// A token of these fields.
base::Bytes token_of(const std::vector<base::Bytes>& fields, bool with_lengths = true) {
  const base::Bytes signed_data{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
  return element(0x30, joined({signed_data, element(0xa0, element(0x30, joined(fields), with_lengths), with_lengths)}),
                 with_lengths);
}

void check_failed(const base::Result<TimeStampToken>& read, std::string_view detail) {
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::time_stamp_failed);
  CHECK(read.error().detail == detail);
}

}  // namespace

TEST_CASE("a request asks for a token over the imprint, with a fresh nonce and the certificate") {
  const auto algorithm = GENERATE(base::DigestAlgorithm::sha256, base::DigestAlgorithm::sha384, base::DigestAlgorithm::sha512);
  const base::Digest imprint = base::digest(algorithm, base::as_bytes("x"));
  const TimeStampRequest request = make_time_stamp_request(imprint);
  CHECK(request.imprint == imprint);
  CHECK(request.nonce.size() == 8);
  CHECK(request.nonce != make_time_stamp_request(imprint).nonce);

  const unsigned char* in = request.der.data();
  const base::Owned<TS_REQ, TS_REQ_free> read{d2i_TS_REQ(nullptr, &in, static_cast<long>(request.der.size()))};
  REQUIRE(read);
  CHECK(in == request.der.data() + request.der.size());
  CHECK(TS_REQ_get_version(read.get()) == 1);
  CHECK(TS_REQ_get_cert_req(read.get()) != 0);
  CHECK(TS_REQ_get_policy_id(read.get()) == nullptr);
  const ASN1_OCTET_STRING* message = TS_MSG_IMPRINT_get_msg(TS_REQ_get_msg_imprint(read.get()));
  CHECK(base::hex({ASN1_STRING_get0_data(message), static_cast<std::size_t>(ASN1_STRING_length(message))}) ==
        base::hex(imprint.bytes()));
}

TEST_CASE("an answer to the request gives the token as it came") {
  World world;
  const base::Bytes answer = world.answer();
  const auto token = read_time_stamp_response(answer, world.request);
  REQUIRE(token);
  CHECK(token->time == now);
  CHECK(token->imprint == world.imprint);
  CHECK(token->policy == "1.3.6.1.4.1.13762.3");
  CHECK(position_of(answer, token->der) + token->der.size() == answer.size());
  const auto parsed = parse_time_stamp_token(token->der);
  REQUIRE(parsed);
  CHECK(parsed->time == now);
  CHECK(parsed->imprint == world.imprint);
  CHECK(parsed->der == token->der);
}

TEST_CASE("an authority with an RSA key is understood, and other digests than SHA-256 are stamped") {
  World world;
  auto subject = tsa_subject();
  subject.key_type = KeyType::rsa;
  const demo::TimeStampResponder responder(world.issuing.issue(subject), one(world.issuing.root()));
  const auto algorithm = GENERATE(base::DigestAlgorithm::sha384, base::DigestAlgorithm::sha512);
  const base::Digest imprint = base::digest(algorithm, base::as_bytes("x"));
  const TimeStampRequest request = make_time_stamp_request(imprint);
  const auto token = read_time_stamp_response(responder.answer(request.der, TsaFault::none, now), request);
  REQUIRE(token);
  CHECK(verify_time_stamp(token->der, imprint, world.trust(), now).status == TimeStampStatus::valid);
}

TEST_CASE("an answer over another imprint is refused") {
  World world;
  check_failed(read_time_stamp_response(world.answer(TsaFault::wrong_imprint), world.request),
               "the token is over another imprint");
}

TEST_CASE("an answer to somebody else's request is refused, though the imprint is the same") {
  World world;
  const TimeStampRequest other = make_time_stamp_request(world.imprint);
  check_failed(read_time_stamp_response(world.answer(), other), "the token has another nonce");
  check_failed(read_time_stamp_response(world.answer(TsaFault::wrong_nonce), world.request), "the token has another nonce");
}

TEST_CASE("an answer with a signature that is not valid is refused") {
  World world;
  check_failed(read_time_stamp_response(world.answer(TsaFault::bad_signature), world.request), "the signature is not valid");
}

TEST_CASE("a rejection is told with the authority's reason") {
  World world;
  check_failed(read_time_stamp_response(world.answer(TsaFault::rejected), world.request),
               "the time stamp authority refused, status 2 badAlg: Message digest algorithm is not supported.");
}

TEST_CASE("what is no TimeStampResp is refused") {
  World world;
  const base::Bytes answer =
      GENERATE_REF(world.answer(TsaFault::garbage), base::Bytes{}, base::Bytes{0x30, 0x00}, base::Bytes{0x30, 0x80, 0x00, 0x00},
                   base::Bytes{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, world.request.der, bytes_of(world.tsa.certificate.der()));
  const auto read = read_time_stamp_response(answer, world.request);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::time_stamp_failed);
}

TEST_CASE("granted without a token is refused") {
  World world;
  const base::Bytes granted{0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00};
  check_failed(read_time_stamp_response(granted, world.request), "granted, but there is no token");
}

TEST_CASE("an answer over a megabyte is refused before it is parsed") {
  World world;
  check_failed(read_time_stamp_response(base::Bytes((1 << 20) + 1), world.request), "the response is too large");
}

TEST_CASE("every truncation of an answer and every extension is refused") {
  World world;
  base::Bytes answer = world.answer();
  for (std::size_t size = 0; size < answer.size(); ++size) {
    if (read_time_stamp_response(base::BytesView(answer).first(size), world.request))
      FAIL_CHECK("accepted after " << size << " bytes");
  }
  answer.push_back(0);
  CHECK_FALSE(read_time_stamp_response(answer, world.request));
}

TEST_CASE("an answer without the certificate that was asked for is refused") {
  World world;
  // The token of a request without certReq, handed to one with it.
  base::Bytes request = world.request.der;
  REQUIRE(request.back() == 0xff);
  request.resize(request.size() - 3);
  request[1] = static_cast<std::uint8_t>(request[1] - 3);
  check_failed(read_time_stamp_response(world.responder.answer(request, TsaFault::none, now), world.request),
               "the token has no certificate, though one was asked for");
}

TEST_CASE("a token is valid under its authority's root with lists in force") {
  World world;
  const TimeStampReport report = world.verify(world.token());
  CHECK(report.status == TimeStampStatus::valid);
  CHECK(report.detail.empty());
  CHECK(report.time == now);
  CHECK(report.signer == world.tsa.certificate);
  CHECK(report.path.status == PathStatus::valid);
  CHECK(report.path.chain == std::vector{world.tsa.certificate, world.issuing.root().certificate, world.root.root().certificate});
}

TEST_CASE("a token over another imprint is told apart from a token with a bad signature") {
  World world;
  const base::Bytes token = world.token();
  const base::Digest other = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("something else"));
  CHECK(verify_time_stamp(token, other, world.trust(), now).status == TimeStampStatus::imprint_differs);
  const base::Digest same_bytes_of_nothing = base::digest(base::DigestAlgorithm::sha512, base::as_bytes("what is stamped"));
  CHECK(verify_time_stamp(token, same_bytes_of_nothing, world.trust(), now).status == TimeStampStatus::imprint_differs);
  base::Bytes damaged = token;
  damaged.back() ^= 1;
  CHECK(world.verify(damaged).status == TimeStampStatus::signature_invalid);
}

TEST_CASE("a token is untrusted without its root, without lists, and under another root") {
  World world;
  const base::Bytes token = world.token();
  TrustMaterial trust = world.trust();
  trust.anchors = one(demo::Authority("Root", now).root());
  TimeStampReport report = verify_time_stamp(token, world.imprint, trust, now);
  CHECK(report.status == TimeStampStatus::untrusted);
  CHECK(report.path.status == PathStatus::no_path);
  CHECK(report.signer == world.tsa.certificate);
  trust = world.trust();
  trust.crls.clear();
  report = verify_time_stamp(token, world.imprint, trust, now);
  CHECK(report.status == TimeStampStatus::untrusted);
  CHECK(report.path.status == PathStatus::no_revocation_data);
}

TEST_CASE("a token by a revoked authority is untrusted from then on") {
  World world;
  const base::Bytes token = world.token();
  world.issuing.revoke(world.tsa.certificate, now + 10min);
  const auto trust = TrustMaterial{one(world.root.root()), {}, {world.root.crl(), world.issuing.crl()}};
  CHECK(verify_time_stamp(token, world.imprint, trust, now + 5min).status == TimeStampStatus::valid);
  const TimeStampReport report = verify_time_stamp(token, world.imprint, trust, now + 10min);
  CHECK(report.status == TimeStampStatus::untrusted);
  CHECK(report.path.status == PathStatus::revoked);
  CHECK(report.path.revoked_at == now + 10min);
}

TEST_CASE("a token signed with a certificate that is not for time stamping is untrusted") {
  World world;
  // The reader of answers does not judge the chain, so it takes it.
  const auto token = read_time_stamp_response(world.answer(TsaFault::wrong_usage), world.request);
  REQUIRE(token);
  const TimeStampReport report = world.verify(token->der);
  CHECK(report.status == TimeStampStatus::untrusted);
  CHECK(report.path.status == PathStatus::constraints);
}

TEST_CASE("a token's time must lie in the validity of its certificate") {
  World world;
  auto subject = tsa_subject();
  subject.starts_before_now = 1h;
  subject.ends_after_now = 1h;
  const demo::TimeStampResponder responder(world.issuing.issue(subject), one(world.issuing.root()));
  const auto stamped = [&](base::Time time) {
    return read_time_stamp_response(responder.answer(world.request.der, TsaFault::none, time), world.request).value().der;
  };
  CHECK(world.verify(stamped(now - 59min)).status == TimeStampStatus::valid);
  CHECK(world.verify(stamped(now - 61min)).path.status == PathStatus::not_yet_valid);
  CHECK(world.verify(stamped(now - 61min)).status == TimeStampStatus::untrusted);
  CHECK(world.verify(stamped(now + 61min)).path.status == PathStatus::expired);
  CHECK(world.verify(stamped(now + 61min)).status == TimeStampStatus::untrusted);
  CHECK(world.verify(stamped(now), now + 61min).path.status == PathStatus::expired);
}

TEST_CASE("a token from the future is untrusted, but for what clocks differ by") {
  World world;
  const base::Bytes token = world.token();
  CHECK(world.verify(token, now - 5min).status == TimeStampStatus::valid);
  CHECK(world.verify(token, now - 6min).status == TimeStampStatus::untrusted);
}

TEST_CASE("a token without certificates is judged with the intermediates that are given") {
  World world;
  const base::Bytes bare = handmade(world.tsa, info_of(world.token()), {.flags = CMS_CADES | CMS_NOCERTS});
  CHECK(parse_time_stamp_token(bare));
  CHECK(world.verify(bare).status == TimeStampStatus::signature_invalid);
  TrustMaterial trust = world.trust();
  trust.intermediates = {world.issuing.root().certificate, world.tsa.certificate};
  CHECK(verify_time_stamp(bare, world.imprint, trust, now).status == TimeStampStatus::valid);
}

TEST_CASE("revocation lists in a token serve") {
  World world;
  TrustMaterial trust = world.trust();
  trust.intermediates = one(world.issuing.root());
  trust.crls.clear();
  const base::Bytes with_lists =
      handmade(world.tsa, info_of(world.token()), {.change = [&](CMS_ContentInfo* cms, CMS_SignerInfo*) {
                 CMS_add1_crl(cms, world.root.crl().native());
                 CMS_add1_crl(cms, world.issuing.crl().native());
               }});
  CHECK(verify_time_stamp(with_lists, world.imprint, trust, now).status == TimeStampStatus::valid);
}

TEST_CASE("the signing certificate attribute must name the signer") {
  World world;
  const base::Bytes info = info_of(world.token());
  TrustMaterial trust = world.trust();
  trust.intermediates = one(world.issuing.root());
  const auto verified = [&](const Handmade& how) {
    return verify_time_stamp(handmade(world.tsa, info, how), world.imprint, trust, now);
  };
  CHECK(verified({}).status == TimeStampStatus::valid);

  const TimeStampReport absent = verified({.flags = 0});
  CHECK(absent.status == TimeStampStatus::signature_invalid);
  CHECK(absent.detail == "the signing certificate attribute names another certificate");

  // Issued for the same key and name: CMS finds it as well, only the attribute tells them apart.
  const auto twin =
      altered(world.tsa.certificate, world.issuing.root(), EVP_sha256(), [](X509* x) { remove_extension(x, NID_key_usage); });
  const base::Bytes named_twin = handmade(
      {twin, world.tsa.key}, info, {.flags = CMS_CADES | CMS_NOCERTS, .change = [&](CMS_ContentInfo* cms, CMS_SignerInfo*) {
                                      CMS_add1_cert(cms, world.tsa.certificate.native());
                                    }});
  CHECK(verify_time_stamp(named_twin, world.imprint, trust, now).status == TimeStampStatus::signature_invalid);
}

TEST_CASE("the older signing certificate attribute, by SHA-1, is accepted as RFC 3161 has it") {
  World world;
  TrustMaterial trust = world.trust();
  trust.intermediates = one(world.issuing.root());
  const auto add_v1 = [&](std::vector<Certificate> named) {
    return [named](CMS_ContentInfo*, CMS_SignerInfo* signer) {
      // SigningCertificate ::= SEQUENCE { SEQUENCE OF ESSCertID { certHash OCTET STRING } }
      const auto size = static_cast<std::uint8_t>(24 * named.size());
      base::Bytes value{0x30, static_cast<std::uint8_t>(size + 2), 0x30, size};
      for (const Certificate& certificate : named) {
        const base::Digest hash = base::digest(base::DigestAlgorithm::sha1, certificate.der());
        for (const int byte : {0x30, 22, 0x04, 20}) value.push_back(static_cast<std::uint8_t>(byte));
        value.insert(value.end(), hash.bytes().begin(), hash.bytes().end());
      }
      CMS_signed_add1_attr_by_NID(signer, NID_id_smime_aa_signingCertificate, V_ASN1_SEQUENCE, value.data(),
                                  static_cast<int>(value.size()));
    };
  };
  const base::Bytes info = info_of(world.token());
  const auto verified = [&](unsigned flags, auto change) {
    return verify_time_stamp(handmade(world.tsa, info, {.flags = flags, .change = change}), world.imprint, trust, now).status;
  };
  CHECK(verified(0, add_v1({world.tsa.certificate})) == TimeStampStatus::valid);
  CHECK(verified(0, add_v1({world.person_s.certificate})) == TimeStampStatus::signature_invalid);
  CHECK(verified(CMS_CADES, add_v1({world.person_s.certificate})) == TimeStampStatus::signature_invalid);
  CHECK(verified(CMS_CADES, add_v1({world.tsa.certificate})) == TimeStampStatus::valid);
  const auto warnings = [&](unsigned flags) {
    const base::Bytes token = handmade(world.tsa, info, {.flags = flags, .change = add_v1({world.tsa.certificate})});
    return verify_time_stamp(token, world.imprint, trust, now).warnings;
  };
  CHECK(warnings(CMS_CADES).empty());
  CHECK(warnings(0) == std::vector<std::string>{"the time stamp names its signer by SHA-1 alone"});
  // Further identifiers may name what is not here; the first is the signer's.
  const Certificate absent = demo::Authority("Elsewhere", now).root().certificate;
  CHECK(verified(0, add_v1({world.tsa.certificate, absent})) == TimeStampStatus::valid);
  CHECK(verified(0, add_v1({absent, world.tsa.certificate})) == TimeStampStatus::signature_invalid);
  CHECK(verified(0, add_v1({})) == TimeStampStatus::signature_invalid);
}

TEST_CASE("a token signed with SHA-1 is untrusted") {
  World world;
  const demo::Identity rsa_tsa =
      world.issuing.issue({.common_name = "TSA", .serial_number = {}, .usage = demo::Subject::Usage::time_stamping, .key = {}});
  TrustMaterial trust = world.trust();
  trust.intermediates = one(world.issuing.root());
  const base::Bytes weak = handmade(rsa_tsa, info_of(world.token()), {.digest = EVP_sha1()});
  const TimeStampReport report = verify_time_stamp(weak, world.imprint, trust, now);
  CHECK(report.status == TimeStampStatus::untrusted);
  CHECK(report.path.status == PathStatus::constraints);
}

TEST_CASE("an answer signed with SHA-1 is refused") {
  World world;
  const demo::Identity rsa_tsa =
      world.issuing.issue({.common_name = "TSA", .serial_number = {}, .usage = demo::Subject::Usage::time_stamping, .key = {}});
  const auto answered = [&](const EVP_MD* digest) {
    const base::Bytes token = handmade(rsa_tsa, info_of(world.token()), {.digest = digest});
    // TimeStampResp ::= SEQUENCE { status SEQUENCE { INTEGER 0 }, token }
    const std::size_t size = token.size() + 5;
    base::Bytes response{0x30, 0x82, static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size), 0x30, 3, 2, 1, 0};
    response.insert(response.end(), token.begin(), token.end());
    return read_time_stamp_response(response, world.request);
  };
  CHECK(answered(EVP_sha256()));
  check_failed(answered(EVP_sha1()), "the token is signed with a weak digest: sha1 was acceptable until 2012-08-01");
}

TEST_CASE("a token whose signed attributes name another content is not valid") {
  World world;
  TrustMaterial trust = world.trust();
  trust.intermediates = one(world.issuing.root());
  // Signed as a receipt, 1.2.840.113549.1.9.16.1.1, and called a TSTInfo, ….4, where nothing is signed.
  base::Bytes der = handmade(world.tsa, info_of(world.token()), {.content_type = NID_id_smime_ct_receipt});
  const base::Bytes receipt{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x01};
  der[position_of(der, receipt) + receipt.size() - 1] = 0x04;
  const TimeStampReport report = verify_time_stamp(der, world.imprint, trust, now);
  CHECK(report.status == TimeStampStatus::signature_invalid);
  CHECK(report.detail == "the signed content type is another");
}

TEST_CASE("which digests a token may be signed with is the table's to say, at the time of the validation") {
  World world;
  const base::Bytes token = world.token();
  const auto judged = [&](const AlgorithmTable& table) {
    return verify_time_stamp(token, world.imprint, world.trust(), {.at = now, .algorithms = &table});
  };
  AlgorithmTable table = ts_119_312();
  CHECK(judged(table).status == TimeStampStatus::valid);
  for (auto& row : table.digests) {
    if (row.name == "sha256") row.until = now;
  }
  const TimeStampReport report = judged(table);
  CHECK(report.status == TimeStampStatus::untrusted);
  CHECK(report.path.weak_algorithm);
}

TEST_CASE("a policy that was asked for is the token's, or the answer is refused") {
  World world;
  const std::string policy = "1.3.6.1.4.1.13762.3";
  CHECK(make_time_stamp_request(world.imprint).policy.empty());
  TimeStampRequest request = make_time_stamp_request(world.imprint, policy);
  const unsigned char* in = request.der.data();
  const base::Owned<TS_REQ, TS_REQ_free> read{d2i_TS_REQ(nullptr, &in, static_cast<long>(request.der.size()))};
  REQUIRE(TS_REQ_get_policy_id(read.get()) != nullptr);
  const base::Bytes answer = world.responder.answer(request.der, TsaFault::none, now);
  CHECK(read_time_stamp_response(answer, request));
  request.policy = "1.3.6.1.4.1.13762.4";
  check_failed(read_time_stamp_response(answer, request), "the token is under another policy");
  CHECK_THROWS_AS(make_time_stamp_request(world.imprint, "no policy"), std::invalid_argument);
}

TEST_CASE("a token under a policy that is not taken is untrusted, and its policy is told") {
  World world;
  const base::Bytes token = world.token();
  const auto judged = [&](std::vector<std::string> policies) {
    return verify_time_stamp(token, world.imprint, world.trust(), {.at = now, .policies = std::move(policies)});
  };
  CHECK(judged({}).policy == "1.3.6.1.4.1.13762.3");
  CHECK(judged({"1.2.3", "1.3.6.1.4.1.13762.3"}).status == TimeStampStatus::valid);
  const TimeStampReport other = judged({"1.2.3"});
  CHECK(other.status == TimeStampStatus::untrusted);
  CHECK(other.path.status == PathStatus::constraints);
  CHECK(other.detail == "the token is under another policy");
}

TEST_CASE("the authorities of a token's path must have been in force at its time too") {
  World world;
  auto young = person("Young CA");
  young.starts_before_now = 1h;
  demo::Authority authority = world.root.subordinate(young);
  const demo::TimeStampResponder responder(authority.issue(tsa_subject()), one(authority.root()));
  const auto stamped = [&](base::Time time) {
    const auto der =
        read_time_stamp_response(responder.answer(world.request.der, TsaFault::none, time), world.request).value().der;
    return verify_time_stamp(der, world.imprint, {one(world.root.root()), {}, {world.root.crl(), authority.crl()}}, now);
  };
  CHECK(stamped(now - 59min).status == TimeStampStatus::valid);
  CHECK(stamped(now - 61min).status == TimeStampStatus::untrusted);
  CHECK(stamped(now - 61min).path.status == PathStatus::not_yet_valid);
}

TEST_CASE(
    "what a token says besides is told: its accuracy, a hint to another authority; what is critical and unknown is refused") {
  World world;
  const base::Bytes info = info_of(world.token());
  TrustMaterial trust = world.trust();
  trust.intermediates = one(world.issuing.root());
  const auto with = [&](auto change) {
    const unsigned char* in = info.data();
    const base::Owned<TS_TST_INFO, TS_TST_INFO_free> changed{d2i_TS_TST_INFO(nullptr, &in, static_cast<long>(info.size()))};
    change(changed.get());
    base::Bytes der(static_cast<std::size_t>(i2d_TS_TST_INFO(changed.get(), nullptr)));
    unsigned char* out = der.data();
    i2d_TS_TST_INFO(changed.get(), &out);
    return handmade(world.tsa, der, {});
  };
  const auto hint = [](const Certificate& certificate) {
    return [certificate](TS_TST_INFO* changed) {
      const base::Owned<GENERAL_NAME, GENERAL_NAME_free> name{GENERAL_NAME_new()};
      GENERAL_NAME_set0_value(name.get(), GEN_DIRNAME, X509_NAME_dup(X509_get_subject_name(certificate.native())));
      TS_TST_INFO_set_tsa(changed, name.get());
    };
  };
  const auto warnings = [&](const base::Bytes& token) { return verify_time_stamp(token, world.imprint, trust, now).warnings; };
  CHECK(warnings(with(hint(world.tsa.certificate))).empty());
  const base::Bytes elsewhere = with(hint(world.person_s.certificate));
  CHECK(warnings(elsewhere) == std::vector<std::string>{"the time stamp names an authority that is not its signer"});
  CHECK(verify_time_stamp(elsewhere, world.imprint, trust, now).status == TimeStampStatus::valid);

  CHECK(parse_time_stamp_token(world.token())->accuracy == 1s);
  CHECK_FALSE(parse_time_stamp_token(with([](TS_TST_INFO* changed) {
    const base::Owned<X509_EXTENSION, X509_EXTENSION_free> unknown{
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_netscape_comment, "critical,x")};
    TS_TST_INFO_add_ext(changed, unknown.get(), -1);
  })));
  const auto accurate = parse_time_stamp_token(with([](TS_TST_INFO* changed) {
    const base::Owned<TS_ACCURACY, TS_ACCURACY_free> accuracy{TS_ACCURACY_new()};
    const base::Owned<ASN1_INTEGER, ASN1_INTEGER_free> number{ASN1_INTEGER_new()};
    ASN1_INTEGER_set(number.get(), 2);
    TS_ACCURACY_set_seconds(accuracy.get(), number.get());
    ASN1_INTEGER_set(number.get(), 5);
    TS_ACCURACY_set_millis(accuracy.get(), number.get());
    TS_TST_INFO_set_accuracy(changed, accuracy.get());
  }));
  REQUIRE(accurate);
  CHECK(accurate->accuracy == 2005ms);
}

TEST_CASE("a CMS signature that is no time stamp token is none") {
  World world;
  const base::Bytes info = info_of(world.token());
  const auto refused = [&](const Handmade& how) {
    const base::Bytes der = handmade(world.tsa, info, how);
    CHECK(world.verify(der).status == TimeStampStatus::signature_invalid);
    const auto parsed = parse_time_stamp_token(der);
    return parsed ? std::string("parsed") : parsed.error().detail;
  };
  CHECK(refused({.content_type = NID_pkcs7_data}) == "not over a TSTInfo");
  CHECK(refused({.change = [&](CMS_ContentInfo* cms, CMS_SignerInfo*) {
          CMS_add1_signer(cms, world.person_s.certificate.native(), world.person_s.key.get(), EVP_sha256(), CMS_BINARY);
        }}) == "not signed by exactly one (RFC 3161 2.4.2)");
  CHECK(refused({.change_info = [](base::Bytes& content) { content = {0x05, 0x00}; }}) == "not a TSTInfo of version 1");
  CHECK(refused({.change_info = [](base::Bytes& content) { content.push_back(0); }}) == "not a TSTInfo of version 1");
  CHECK(refused({.change_info = [](base::Bytes& content) { content[4] = 2; }}) == "not a TSTInfo of version 1");
  CHECK(refused({.change_info = [](base::Bytes& content) { content.clear(); }}) != "parsed");
  CHECK(refused({.change = [&](CMS_ContentInfo* cms, CMS_SignerInfo*) {
          for (int i = 0; i < 33; ++i)
            CMS_add1_cert(
                cms, world.issuing.issue({.common_name = "x", .serial_number = {}, .key = world.tsa.key}).certificate.native());
        }}) == "too many certificates in the token");
}

TEST_CASE("a token is the same in BER, and beside attribute certificates") {
  World world;
  auto fields = fields_of(world.token());
  REQUIRE(world.verify(token_of(fields)).status == TimeStampStatus::valid);
  CHECK(world.verify(token_of(fields, false)).status == TimeStampStatus::valid);
  base::Bytes certificates = joined({bytes_of(world.tsa.certificate.der()), bytes_of(world.issuing.root().certificate.der())});
  SECTION("an attribute certificate of version 2") {
    fields[3] = element(0xa0, joined({certificates, element(0xa2, base::Bytes{0x02, 0x01, 0x01})}));
    CHECK(world.verify(token_of(fields)).status == TimeStampStatus::valid);
  }
  SECTION("certificates in BER") {
    fields[3] = element(0xa0, certificates, false);
    CHECK(world.verify(token_of(fields)).status == TimeStampStatus::valid);
  }
  SECTION("no certificate at all, or an empty set") {
    fields[3].clear();
    const base::Bytes without = token_of(fields);
    fields[3] = element(0xa0, {});
    const TrustMaterial trust{
        one(world.root.root()), {world.tsa.certificate, world.issuing.root().certificate}, world.trust().crls};
    for (const base::Bytes& der : {without, token_of(fields)}) {
      CHECK(world.verify(der).status == TimeStampStatus::signature_invalid);
      CHECK(verify_time_stamp(der, world.imprint, trust, now).status == TimeStampStatus::valid);
    }
  }
}

TEST_CASE("certificates that are not in their place, there twice, or no certificates make no token") {
  World world;
  const auto good = fields_of(world.token());
  const auto refused = [&](std::vector<base::Bytes> fields) {
    const base::Bytes der = token_of(fields);
    CHECK(world.verify(der).status == TimeStampStatus::signature_invalid);
    return !parse_time_stamp_token(der);
  };
  CHECK(refused({good[0], good[1], good[2], good[3], good[3], good[4]}));
  CHECK(refused({good[0], good[1], good[3], good[2], good[4]}));
  CHECK(refused({good[0], good[1], good[2], good[4], good[3]}));
  CHECK(refused({good[3], good[0], good[1], good[2], good[4]}));
  CHECK(refused({good[0], good[1], good[2], element(0xa0, base::Bytes{0x30, 0x03, 0x02, 0x01, 0x01}), good[4]}));
  CHECK(refused({good[0], good[1], good[2], element(0xa0, element(0x30, good[3])), good[4]}));
}

TEST_CASE("every truncation of a token is refused") {
  World world;
  const base::Bytes token = world.token();
  for (std::size_t size = 0; size < token.size(); ++size) {
    if (parse_time_stamp_token(base::BytesView(token).first(size))) FAIL_CHECK("parsed after " << size << " bytes");
    if (world.verify(base::BytesView(token).first(size)).status == TimeStampStatus::valid)
      FAIL_CHECK("valid after " << size << " bytes");
  }
}

TEST_CASE("bytes after a token are refused") {
  World world;
  base::Bytes token = world.token();
  token.push_back(0);
  CHECK(parse_time_stamp_token(token).error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("a damaged token is never valid with another meaning, nor with damage in what is signed") {
  World world;
  const base::Bytes token = world.token();
  const TrustMaterial trust = world.trust();
  const auto written_again = [](const base::Bytes& der) {
    const unsigned char* in = der.data();
    const base::Owned<CMS_ContentInfo, CMS_ContentInfo_free> cms{
        d2i_CMS_ContentInfo(nullptr, &in, static_cast<long>(der.size()))};
    base::Bytes out(static_cast<std::size_t>(i2d_CMS_ContentInfo(cms.get(), nullptr)));
    unsigned char* to = out.data();
    i2d_CMS_ContentInfo(cms.get(), &to);
    return out;
  };
  REQUIRE(written_again(token) == token);
  // What nobody signs: the head of SignedData (version, digestAlgorithms), and version and sid of SignerInfo: they lie
  // between the certificates and the first signed attribute, contentType. OpenSSL compares sid without regard to case.
  const std::size_t info = position_of(token, info_of(token));
  const std::size_t certificates = position_of(token, world.issuing.root().certificate.der());
  const std::size_t certificates_end = position_of(token, world.tsa.certificate.der()) + world.tsa.certificate.der().size();
  const std::size_t attributes =
      position_of(token, base::Bytes{0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03});
  const auto is_unsigned = [&](std::size_t at) { return at < info || (at >= certificates_end && at < attributes); };
  REQUIRE(info < certificates);
  REQUIRE(certificates < certificates_end);

  int refused = 0;
  for (std::size_t at = 0; at < token.size(); ++at) {
    for (const int damage : {1 << (at % 8), 0x20, 0xff}) {
      base::Bytes damaged = token;
      damaged[at] ^= static_cast<std::uint8_t>(damage);
      const TimeStampReport report = verify_time_stamp(damaged, world.imprint, trust, now);
      if (report.status != TimeStampStatus::valid) {
        ++refused;
        continue;
      }
      CAPTURE(at, damage);
      CHECK(report.time == now);
      CHECK(report.signer == world.tsa.certificate);
      // The same in another encoding (a tag's "constructed" bit), or a field outside of what is signed.
      CHECK((written_again(damaged) == token || is_unsigned(at)));
    }
  }
  CHECK(refused > static_cast<int>(token.size()) * 2);
}
