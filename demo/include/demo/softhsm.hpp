#pragma once

#include <openssl/evp.h>

#include <filesystem>
#include <string>

#include "base/bytes.hpp"

namespace signet::demo {

enum class Authentication : std::uint8_t { at_login, always };  // CKA_ALWAYS_AUTHENTICATE

// A SoftHSM2 of its own: one initialised token in a folder with its softhsm2.conf. Making one sets SOFTHSM2_CONF, so that token
// hosts started afterwards see it; the library is loaded in forked children only, never in this process. Failures throw.
class SoftHsm {
 public:
  static constexpr const char* module = "/usr/lib/softhsm/libsofthsm2.so";
  static constexpr const char* default_pin = "softhsm-pin-1234";
  static constexpr const char* so_pin = "softhsm-so-pin";

  // Reads the PIN where it stands and keeps no copy: a test that looks for copies passes a Secret's bytes.
  // In a temporary folder, removed with the object.
  static SoftHsm make(base::BytesView pin = base::as_bytes(default_pin), const std::string& label = "signet-test");
  // In a folder that stays; a token that was there is replaced.
  static SoftHsm make_in(const std::filesystem::path& folder, base::BytesView pin, const std::string& label);
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
  bool kept_ = true;
};

}  // namespace signet::demo
