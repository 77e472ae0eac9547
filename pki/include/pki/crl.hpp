#pragma once

#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace signet::pki {

// A certificate revocation list (RFC 5280 clause 5), decoded once; copies share it. Nothing is verified until a path is. Any
// thread.
class Crl {
 public:
  static base::Result<Crl> from_der(base::BytesView der);  // parameter_invalid; at most 64 MiB
  base::BytesView der() const;
  // nextUpdate (5.1.2.5); a list without one, or with one that is no time, has no end that it could be trusted until.
  std::optional<base::Time> next_update() const;
  std::optional<base::Time> this_update() const;  // when it was made (5.1.2.4)
  // A critical extension that nobody here knows, of the list or of an entry: it then tells of no certificate at all (5.2, 5.3).
  bool has_unknown_critical_extension() const;
  X509_CRL* native() const;  // owned by this object and its copies; not to be changed

 private:
  struct Content;
  explicit Crl(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  std::shared_ptr<const Content> content_;
};

// All lists in a PEM text or the one in a DER file; parameter_invalid if there is none or one of them is no good.
base::Result<std::vector<Crl>> crls_in(base::BytesView file);

}  // namespace signet::pki
