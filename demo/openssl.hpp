#pragma once

#include <openssl/asn1.h>
#include <openssl/err.h>

#include <algorithm>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "base/bytes.hpp"
#include "base/owned.hpp"
#include "base/time.hpp"

// What the sources of this folder share in speaking with libcrypto. Private to demo/.
namespace signet::demo {

using Asn1Time = base::Owned<ASN1_TIME, ASN1_TIME_free>;
using Asn1Integer = base::Owned<ASN1_INTEGER, ASN1_INTEGER_free>;

// Throws with OpenSSL's reason unless done.
inline void need(bool done, const char* what) {
  if (done) return;
  const auto error = ERR_get_error();
  ERR_clear_error();
  char reason[256] = {};
  ERR_error_string_n(error, reason, sizeof reason);
  throw std::runtime_error(std::string(what) + ": " + reason);
}

inline Asn1Time asn1_time(base::Time time) {
  Asn1Time out{ASN1_TIME_set(nullptr, time.time_since_epoch().count())};
  need(out != nullptr, "ASN1_TIME_set");
  return out;
}

template <class T>
base::Bytes encoded(int (*i2d)(const T*, unsigned char**), const T* object) {
  const int size = i2d(object, nullptr);
  need(size > 0, "i2d");
  base::Bytes der(static_cast<std::size_t>(size));
  unsigned char* out = der.data();
  need(i2d(object, &out) == size, "i2d");
  return der;
}

// An element in DER: identifier octet (tag numbers up to 30), length, the parts one after the other.
inline base::Bytes element(unsigned char identifier, std::initializer_list<base::BytesView> parts) {
  int size = 0;
  for (const base::BytesView part : parts) size += static_cast<int>(part.size());
  const int constructed = (identifier & V_ASN1_CONSTRUCTED) != 0 ? 1 : 0, tag = identifier & V_ASN1_PRIMITIVE_TAG;
  base::Bytes der(static_cast<std::size_t>(ASN1_object_size(constructed, size, tag)));
  unsigned char* out = der.data();
  ASN1_put_object(&out, constructed, size, tag, identifier & V_ASN1_PRIVATE);
  for (const base::BytesView part : parts) out = std::copy(part.begin(), part.end(), out);
  return der;
}

}  // namespace signet::demo
