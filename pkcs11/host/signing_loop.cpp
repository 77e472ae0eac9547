#include "host/signing_loop.hpp"

#include <algorithm>

#include "errors.hpp"

namespace signet::pkcs11::host {
namespace {

using base::Digest;
using base::DigestAlgorithm;
using base::ErrorCode;

struct HashRow {
  DigestAlgorithm algorithm;
  CK_MECHANISM_TYPE hash;
  CK_RSA_PKCS_MGF_TYPE mask;
  std::array<std::uint8_t, 19> digest_info;  // RFC 8017, 9.2, note 1: the DER before the hash
};
// SHA-1 and SHA-224 are never signed.
constexpr std::array hash_rows{
    HashRow{DigestAlgorithm::sha256,
            CKM_SHA256,
            CKG_MGF1_SHA256,
            {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}},
    HashRow{DigestAlgorithm::sha384,
            CKM_SHA384,
            CKG_MGF1_SHA384,
            {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30}},
    HashRow{DigestAlgorithm::sha512,
            CKM_SHA512,
            CKG_MGF1_SHA512,
            {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40}},
};

const HashRow* row_of(DigestAlgorithm algorithm) {
  const auto* const row = std::ranges::find(hash_rows, algorithm, &HashRow::algorithm);
  return row == hash_rows.end() ? nullptr : row;
}

// What C_Sign is given for one digest: the mechanism, its parameter and the bytes.
struct ToSign {
  CK_MECHANISM_TYPE mechanism = 0;
  CK_RSA_PKCS_PSS_PARAMS pss{};
  std::array<std::uint8_t, 19 + 64> bytes{};
  std::size_t size = 0;

  void append(base::BytesView more) {
    std::ranges::copy(more, bytes.begin() + static_cast<std::ptrdiff_t>(size));
    size += more.size();
  }
};

ToSign prepare(const OpenKey& key, Mechanism mechanism, const Digest& digest, const HashRow& row) {
  ToSign out;
  switch (mechanism) {
    case Mechanism::rsa_pkcs:
      out.mechanism = CKM_RSA_PKCS;
      out.append(row.digest_info);
      out.append(digest.bytes());
      break;
    case Mechanism::rsa_pkcs_pss:
      out.mechanism = CKM_RSA_PKCS_PSS;
      out.pss = {row.hash, row.mask, digest.bytes().size()};
      out.append(digest.bytes());
      break;
    case Mechanism::ecdsa: {
      out.mechanism = CKM_ECDSA;
      // FIPS 186-4, 6.4: the leftmost bits, as many as the curve's order has. Not every card cuts by itself.
      const std::size_t order = key.signature_size == 0 ? digest.bytes().size() : key.signature_size / 2;
      out.append(digest.bytes().first(std::min(order, digest.bytes().size())));
      break;
    }
  }
  return out;
}

bool plausible(const OpenKey& key, CK_ULONG size) {
  if (key.signature_size != 0) return size == key.signature_size;
  if (key.key.kind == KeyKind::ec) return size == 64 || size == 96 || size == 132;
  return size >= 128 && size <= wire::max_signature;
}

Outcome<base::Bytes> sign_one(CK_FUNCTION_LIST& p11, const OpenKey& key, ToSign& to_sign, base::BytesView context_pin) {
  CK_MECHANISM mechanism{to_sign.mechanism, nullptr, 0};
  if (to_sign.mechanism == CKM_RSA_PKCS_PSS) mechanism = {to_sign.mechanism, &to_sign.pss, sizeof to_sign.pss};
  CK_RV ck_rv = p11.C_SignInit(key.session, &mechanism, key.handle);
  if (ck_rv != CKR_OK) return refused(ck_rv, "C_SignInit");
  // Whatever fails from here on leaves an operation that nobody can be sure to have ended: the host ends.
  if (key.key.always_authenticate) {
    ck_rv = p11.C_Login(key.session, CKU_CONTEXT_SPECIFIC,
                        context_pin.empty() ? nullptr : const_cast<std::uint8_t*>(context_pin.data()), context_pin.size());
    if (ck_rv != CKR_OK) return std::unexpected(Failure{error_of(ck_rv, "C_Login(CKU_CONTEXT_SPECIFIC)"), true});
  }
  std::array<std::uint8_t, wire::max_signature> signature;
  CK_ULONG size = signature.size();
  ck_rv = p11.C_Sign(key.session, to_sign.bytes.data(), to_sign.size, signature.data(), &size);
  if (ck_rv != CKR_OK) return std::unexpected(Failure{error_of(ck_rv, "C_Sign"), true});
  if (!plausible(key, size)) return rubbish("C_Sign: a signature of " + std::to_string(size) + " bytes is none of this key's");
  return base::Bytes(signature.data(), signature.data() + size);
}

std::optional<Failure> unfit(const OpenKey& key, const wire::SignRequest& request, base::BytesView context_pin) {
  if ((request.mechanism == Mechanism::ecdsa) != (key.key.kind == KeyKind::ec))
    return Failure{{ErrorCode::mechanism_unsupported, "the mechanism is not for this kind of key"}, false};
  if (!key.quirks.allows(request.mechanism))
    return Failure{{ErrorCode::mechanism_unsupported, "this mechanism is known not to work with the token's module"}, false};
  if (key.key.always_authenticate && context_pin.empty() && !key.protected_authentication_path)
    return Failure{{ErrorCode::token_failed, "the key wants a PIN for each signature", CKR_USER_NOT_LOGGED_IN}, false};
  return std::nullopt;
}

}  // namespace

Signed sign_each(CK_FUNCTION_LIST& p11, const OpenKey& key, const wire::SignRequest& request, base::BytesView context_pin,
                 const std::function<bool(std::vector<base::Bytes>&)>& between) {
  Signed out;
  out.failure = unfit(key, request, context_pin);
  if (out.failure) return out;
  out.signatures.reserve(request.digests.size());
  for (const Digest& digest : request.digests) {
    const HashRow* const row = row_of(digest.algorithm());
    if (row == nullptr) {
      out.failure = Failure{{ErrorCode::mechanism_unsupported, "this digest algorithm is not signed"}, false};
      return out;
    }
    ToSign to_sign = prepare(key, request.mechanism, digest, *row);
    auto signature = sign_one(p11, key, to_sign, context_pin);
    if (!signature) {
      out.failure = std::move(signature.error());
      return out;
    }
    out.signatures.push_back(std::move(*signature));
    if (!between(out.signatures)) return out;
  }
  return out;
}

}  // namespace signet::pkcs11::host
