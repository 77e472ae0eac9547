// Writes signatures of many kinds, with what they are to be verified by, into the folder that SIGNET_SIGNATURES names, for
// verify_test.py, which serves it at SIGNET_SERVER. Of today: trusted lists are judged at the true time.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../unit/xades_verify/counter_signature.hpp"
#include "../unit/xades_verify/long_term.hpp"
#include "demo/trusted_list.hpp"

using namespace signet;
using namespace signet::xades;
using namespace std::chrono_literals;

namespace {

struct Folder {
  std::filesystem::path path;

  void write(const std::string& name, std::string_view content) const {
    std::filesystem::create_directories((path / name).parent_path());
    std::ofstream out(path / name, std::ios::binary);
    out << content;
    REQUIRE(out.good());
  }
};

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  INFO(name);
  REQUIRE(value != nullptr);
  return value;
}

demo::Identity person(demo::Authority& issuer, demo::Subject subject) {
  subject.common_name = "Ana Țurcanu";
  subject.key_type = subject.rsa_bits == 2048 ? pki::KeyType::ec_p256 : pki::KeyType::rsa;
  return issuer.issue(subject);
}

}  // namespace

TEST_CASE("signatures for the command") {
  const Folder folder{environment("SIGNET_SIGNATURES")};
  const base::Time today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  Pki pki{.at = today};
  SigningPlan b{.packaging = Packaging::enveloping};
  b.signing_time = b.stamped_at = today - 1h;
  SigningPlan t = b;
  t.level = Level::b_t;
  const demo::Identity ana = person(pki.issuer, {});

  folder.write("lta.xml", archived(lt(signed_document(ana, t, pki), pki), today - 30min, pki.responder));
  folder.write("b.xml", signed_document(ana, b, pki));
  SigningPlan detached = t;
  detached.packaging = Packaging::detached;
  detached.contents = {"the contract", "an annex"};
  folder.write("detached.xml", signed_document(ana, detached, pki));
  folder.write("contract 0.pdf", "the contract");
  folder.write("contract 1.pdf", "an annex");
  folder.write("changed/contract 0.pdf", "the contract, changed");

  folder.write("renamed.pdf", "the contract");
  folder.write("properties-changed.xml",
               replaced(signed_document(ana, detached, pki), "<xades:SigningTime>20", "<xades:SigningTime>19"));
  SigningPlan one_detached = t;
  one_detached.packaging = Packaging::detached;
  folder.write("detached-lta.xml", archived(lt(signed_document(ana, one_detached, pki), pki), today - 30min, pki.responder,
                                            {{name_of(0), bytes_of("the contract")}}));

  const std::string stamped_one = signed_document(ana, t, pki);
  folder.write("broken-stamp.xml", flipped(stamped_one, "<xades:EncapsulatedTimeStamp>", 200));
  folder.write("countersigned.xml", with_counter_signature(stamped_one, counter_signature(stamped_one, person(pki.issuer, {}),
                                                                                          "#S-value", pki, today - 30min)));
  folder.write("several.xml", "<all>" + signed_document(ana, t, pki, "First") +
                                  flipped(signed_document(ana, t, pki, "Second"), "Second-value\">") + "</all>");
  SigningPlan with_policy = b;
  with_policy.statements.policy = SignaturePolicy{"urn:oid:1.2.3.4", sha256("the policy"), {}};
  with_policy.statements.commitment_types = {std::string(commitment_type_uri("approval"))};
  with_policy.statements.claimed_roles = {"Director"};
  with_policy.statements.place.city = "Chișinău";
  with_policy.statements.place.country = "MD";
  folder.write("policy.xml", signed_document(ana, with_policy, pki));
  folder.write("policy.txt", "the policy");

  SigningPlan sha1 = b;
  sha1.algorithm.digest = base::DigestAlgorithm::sha1;
  folder.write("sha1.xml", signed_document(ana, sha1, pki));
  folder.write("version-1.xml", signed_document(person(pki.issuer, {.version_1 = true}), b, pki));
  folder.write("expired.xml", signed_document(person(pki.issuer, {.starts_before_now = 48h, .ends_after_now = -20min}), b, pki));

  Pki addressed = pki;
  addressed.issuer = pki.authority.subordinate({.common_name = "Addressed CA"});
  addressed.issuer.publish_crl_at("http://127.0.0.1:9/list.crl");
  folder.write("asked.xml", signed_document(person(addressed.issuer, {}), b, addressed));
  SigningPlan weak = b;
  weak.algorithm.scheme = KeyScheme::rsa_pkcs1;
  folder.write("weak-key.xml", signed_document(person(pki.issuer, {.rsa_bits = 1024}), weak, pki));

  Pki other{.at = today};
  folder.write("untrusted.xml", signed_document(person(other.issuer, {}), b, other));

  const demo::Identity bad = person(pki.issuer, {});
  pki.issuer.revoke(bad.certificate, today - 2h);
  folder.write("revoked.xml", signed_document(bad, t, pki));

  // Signatures of somebody whose certificate was revoked two hours ago, that carry a list from before, and the list of now.
  Pki listed{.at = today};
  listed.issuer.publish_crl_at(environment("SIGNET_SERVER") + "/newer/list.crl");
  const demo::Identity thief = person(listed.issuer, {});
  const ValidationData before{{listed.issuer.root().certificate}, {listed.issuer.crl(72h)}};
  folder.write("carries-older-b.xml", with_validation_data(signed_document(thief, b, listed), before, {}, {}).value());
  folder.write("carries-older-t.xml", with_validation_data(signed_document(thief, t, listed), before, {}, {}).value());
  listed.issuer.revoke(thief.certificate, today - 2h);
  folder.write("newer/list.crl", demo::pem(listed.issuer.crl(30min)));
  folder.write("listed/root.pem", demo::pem(listed.authority.root().certificate));
  folder.write("listed/lists.pem", demo::pem(listed.authority.crl()));

  folder.write("trust/root.pem", demo::pem(pki.authority.root().certificate));
  folder.write("trust/lists.pem", demo::pem(pki.list(pki.authority)) + demo::pem(pki.list(pki.issuer)));
  folder.write("anchor-and-root-list.pem", demo::pem(pki.authority.root().certificate) + demo::pem(pki.authority.crl()));
  folder.write("anchor.pem", demo::pem(pki.authority.root().certificate));
  folder.write("lists/lists.pem", demo::pem(pki.authority.crl()) + demo::pem(pki.issuer.crl()));

  // A list that vouches for the issuer and the time stamp authority, not for their root.
  demo::Authority state("State", today);
  const demo::Identity signer = person(state, {});
  demo::ListedScheme scheme{.sequence_number = 7,
                            .issued = today - 12h,
                            .next_update = today + 24h,
                            .services = {{.certificates = {pki.issuer.root().certificate}, .from = today - 240h},
                                         {.type = "TSA/QTST", .certificates = {pki.tsa.certificate}, .from = today - 240h}}};
  folder.write("list.xml", demo::trusted_list(scheme, signer));
  folder.write("list-signer.pem", demo::pem(signer.certificate));
  folder.write("list-by-another.xml", demo::trusted_list(scheme, person(state, {})));
  folder.write("list-changed.xml",
               replaced(demo::trusted_list(scheme, signer), "TrstSvc/Svctype/CA/QC", "TrstSvc/Svctype/CA/PKC"));
  scheme.services[0].status = "withdrawn";
  folder.write("list-withdrawn.xml", demo::trusted_list(scheme, signer));
  scheme.next_update = today - 1h;
  folder.write("list-expired.xml", demo::trusted_list(scheme, signer));
}
