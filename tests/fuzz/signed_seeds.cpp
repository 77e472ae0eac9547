#include "signed_seeds.hpp"

#include "base/text.hpp"
#include "demo/ocsp.hpp"
#include "demo/pki.hpp"
#include "demo/trusted_list.hpp"
#include "demo/tsa.hpp"
#include "world.hpp"
#include "xades/build.hpp"

namespace signet::fuzz {
namespace {

using pki::KeyType;
using xades::KeyScheme;
using xades::Packaging;

using base::as_bytes;

demo::Subject subject(const std::string& name, KeyType type = KeyType::ec_p256) {
  return {.common_name = name, .serial_number = "2000000000001", .key_type = type};
}

struct Pki {
  demo::Authority root{"Fuzz Root", now};
  demo::Authority issuer = root.subordinate({.common_name = "Fuzz CA"});
  demo::Identity signer = issuer.issue(subject("Ana <b> \xC8\x98tefan"));
  demo::Identity rsa_signer = issuer.issue(subject("Ion", KeyType::rsa));
  demo::Identity revoked = issuer.issue(subject("Revoked"));
  demo::Identity tsa =
      root.issue({.common_name = "Fuzz TSA", .key_type = KeyType::ec_p256, .usage = demo::Subject::Usage::time_stamping});
  demo::TimeStampResponder responder{tsa, {}, signer};
  demo::Identity ocsp_responder =
      issuer.issue({.common_name = "Fuzz OCSP", .key_type = KeyType::ec_p256, .usage = demo::Subject::Usage::ocsp_signing});
  demo::Identity list_signer = root.issue(subject("Fuzz list signer"));

  Pki() { issuer.revoke(revoked.certificate, now - std::chrono::hours{48}); }
};

void make_world(Pki& pki, const pki::TimeStampRequest& request, const Write& write) {
  write("world/root.der", pki.root.root().certificate.der());
  write("world/issuer.der", pki.issuer.root().certificate.der());
  write("world/signer.der", pki.signer.certificate.der());
  write("world/revoked.der", pki.revoked.certificate.der());
  write("world/tsa.der", pki.tsa.certificate.der());
  write("world/list_signer.der", pki.list_signer.certificate.der());
  write("world/lists.pem", as_bytes(demo::pem(pki.root.crl()) + demo::pem(pki.issuer.crl())));
  write("world/request.der", request.der);
  write("world/request.imprint", request.imprint.bytes());
  write("world/request.nonce", request.nonce);
}

void make_certificates(Pki& pki, const Write& write) {
  int number = 0;
  for (const auto& identity : {pki.root.root(), pki.issuer.root(), pki.signer, pki.rsa_signer, pki.revoked, pki.tsa})
    write("certificate/" + std::to_string(number++) + ".der", identity.certificate.der());
  write("certificate/p521.der", pki.issuer.issue(subject("P-521", KeyType::ec_p521)).certificate.der());
  write("certificate/expired.der",
        pki.issuer.issue({.common_name = "Old", .key_type = KeyType::ec_p256, .ends_after_now = -std::chrono::hours{1}})
            .certificate.der());
  write("certificate/two.pem", as_bytes(demo::pem(pki.signer.certificate) + "text\n" + demo::pem(pki.tsa.certificate)));
}

void make_lists(Pki& pki, const Write& write) {
  write("crl/root.der", pki.root.crl().der());
  write("crl/issuer.der", pki.issuer.crl().der());
  write("crl/past.der", pki.issuer.crl(std::chrono::hours{48}, -std::chrono::hours{24}).der());
  write("crl/both.pem", as_bytes(demo::pem(pki.root.crl()) + demo::pem(pki.issuer.crl())));
}

// Of the signer and of who is revoked, by the issuer and by its responder; in force, ended, on hold, with all that can be said.
void make_ocsp_responses(Pki& pki, const Write& write) {
  using std::chrono::hours;
  const demo::OcspSaid good{.certificate = pki.signer.certificate,
                            .issuer = pki.issuer.root().certificate,
                            .at = now - hours{1},
                            .next_update = now + hours{1}};
  demo::OcspSaid revoked = good, ended = good, all = good;
  revoked.certificate = pki.revoked.certificate;
  revoked.value = pki::OcspStatus::Value::revoked;
  revoked.revoked_at = now - hours{48};
  ended.next_update = now - std::chrono::minutes{1};
  all.nonce = {1, 2, 3, 4};
  all.archive_cutoff = now - hours{1'000};
  all.id_digest = base::DigestAlgorithm::sha256;
  all.responder_id = demo::OcspSaid::ResponderId::key;
  demo::OcspSaid none = good;
  none.value = pki::OcspStatus::Value::unknown;
  demo::OcspSaid held = revoked;
  held.on_hold = true;
  const auto& issuer = pki.issuer.root();
  write("ocsp/good.der", ocsp_response(issuer, {good}).der());
  write("ocsp/revoked.der", ocsp_response(issuer, {revoked}).der());
  write("ocsp/ended.der", ocsp_response(pki.ocsp_responder, {ended}).der());
  write("ocsp/all.der", ocsp_response(pki.ocsp_responder, {all, revoked, held, none}).der());
  write("ocsp/stranger.der", ocsp_response(pki.tsa, {good}).der());
}

void make_trusted_lists(Pki& pki, const Write& write) {
  demo::ListedScheme scheme{
      .sequence_number = 7,
      .issued = now - std::chrono::hours{24},
      .next_update = now + std::chrono::hours{24},
      .services = {{.certificates = {pki.issuer.root().certificate}, .from = now - std::chrono::hours{240}}},
      .other_signers = {pki.root.root().certificate}};
  write("trusted_list/one.xml", as_bytes(demo::trusted_list(scheme, pki.list_signer)));
  scheme.sequence_number = 8;
  scheme.version = 5;
  scheme.next_update.reset();
  scheme.services[0].status = "withdrawn";
  scheme.services[0].history = {{"granted", now - std::chrono::hours{2'400}}};
  scheme.services[0].extensions = "<Extension Critical=\"true\"><Other></Other></Extension>";
  scheme.services.push_back({.type = "TSA/QTST", .certificates = {pki.tsa.certificate}, .from = now - std::chrono::hours{24}});
  write("trusted_list/two.xml", as_bytes(demo::trusted_list(scheme, pki.list_signer)));
}

// Beside the good ones, what a broken or hostile TSA sends. Times differ: a token is known by its own.
void make_time_stamps(Pki& pki, const pki::TimeStampRequest& request, const Write& write) {
  using enum demo::TsaFault;
  int number = 0;
  for (const auto fault : {none, wrong_imprint, wrong_nonce, bad_signature, rejected, garbage, wrong_usage}) {
    const auto answer = pki.responder.answer(request.der, fault, now - std::chrono::minutes{number});
    write("time_stamp/response-" + std::to_string(number++) + ".der", answer);
    if (fault != none) continue;
    write("time_stamp/token.der", pki::read_time_stamp_response(answer, request).value().der);
  }
}

struct Plan {
  const demo::Identity& identity;
  xades::SignatureAlgorithm algorithm;
  demo::SoftScheme scheme;
  Packaging packaging;
  std::size_t first, count;  // of the contents
  base::Time signing_time;   // a signature is known by it
  bool stamped;
};

// The only use of SignatureWriter here.
std::string document(const Pki& pki, const Plan& plan, const std::string& id) {
  const xades::SignatureWriter writer({plan.identity.certificate,
                                       {pki.issuer.root().certificate},
                                       plan.algorithm,
                                       plan.packaging,
                                       id,
                                       plan.signing_time,
                                       plan.count});
  std::vector<xades::DataObject> objects;
  for (std::size_t i = plan.first; i < plan.first + plan.count; ++i)
    objects.push_back({contents()[i].name, base::digest(plan.algorithm.digest, as_bytes(contents()[i].bytes))});
  const xades::SignatureContent content{id, objects};
  const auto value = demo::sign_digest(plan.identity.key, plan.scheme, writer.to_be_signed(content));
  if (!plan.stamped) return writer.document(content, value);
  const auto request = pki::make_time_stamp_request(writer.time_stamp_imprint(content, value, base::DigestAlgorithm::sha256));
  const auto token =
      pki::read_time_stamp_response(pki.responder.answer(request.der, demo::TsaFault::none, plan.signing_time), request);
  return writer.document(content, value, token.value().der);
}

constexpr std::string_view ds = " xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";
constexpr std::string_view xades_names = " xmlns:xades=\"http://uri.etsi.org/01903/v1.3.2#\"";
constexpr std::string_view exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";

std::string element(std::string_view name, std::string_view attributes, std::string_view content = {}) {
  return "<" + std::string(name) + std::string(attributes) + ">" + std::string(content) + "</" + std::string(name) + ">";
}

std::string algorithm(std::string_view name, std::string_view uri, std::string_view declaration = {}) {
  return element(name, std::string(declaration) + " Algorithm=\"" + std::string(uri) + "\"");
}

std::string digest_of(std::string_view data, std::string_view declaration = {}) {
  const auto digest = base::digest(base::DigestAlgorithm::sha256, as_bytes(data));
  return algorithm("ds:DigestMethod", xades::uri(digest.algorithm()), declaration) +
         element("ds:DigestValue", declaration, base::base64(digest.bytes()));
}

// A signature within the document that it signs, as other makers have them, written in exclusive canonical form by hand: `data`
// is what is digested of the document.
std::string enveloped(const Pki& pki, base::Time signing_time, std::string_view id, std::string_view data_uri,
                      std::string_view data) {
  const std::string properties_id = std::string(id) + "-p";
  const std::string properties = element(
      "xades:SignedProperties", std::string(xades_names) + " Id=\"" + properties_id + "\"",
      element("xades:SignedSignatureProperties", {},
              element("xades:SigningTime", {}, base::rfc3339(signing_time)) +
                  element("xades:SigningCertificateV2", {},
                          element("xades:Cert", {},
                                  element("xades:CertDigest", {}, digest_of(base::as_text(pki.signer.certificate.der()), ds))))) +
          element("xades:SignedDataObjectProperties", {},
                  element("xades:DataObjectFormat", " ObjectReference=\"#" + std::string(id) + "-r\"",
                          element("xades:MimeType", {}, "text/xml"))));
  const std::string transforms = element(
      "ds:Transforms", {},
      algorithm("ds:Transform", "http://www.w3.org/2000/09/xmldsig#enveloped-signature") + algorithm("ds:Transform", exclusive));
  const std::string info =
      element("ds:SignedInfo", ds,
              algorithm("ds:CanonicalizationMethod", exclusive) +
                  algorithm("ds:SignatureMethod",
                            xades::uri(xades::SignatureAlgorithm{KeyScheme::ecdsa, base::DigestAlgorithm::sha256})) +
                  element("ds:Reference", " Id=\"" + std::string(id) + "-r\" URI=\"" + std::string(data_uri) + "\"",
                          transforms + digest_of(data)) +
                  element("ds:Reference", " Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#" + properties_id + "\"",
                          element("ds:Transforms", {}, algorithm("ds:Transform", exclusive)) + digest_of(properties)));
  const auto value =
      demo::sign_digest(pki.signer.key, demo::SoftScheme::ecdsa, base::digest(base::DigestAlgorithm::sha256, as_bytes(info)));
  const auto certificate = base::base64(pki.signer.certificate.der());
  return element("ds:Signature", std::string(ds) + " Id=\"" + std::string(id) + "\"",
                 info + element("ds:SignatureValue", {}, base::base64(value)) +
                     element("ds:KeyInfo", {}, element("ds:X509Data", {}, element("ds:X509Certificate", {}, certificate))) +
                     element("ds:Object", {},
                             element("xades:QualifyingProperties",
                                     std::string(xades_names) + " Target=\"#" + std::string(id) + "\"", properties)));
}

void make_enveloped(const Pki& pki, const Write& write) {
  const std::string text(signed_text());
  const std::string whole = "<doc xmlns=\"urn:doc\"><part Id=\"part\">" + text + "</part>";
  const auto of_whole = enveloped(pki, now - std::chrono::hours{6}, "whole", "", whole + "</doc>");
  write("xml/enveloped.xml", as_bytes(whole + of_whole + "</doc>"));
  const auto of_part =
      enveloped(pki, now - std::chrono::hours{7}, "of-part", "#part", "<part xmlns=\"urn:doc\" Id=\"part\">" + text + "</part>");
  write("xml/part.xml", as_bytes(whole + "<other/>" + of_part + "</doc>"));
}

std::string without_declaration(const std::string& document) {
  return document.starts_with("<?xml") ? document.substr(document.find("?>") + 2) : document;
}

void make_documents(const Pki& pki, const Write& write) {
  const xades::SignatureAlgorithm ecdsa{KeyScheme::ecdsa, base::DigestAlgorithm::sha256};
  const xades::SignatureAlgorithm pss{KeyScheme::rsa_pss, base::DigestAlgorithm::sha256};
  const xades::SignatureAlgorithm pkcs1{KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha512};
  using demo::SoftScheme;
  const auto earlier = [](int hours) { return now - std::chrono::hours{hours}; };
  const Plan plans[] = {
      {pki.signer, ecdsa, SoftScheme::ecdsa, Packaging::detached, 0, 1, earlier(1), false},
      {pki.signer, ecdsa, SoftScheme::ecdsa, Packaging::detached, 1, 2, earlier(2), true},
      {pki.signer, ecdsa, SoftScheme::ecdsa, Packaging::enveloping, 0, 1, earlier(3), false},
      {pki.rsa_signer, pss, SoftScheme::rsa_pss, Packaging::enveloping, 2, 1, earlier(4), true},
      {pki.rsa_signer, pkcs1, SoftScheme::rsa_pkcs1, Packaging::detached, 2, 1, earlier(5), false},
  };
  std::string all;
  int number = 0;
  for (const Plan& plan : plans) {
    const std::string name = "s" + std::to_string(number++);
    const std::string made = document(pki, plan, name);
    write("xml/" + name + ".xml", as_bytes(made));
    all += without_declaration(made);
  }
  write("xml/together.xml", as_bytes("<a xmlns=\"urn:a\" xmlns:b=\"urn:b\"><!-- all --><b:c d='1'>" + all + "</b:c></a>"));
}

}  // namespace

void make_signed_seeds(const Write& write) {
  Pki pki;
  const auto request =
      pki::make_time_stamp_request(base::digest(base::DigestAlgorithm::sha256, as_bytes("what the time stamps are over")));
  make_world(pki, request, write);
  make_certificates(pki, write);
  make_lists(pki, write);
  make_time_stamps(pki, request, write);
  make_ocsp_responses(pki, write);
  make_trusted_lists(pki, write);
  make_documents(pki, write);
  make_enveloped(pki, write);
}

}  // namespace signet::fuzz
