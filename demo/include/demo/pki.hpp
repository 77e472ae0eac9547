#pragma once

#include <openssl/evp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "pki/path.hpp"

namespace signet::demo {

using PrivateKey = std::shared_ptr<EVP_PKEY>;
PrivateKey make_key(pki::KeyType type, int rsa_bits = 2048);  // rsa or one of the three curves

// A certificate with its key.
struct Identity {
  pki::Certificate certificate;
  PrivateKey key;
};

// What a certificate of the demonstration or of a test is to be. Defaults make one that is fit for signing today.
struct Subject {
  std::string common_name = {};
  std::string serial_number = {};  // subject serialNumber: an IDNP
  pki::KeyType key_type = pki::KeyType::rsa;
  int rsa_bits = 2048;
  enum class Usage : std::uint8_t { signing, time_stamping, ocsp_signing, encryption_only, ca } usage = Usage::signing;
  std::chrono::seconds starts_before_now{86'400};
  std::chrono::seconds ends_after_now{365L * 86'400};
  bool version_1 = false;                   // of X.509, without extensions: whatever `usage` says
  const EVP_MD* signed_with = EVP_sha256();
  PrivateKey key = nullptr;  // an existing key (a token's), of which only the public part is used; made if absent
};

// A certification authority for demonstrations and tests, never for real people: root, issued certificates, CRLs.
// Copies share their state. One thread. Throws std::runtime_error when OpenSSL fails: nothing here meets outside bytes.
class Authority {
 public:
  explicit Authority(std::string name, base::Time now);
  // One that issues under a certificate whatever it is: an end entity that poses as an authority, another root's namesake.
  Authority(Identity identity, base::Time now);
  const Identity& root() const;  // its own certificate: a subordinate's is not self-signed
  Identity issue(const Subject& subject);
  Authority subordinate(const Subject& subject);
  // What it issues from now on says that its list is there (CRLDistributionPoints).
  void publish_crl_at(std::string url);
  // ... and its OCSP responder (AuthorityInfoAccess).
  void answer_ocsp_at(std::string url);
  void revoke(const pki::Certificate& certificate, base::Time at);
  pki::Crl crl(std::chrono::seconds starts_before_now = std::chrono::hours{1},
               std::chrono::seconds ends_after_now = std::chrono::hours{24 * 30});

 private:
  struct State;
  std::shared_ptr<State> state_;
};

std::string pem(const pki::Certificate& certificate);
std::string pem(const pki::Crl& crl);
std::string private_key_pem(const PrivateKey& key);

// Signs a digest with a key in memory, as a token would (PKCS#1 v1.5, PSS with the salt as long as the hash, ECDSA r and s).
enum class SoftScheme : std::uint8_t { rsa_pkcs1, rsa_pss, ecdsa };
base::Bytes sign_digest(const PrivateKey& key, SoftScheme scheme, const base::Digest& digest);

}  // namespace signet::demo
