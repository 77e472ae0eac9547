#pragma once

#include <openssl/evp.h>

#include <filesystem>
#include <string>

#include "base/bytes.hpp"
#include "base/owned.hpp"

namespace signet::test {

using PrivateKey = base::Owned<EVP_PKEY, EVP_PKEY_free>;

enum class Authentication : std::uint8_t { at_login, always };  // CKA_ALWAYS_AUTHENTICATE

// A SoftHSM2 of its own: one initialised token in a temporary folder, removed at the end. `make` sets SOFTHSM2_CONF, so that
// token hosts started afterwards see this one; the library is loaded in forked children only, never in the test. Failures throw.
class SoftHsm {
 public:
  static constexpr const char* module = "/usr/lib/softhsm/libsofthsm2.so";
  static constexpr const char* default_pin = "softhsm-pin-1234";

  // Reads the PIN where it stands and keeps no copy: a test that looks for copies passes a Secret's bytes.
  static SoftHsm make(base::BytesView pin = base::as_bytes(default_pin), const std::string& label = "signet-test");
  SoftHsm(SoftHsm&&) = default;
  SoftHsm(const SoftHsm&) = delete;  // owns a folder
  SoftHsm& operator=(const SoftHsm&) = delete;
  SoftHsm& operator=(SoftHsm&&) = delete;
  ~SoftHsm();

  // A private key, its public key and, if there is one, the certificate, under one CKA_ID.
  void import(base::BytesView cka_id, const std::string& label, EVP_PKEY* key, base::BytesView certificate_der = {},
              Authentication authentication = Authentication::at_login, base::BytesView pin = base::as_bytes(default_pin)) const;
  // Makes this the token that new hosts see (after another was made).
  void use() const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  explicit SoftHsm(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
};

PrivateKey make_rsa(unsigned bits);
PrivateKey make_ec(const char* curve);  // "P-256"
// Self-signed, ten days from now; keyUsage nonRepudiation and digitalSignature.
base::Bytes self_signed(EVP_PKEY* key, const std::string& common_name);

}  // namespace signet::test
