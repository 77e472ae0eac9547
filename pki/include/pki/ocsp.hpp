#pragma once

#include <openssl/ocsp.h>

#include <memory>
#include <optional>
#include <vector>

#include "pki/certificate.hpp"

// The Online Certificate Status Protocol (RFC 6960): messages and their checks. Who carries them is the caller's business.
namespace signet::pki {

// What a response says about one certificate (SingleResponse).
struct OcspStatus {
  enum class Value : std::uint8_t { good, revoked, unknown } value = Value::unknown;
  base::Time this_update{};
  std::optional<base::Time> next_update;
  std::optional<base::Time> revoked_at;      // with `revoked` only
  bool on_hold = false;                      // with `revoked`: certificateHold, the one reason that can be lifted
  std::optional<base::Time> archive_cutoff;  // 4.4.4: what is known goes back to certificates that expired then

  bool operator==(const OcspStatus&) const = default;
};

// A successful OCSPResponse with its BasicOCSPResponse, decoded once; copies share it. Nothing is verified until a path is, or
// until is_signed_by is asked. Any thread.
class OcspResponse {
 public:
  // parameter_invalid: not DER of a successful basic response, bytes after its end, over 1 MiB, more than 64 statuses or 16
  // certificates, a time that is none, or a critical extension that is unknown. What a responder refused is an error that says
  // so.
  static base::Result<OcspResponse> from_der(base::BytesView der);

  base::BytesView der() const;  // the whole OCSPResponse, as XAdES embeds it
  base::Time produced_at() const;
  std::size_t size() const;  // how many certificates it tells about
  // About `certificate`, issued by `issuer`: matched by the hashes of the issuer's name and key (SHA-1 or SHA-2) and by the
  // serial number. Of several the worst, of these the latest. None: it says nothing of it.
  std::optional<OcspStatus> status_of(const Certificate& certificate, const Certificate& issuer) const;
  // What the responder sent along; what of it does not parse is left out. Untrusted.
  const std::vector<Certificate>& certificates() const;
  const base::Bytes& nonce() const;  // empty: none (RFC 9654)
  // Whether the responder's name or key identifier is of that certificate: without it nothing is worth verifying.
  bool names_as_responder(const Certificate& certificate) const;
  // Whether that is so, and the signature of that certificate's key. Nothing else of it is judged.
  bool is_signed_by(const Certificate& responder) const;
  OCSP_BASICRESP* native() const;  // owned by this object and its copies; not to be changed

  bool operator==(const OcspResponse& other) const;

 private:
  struct Content;
  explicit OcspResponse(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  std::shared_ptr<const Content> content_;
};

struct OcspRequest {
  base::Bytes der;
  base::Bytes nonce;
};

// Asks about one certificate, unsigned, with a random nonce of 32 bytes (RFC 9654). The hash of the issuer's name and key is no
// signature: SHA-1 is what RFC 5019 makes responders know, and many know no other. Cannot fail but for want of memory.
OcspRequest make_ocsp_request(const Certificate& certificate, const Certificate& issuer,
                              base::DigestAlgorithm id_digest = base::DigestAlgorithm::sha1);

enum class NonceRule : std::uint8_t {
  same,            // the request's, or refused
  same_or_absent,  // responders that make their answers in advance (RFC 5019) have none
};

// The response to `request` about that certificate; network_failed with the responder's word if it refused, if it speaks of
// others, or if its nonce is not the request's. Signature and times are judged with the path.
base::Result<OcspResponse> read_ocsp_response(base::BytesView response, const OcspRequest& request,
                                              const Certificate& certificate, const Certificate& issuer, NonceRule rule);

}  // namespace signet::pki
