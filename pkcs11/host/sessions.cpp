#include "host/sessions.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/text.hpp"
#include "errors.hpp"
#include "host/calls.hpp"
#include "wire.hpp"

namespace signet::pkcs11::host {
namespace {

using base::ErrorCode;

constexpr std::size_t max_keys = 256;  // a token of ours has fewer than ten

// The first object of a class with this CKA_ID; 0 (CK_INVALID_HANDLE) if there is none.
std::expected<CK_OBJECT_HANDLE, CK_RV> find(CK_FUNCTION_LIST& p11, CK_SESSION_HANDLE session, CK_OBJECT_CLASS object_class,
                                            base::BytesView cka_id) {
  CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &object_class, sizeof object_class},
                           {CKA_ID, const_cast<std::uint8_t*>(cka_id.data()), cka_id.size()}};
  CK_RV ck_rv = p11.C_FindObjectsInit(session, wanted, 2);
  if (ck_rv != CKR_OK) return std::unexpected(ck_rv);
  CK_OBJECT_HANDLE handle = 0;
  CK_ULONG count = 0;
  ck_rv = p11.C_FindObjects(session, &handle, 1, &count);
  p11.C_FindObjectsFinal(session);
  if (ck_rv != CKR_OK) return std::unexpected(ck_rv);
  if (count > 1) {  // room was given for one
    note_self_end(SelfEnd::rubbish);
    return std::unexpected(CKR_GENERAL_ERROR);
  }
  return count == 1 ? handle : CK_OBJECT_HANDLE{0};
}

// Empty if the object does not tell.
base::Bytes attribute(CK_FUNCTION_LIST& p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                      std::size_t max) {
  base::Bytes value(max);
  CK_ATTRIBUTE wanted{type, value.data(), value.size()};
  if (p11.C_GetAttributeValue(session, object, &wanted, 1) != CKR_OK || wanted.ulValueLen > max) return {};
  value.resize(wanted.ulValueLen);
  return value;
}

template <class T>
T number_attribute(CK_FUNCTION_LIST& p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                   T otherwise) {
  T value{};
  CK_ATTRIBUTE wanted{type, &value, sizeof value};
  const CK_RV ck_rv = p11.C_GetAttributeValue(session, object, &wanted, 1);
  return ck_rv == CKR_OK && wanted.ulValueLen == sizeof value ? value : otherwise;
}

std::size_t signature_size(const EVP_PKEY* public_key) {
  const auto bits = static_cast<std::size_t>(EVP_PKEY_get_bits(public_key));
  return EVP_PKEY_get_base_id(public_key) == EVP_PKEY_EC ? 2 * ((bits + 7) / 8) : (bits + 7) / 8;
}

// From the attributes of a private or public key object.
std::size_t signature_size(CK_FUNCTION_LIST& p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, KeyKind kind) {
  if (kind == KeyKind::rsa) {
    const base::Bytes modulus = attribute(p11, session, object, CKA_MODULUS, wire::max_signature + 1);
    const auto first = std::ranges::find_if(modulus, [](std::uint8_t byte) { return byte != 0; });
    return static_cast<std::size_t>(modulus.end() - first);
  }
  const base::Bytes parameters = attribute(p11, session, object, CKA_EC_PARAMS, 64);
  const unsigned char* in = parameters.data();
  const base::Owned<ASN1_OBJECT, ASN1_OBJECT_free> curve{d2i_ASN1_OBJECT(nullptr, &in, static_cast<long>(parameters.size()))};
  switch (curve == nullptr ? NID_undef : OBJ_obj2nid(curve.get())) {
    case NID_X9_62_prime256v1:
      return 64;
    case NID_secp384r1:
      return 96;
    case NID_secp521r1:
      return 132;
    default:
      return 0;
  }
}

// Cards differ in what they tell of a private key: ask it, then the public key, then the certificate.
std::size_t signature_size(CK_FUNCTION_LIST& p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private_key, KeyKind kind,
                           base::BytesView cka_id) {
  if (const std::size_t size = signature_size(p11, session, private_key, kind)) return size;
  if (const auto public_key = find(p11, session, CKO_PUBLIC_KEY, cka_id); public_key && *public_key != 0) {
    if (const std::size_t size = signature_size(p11, session, *public_key, kind)) return size;
  }
  const auto certificate = find(p11, session, CKO_CERTIFICATE, cka_id);
  if (!certificate || *certificate == 0) return 0;
  const base::Bytes der = attribute(p11, session, *certificate, CKA_VALUE, wire::max_certificate_size);
  const unsigned char* in = der.data();
  const base::Owned<X509, X509_free> x509{d2i_X509(nullptr, &in, static_cast<long>(der.size()))};
  const EVP_PKEY* const public_key = x509 == nullptr ? nullptr : X509_get0_pubkey(x509.get());
  return public_key == nullptr ? 0 : signature_size(public_key);
}

constexpr std::string_view set_pin_missing = "the module has no function that sets a PIN";

CK_UTF8CHAR* pointer(base::BytesView pin) { return pin.empty() ? nullptr : const_cast<CK_UTF8CHAR*>(pin.data()); }

Outcome<void> fits(const Token& token, const TokenQuirks& quirks, base::BytesView pin, std::string_view what) {
  const std::uint32_t least = quirks.pin_min != 0 ? quirks.pin_min : token.pin_min;
  const std::uint32_t most = quirks.pin_max != 0 ? quirks.pin_max : token.pin_max;
  // A PIN pad's is not known here.
  if (pin.empty() || (pin.size() >= least && (most == 0 || pin.size() <= most))) return {};
  return refused(ErrorCode::pin_length, std::string(what) + ": the token wants " + std::to_string(least) + " to " +
                                            std::to_string(most) + " characters");
}

// What a call failed with that sets a PIN, or that presents who may set it. Unless it refused before anything was done, a card
// that was lost or failed in it may have counted a try, or taken the new PIN.
std::unexpected<Failure> setting_refused(CK_RV ck_rv, std::string_view function) {
  auto failure = refused(ck_rv, function);
  ErrorCode& code = failure.error().error.code;
  switch (ck_rv) {
    case CKR_FUNCTION_NOT_SUPPORTED:
      code = ErrorCode::mechanism_unsupported;
      break;
    case CKR_ARGUMENTS_BAD:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_SESSION_READ_ONLY:
    case CKR_TOKEN_WRITE_PROTECTED:
      break;
    default:
      if (failure.error().ends_host) code = ErrorCode::pin_unknown;
  }
  return failure;
}

std::unexpected<Failure> new_pin_refused(CK_RV ck_rv, std::string_view function) {
  auto failure = setting_refused(ck_rv, function);
  constexpr CK_RV pin_too_weak = 0x1B8;  // CKR_PIN_TOO_WEAK of PKCS#11 v3.0
  if (ck_rv == CKR_PIN_INVALID || ck_rv == CKR_DATA_INVALID || ck_rv == CKR_PIN_LEN_RANGE || ck_rv == pin_too_weak)
    failure.error().error.code = ErrorCode::pin_unfit;
  return failure;
}

std::unexpected<Failure> of_puk(std::unexpected<Failure> failure) {
  ErrorCode& code = failure.error().error.code;
  if (code == ErrorCode::pin_incorrect) code = ErrorCode::puk_incorrect;
  if (code == ErrorCode::pin_locked) code = ErrorCode::puk_locked;
  return failure;
}

// Here the SO PIN alone can be what the token does not take: a try may be spent, whatever it calls that.
std::unexpected<Failure> so_login_refused(CK_RV ck_rv) {
  auto failure = of_puk(setting_refused(ck_rv, "C_Login(CKU_SO)"));
  if (ck_rv == CKR_DATA_INVALID || ck_rv == CKR_PIN_LEN_RANGE) failure.error().error.code = ErrorCode::puk_incorrect;
  return failure;
}

}  // namespace

// A read-write session of our own and nobody's login in it: with a login C_SetPIN means another PIN, or another person's.
Outcome<CK_SESSION_HANDLE> Sessions::session_to_set_pin(const wire::PinTarget& target, base::BytesView new_pin) {
  const CK_SLOT_ID slot = target.slot_id;
  close(slot);
  if (auto seen = module_.slot_ids(); !seen) return std::unexpected(std::move(seen.error()));
  const auto token = module_.token(slot);
  if (!token) return refused(token.error(), "C_GetTokenInfo");
  if (auto fit = fits(*token, target.quirks, new_pin, "the new PIN"); !fit) return std::unexpected(std::move(fit.error()));
  // libp11 may have one that is read-only: with it there is no login of the SO.
  p11_.C_CloseAllSessions(slot);
  CK_SESSION_HANDLE session = 0;
  const CK_RV ck_rv = p11_.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  if (ck_rv != CKR_OK) return refused(ck_rv, "C_OpenSession");
  sessions_[slot] = session;
  if (auto same = still_there(target); !same) {
    close(slot);
    return std::unexpected(std::move(same.error()));
  }
  CK_SESSION_INFO info{};
  if (p11_.C_GetSessionInfo(session, &info) == CKR_OK && info.state != CKS_RO_PUBLIC_SESSION &&
      info.state != CKS_RW_PUBLIC_SESSION)
    p11_.C_Logout(session);
  return session;
}

Outcome<void> Sessions::change_pin(const wire::PinTarget& target, base::BytesView old_pin, base::BytesView new_pin) {
  const CK_SLOT_ID slot = target.slot_id;
  if (p11_.C_SetPIN == nullptr) return refused(ErrorCode::mechanism_unsupported, std::string(set_pin_missing));
  if (const auto token = module_.token(slot)) {
    if (auto fit = fits(*token, target.quirks, old_pin, "the old PIN"); !fit) return fit;
  }
  const auto session = session_to_set_pin(target, new_pin);
  if (!session) return std::unexpected(session.error());
  // Without a login OpenSC takes what it is given for the PIN or for the PUK, as opensc.conf says: a PIN must cost no try of the
  // PUK.
  CK_RV ck_rv = p11_.C_Login(*session, CKU_USER, pointer(old_pin), old_pin.size());
  if (ck_rv != CKR_OK) {
    close(slot);
    return refused(ck_rv, "C_Login");
  }
  ck_rv = p11_.C_SetPIN(*session, pointer(old_pin), old_pin.size(), pointer(new_pin), new_pin.size());
  close(slot);
  if (ck_rv != CKR_OK) return new_pin_refused(ck_rv, "C_SetPIN");
  return {};
}

Outcome<void> Sessions::unblock_pin(const wire::PinTarget& target, UnblockWay way, base::BytesView puk_or_so_pin,
                                    base::BytesView new_pin) {
  const CK_SLOT_ID slot = target.slot_id;
  const bool by_puk = way == UnblockWay::puk;
  if (way == UnblockWay::vendor_tool)
    return refused(ErrorCode::mechanism_unsupported, "only the vendor's own program unblocks it");
  if ((by_puk ? p11_.C_SetPIN == nullptr : p11_.C_InitPIN == nullptr))
    return refused(ErrorCode::mechanism_unsupported, std::string(set_pin_missing));
  const auto session = session_to_set_pin(target, new_pin);
  if (!session) return std::unexpected(session.error());
  if (by_puk) {
    const CK_RV ck_rv = p11_.C_SetPIN(*session, pointer(puk_or_so_pin), puk_or_so_pin.size(), pointer(new_pin), new_pin.size());
    close(slot);
    if (ck_rv != CKR_OK) return of_puk(new_pin_refused(ck_rv, "C_SetPIN"));
    return {};
  }
  CK_RV ck_rv = p11_.C_Login(*session, CKU_SO, pointer(puk_or_so_pin), puk_or_so_pin.size());
  if (ck_rv != CKR_OK) {
    close(slot);
    return so_login_refused(ck_rv);
  }
  ck_rv = p11_.C_InitPIN(*session, pointer(new_pin), new_pin.size());
  close(slot);
  if (ck_rv != CKR_OK) return new_pin_refused(ck_rv, "C_InitPIN");
  return {};
}

Outcome<CK_SESSION_HANDLE> Sessions::session(CK_SLOT_ID slot) {
  if (const auto open = sessions_.find(slot); open != sessions_.end()) return open->second;
  CK_SESSION_HANDLE session = 0;
  const CK_RV ck_rv = p11_.C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
  if (ck_rv != CKR_OK) return refused(ck_rv, "C_OpenSession");
  if (session == CK_INVALID_HANDLE) return rubbish("C_OpenSession: CKR_OK without a session");
  sessions_[slot] = session;
  return session;
}

void Sessions::close(CK_SLOT_ID slot) {
  const auto open = sessions_.find(slot);
  if (open == sessions_.end()) return;
  p11_.C_Logout(open->second);
  p11_.C_CloseSession(open->second);
  sessions_.erase(open);
  std::erase_if(keys_, [&](const auto& entry) { return entry.second.slot == slot; });
}

Outcome<void> Sessions::still_there(const wire::PinTarget& target) const {
  const auto token = module_.token(target.slot_id);
  if (!token) return refused(token.error(), "C_GetTokenInfo");
  const auto same = [](const std::string& now, const std::string& shown) {
    return base::shown(now, wire::max_shown_text) == shown;
  };
  if (same(token->serial, target.serial) && same(token->manufacturer, target.manufacturer) && same(token->label, target.label))
    return {};
  return refused(ErrorCode::token_removed, "another token is in the slot");
}

Outcome<void> Sessions::login(const wire::PinTarget& target, base::BytesView pin) {
  const CK_SLOT_ID slot = target.slot_id;
  close(slot);
  if (auto seen = module_.slot_ids(); !seen) return std::unexpected(std::move(seen.error()));
  // Cards count a try for it, or do not: nobody shall have to know.
  if (const auto token = module_.token(slot)) {
    if (auto fit = fits(*token, target.quirks, pin, "the PIN"); !fit) return fit;
  }
  const auto opened = session(slot);
  if (!opened) return std::unexpected(opened.error());
  if (auto same = still_there(target); !same) {
    close(slot);
    return same;
  }
  // Some modules log the whole application in, or share a login between processes. A login that is not of this PIN is none.
  CK_SESSION_INFO info{};
  if (p11_.C_GetSessionInfo(*opened, &info) == CKR_OK &&
      (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS))
    p11_.C_Logout(*opened);
  // The one presentation. Whatever the answer, it is not repeated: a try may be spent.
  const CK_RV ck_rv = p11_.C_Login(*opened, CKU_USER, pin.empty() ? nullptr : const_cast<std::uint8_t*>(pin.data()), pin.size());
  if (ck_rv == CKR_OK) return {};
  close(slot);
  return refused(ck_rv, "C_Login");
}

Outcome<void> Sessions::logout(CK_SLOT_ID slot) {
  const auto open = sessions_.find(slot);
  if (open == sessions_.end()) return {};
  const CK_RV ck_rv = p11_.C_Logout(open->second);
  close(slot);
  if (ck_rv != CKR_OK && ck_rv != CKR_USER_NOT_LOGGED_IN) return refused(ck_rv, "C_Logout");
  return {};
}

void Sessions::logout_all() {
  while (!sessions_.empty()) close(sessions_.begin()->first);
}

Outcome<Key> Sessions::find_key(CK_SLOT_ID slot, base::BytesView cka_id, const TokenQuirks& quirks) {
  const auto opened = session(slot);
  if (!opened) return std::unexpected(opened.error());
  const auto handle = find(p11_, *opened, CKO_PRIVATE_KEY, cka_id);
  if (!handle) return refused(handle.error(), "C_FindObjects");
  if (*handle == 0) return refused(ErrorCode::certificate_not_found, "the token shows no private key with this CKA_ID");
  for (const auto& [number, known] : keys_) {
    if (known.session == *opened && known.handle == *handle && known.quirks == quirks) return known.key;
  }
  if (keys_.size() == max_keys) return refused(ErrorCode::token_failed, "too many keys");

  OpenKey found{slot, *opened, *handle, {}, 0, false, quirks};
  const auto type = number_attribute<CK_KEY_TYPE>(p11_, *opened, *handle, CKA_KEY_TYPE, ~CK_KEY_TYPE{0});
  if (type != CKK_RSA && type != CKK_EC) return refused(ErrorCode::mechanism_unsupported, "the key is neither RSA nor EC");
  found.key.kind = type == CKK_RSA ? KeyKind::rsa : KeyKind::ec;
  found.key.always_authenticate = quirks.always_authenticate.value_or(
      number_attribute<CK_BBOOL>(p11_, *opened, *handle, CKA_ALWAYS_AUTHENTICATE, CK_FALSE) != CK_FALSE);
  CK_MECHANISM_INFO mechanism{};
  found.key.pss_offered = found.key.kind == KeyKind::rsa && quirks.allows(Mechanism::rsa_pkcs_pss) &&
                          p11_.C_GetMechanismInfo(slot, CKM_RSA_PKCS_PSS, &mechanism) == CKR_OK &&
                          (mechanism.flags & CKF_SIGN) != 0;
  found.signature_size = signature_size(p11_, *opened, *handle, found.key.kind, cka_id);
  if (const auto token = module_.token(slot)) found.protected_authentication_path = token->protected_authentication_path;
  found.key.number = next_number_++;
  keys_[found.key.number] = found;
  return found.key;
}

const OpenKey* Sessions::key(std::uint32_t number) const {
  const auto found = keys_.find(number);
  return found == keys_.end() ? nullptr : &found->second;
}

}  // namespace signet::pkcs11::host
