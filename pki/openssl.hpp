#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/error_queue.hpp"
#include "base/owned.hpp"
#include "base/time.hpp"

// What the sources of this folder share in speaking with libcrypto. Private to pki/.
namespace signet::pki {

using Bio = base::Owned<BIO, BIO_free_all>;
inline void free_bytes(unsigned char* bytes) { OPENSSL_free(bytes); }

using base::ErrorQueue;

// A failure whose origin is OpenSSL's latest error.
std::unexpected<base::Error> openssl_failure(base::ErrorCode code, std::string detail);

std::optional<base::Time> time_of(const ASN1_TIME* time);  // fractions of a second are cut

// Bytes of an object through its i2d function; empty if it cannot be encoded.
template <class T>
base::Bytes encoded(int (*i2d)(T*, unsigned char**), std::remove_const_t<T>* object) {
  const int size = i2d(object, nullptr);
  if (size <= 0) return {};
  base::Bytes der(static_cast<std::size_t>(size));
  unsigned char* out = der.data();
  i2d(object, &out);
  return der;
}

// An object through its d2i function: null if it does not parse or if bytes follow it.
template <auto Free, class T>
base::Owned<T, Free> decoded(T* (*d2i)(T**, const unsigned char**, long), base::BytesView der) {
  const unsigned char* in = der.data();
  base::Owned<T, Free> object{d2i(nullptr, &in, static_cast<long>(der.size()))};
  if (object && in != der.data() + der.size()) object.reset();
  return object;
}

// A constructed element in DER: tag, length, content.
void append_tlv(base::Bytes& out, int tag, int tag_class, base::BytesView content);

// The blocks of one kind ("CERTIFICATE") in a PEM text; other kinds are passed over. parameter_invalid if one is damaged.
base::Result<std::vector<base::Bytes>> pem_blocks(base::BytesView text, const char* kind);
bool looks_like_pem(base::BytesView file);

// All objects of that kind in a PEM text, or the one in a DER file. parameter_invalid if there is none or one is no good.
template <class T>
base::Result<std::vector<T>> all_in(base::BytesView file, const char* kind) {
  if (!looks_like_pem(file)) {
    auto one = T::from_der(file);
    if (!one) return base::failure_of(one);
    return std::vector{std::move(*one)};
  }
  const auto blocks = pem_blocks(file, kind);
  if (!blocks) return std::unexpected(blocks.error());
  std::vector<T> all;
  for (const base::Bytes& der : *blocks) {
    auto one = T::from_der(der);
    if (!one) return base::failure_of(one);
    all.push_back(std::move(*one));
  }
  if (all.empty()) return base::failure(base::ErrorCode::parameter_invalid, std::string("no PEM block of ") + kind);
  return all;
}

// The most a file of certificates or lists may have: the largest public lists are of some tens of megabytes.
constexpr std::size_t max_file_size = std::size_t{64} << 20;

}  // namespace signet::pki
