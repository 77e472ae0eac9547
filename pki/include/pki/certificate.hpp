#pragma once

#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "base/time.hpp"

namespace signet::pki {

enum class KeyType : std::uint8_t { rsa, ec_p256, ec_p384, ec_p521, other };

// An X.509 certificate (RFC 5280), decoded once; copies share it, and so do those that are decoded from the same bytes soon after.
// Any thread.
class Certificate {
 public:
  // parameter_invalid if it does not parse, has bytes after its end, or is over 64 KiB.
  static base::Result<Certificate> from_der(base::BytesView der);

  base::BytesView der() const;
  X509* native() const;  // owned by this object and its copies; not to be changed

  std::string subject() const;  // RFC 2253, UTF-8
  std::string issuer() const;
  std::string common_name() const;  // the subject's last CN, or the whole subject if it has none; untrusted text
  std::string serial_hex() const;
  base::Time not_before() const;
  base::Time not_after() const;
  int version() const;  // of X.509: 1, 2 or 3; without extensions before 3
  KeyType key_type() const;
  int key_bits() const;
  bool is_ca() const;  // basicConstraints, RFC 5280 4.2.1.9
  // keyUsage (4.2.1.3) has digitalSignature or nonRepudiation, or the extension is absent, and it is no CA's.
  bool fit_for_signing() const;
  bool has_non_repudiation() const;
  base::Digest fingerprint() const;  // SHA-256 of the DER form
  std::string short_name() const;    // the fingerprint's first 8 hexadecimal digits: what logs call it
  // Where its issuer's revocation lists are: CRLDistributionPoints (RFC 5280 4.2.1.13), http and https alone, at most 4.
  // Untrusted text.
  std::vector<std::string> crl_urls() const;
  // Where its issuer answers OCSP: AuthorityInfoAccess (4.2.2.1), under the same conditions.
  std::vector<std::string> ocsp_urls() const;
  // IssuerSerialV2 of SigningCertificateV2: DER of IssuerSerial (RFC 5035), as EN 319 132-1 5.2.2 wants it.
  base::Bytes issuer_serial_der() const;

  bool operator==(const Certificate& other) const;

 private:
  struct Content;
  class Recent;
  explicit Certificate(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  std::shared_ptr<const Content> content_;
};

// All certificates in a PEM text or the one in a DER file; parameter_invalid if there is none or one of them is no good. Any
// thread.
base::Result<std::vector<Certificate>> certificates_in(base::BytesView file);

// What stands between a certificate and its (self-signed) root, found among `candidates` by issuer name and signature,
// without the certificate itself and without the root; empty if nothing fits. No validation: only for KeyInfo.
std::vector<Certificate> intermediates_of(const Certificate& certificate, const std::vector<Certificate>& candidates);

}  // namespace signet::pki
