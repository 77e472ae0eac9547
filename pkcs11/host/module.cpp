#include "host/module.hpp"

#include <dlfcn.h>
#include <openssl/err.h>

#include <algorithm>

#include "errors.hpp"
#include "host/calls.hpp"
#include "wire.hpp"

namespace signet::pkcs11::host {
namespace {

using base::ErrorCode;

constexpr std::size_t max_kept_enumerations = 64;

// C_GetFunctionList of a module that is broken gives no list, half a list, or another version's.
std::string_view flaw_of(const CK_FUNCTION_LIST* list) {
  if (list == nullptr) return "C_GetFunctionList gave no list";
  if (list->version.major < 2 || list->version.major > 3) return "C_GetFunctionList gave a list of an unknown version";
  const bool complete = list->C_Initialize && list->C_GetInfo && list->C_GetSlotList && list->C_GetSlotInfo &&
                        list->C_GetTokenInfo && list->C_GetMechanismInfo && list->C_OpenSession && list->C_CloseSession &&
                        list->C_CloseAllSessions && list->C_GetSessionInfo && list->C_Login && list->C_Logout &&
                        list->C_FindObjectsInit && list->C_FindObjects && list->C_FindObjectsFinal && list->C_GetAttributeValue &&
                        list->C_SignInit && list->C_Sign;
  return complete ? std::string_view{} : "C_GetFunctionList gave a list with functions missing";
}

// The CK_RV that libp11 left in OpenSSL's queue, 0 if it failed otherwise.
CK_RV ck_rv_of_libp11() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(error) == ERR_get_CKR_code() ? static_cast<CK_RV>(ERR_GET_REASON(error)) : CKR_OK;
}

std::unexpected<Failure> libp11_failed(std::string_view function) {
  const CK_RV ck_rv = ck_rv_of_libp11();
  return std::unexpected(Failure{error_of(ck_rv == CKR_OK ? CKR_FUNCTION_FAILED : ck_rv, function), true});
}

template <std::size_t Size>
std::string trimmed(const unsigned char (&field)[Size]) {
  std::string_view text(reinterpret_cast<const char*>(field), Size);
  text = text.substr(0, text.find('\0'));
  const std::size_t end = text.find_last_not_of(' ');
  return std::string(text.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

std::uint32_t pin_length(CK_ULONG value) { return value > base::Secret::capacity ? 0 : static_cast<std::uint32_t>(value); }

}  // namespace

std::unexpected<Failure> refused(CK_RV ck_rv, std::string_view function) {
  return std::unexpected(Failure{error_of(ck_rv, function), !is_plain_refusal(ck_rv)});
}

std::unexpected<Failure> rubbish(std::string detail) {
  note_self_end(SelfEnd::rubbish);
  return std::unexpected(Failure{{ErrorCode::token_failed, std::move(detail)}, true});
}

std::unexpected<Failure> refused(ErrorCode code, std::string detail, CK_RV origin) {
  return std::unexpected(Failure{{code, std::move(detail), origin}, false});
}

base::Result<std::unique_ptr<Module>> Module::load(const std::string& path) {
  std::unique_ptr<Module> module(new Module());
  // libp11 says no more than that loading failed, and believes whatever C_GetFunctionList answers: look first. The handle is
  // never closed: vendor code may have threads.
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return base::failure(ErrorCode::module_failed, dlerror());
  const auto get_function_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
  if (get_function_list == nullptr)
    return base::failure(ErrorCode::module_failed, "no PKCS#11 module: it has no C_GetFunctionList");
  CK_FUNCTION_LIST* list = nullptr;
  const CK_RV ck_rv = get_function_list(&list);
  if (ck_rv != CKR_OK) return base::failure(ErrorCode::module_failed, error_of(ck_rv, "C_GetFunctionList").detail, ck_rv);
  if (const auto flaw = flaw_of(list); !flaw.empty()) return base::failure(ErrorCode::module_failed, std::string(flaw));
  module->functions_ = noted(*list);

  // The file of no name is this program itself, whose C_GetFunctionList gives the list above: libp11's calls are noted too, and
  // the module's file is opened once.
  module->context_.reset(PKCS11_CTX_new());
  if (PKCS11_CTX_load(module->context_.get(), "") != 0) {
    const CK_RV reason = ck_rv_of_libp11();
    return base::failure(ErrorCode::module_failed, error_of(reason, "C_Initialize").detail, reason);
  }
  CK_INFO info{};
  module->is_opensc_ = module->functions_->C_GetInfo(&info) == CKR_OK && trimmed(info.manufacturerID).starts_with("OpenSC");
  return module;
}

// Only a host that failed to start gets here; one that served leaves by _exit, for vendor code is not to be asked to clean up.
Module::~Module() = default;

std::expected<Token, CK_RV> Module::token(CK_SLOT_ID slot) const {
  CK_TOKEN_INFO info{};
  if (const CK_RV ck_rv = functions_->C_GetTokenInfo(slot, &info); ck_rv != CKR_OK) return std::unexpected(ck_rv);
  if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) return std::unexpected(CKR_TOKEN_NOT_RECOGNIZED);
  Token token;
  token.slot_id = slot;
  token.label = trimmed(info.label);
  token.manufacturer = trimmed(info.manufacturerID);
  token.model = trimmed(info.model);
  token.serial = trimmed(info.serialNumber);
  CK_SLOT_INFO slot_info{};
  if (functions_->C_GetSlotInfo(slot, &slot_info) == CKR_OK) token.slot = trimmed(slot_info.slotDescription);
  token.login_required = (info.flags & CKF_LOGIN_REQUIRED) != 0;
  token.protected_authentication_path = (info.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
  token.pin_count_low = (info.flags & CKF_USER_PIN_COUNT_LOW) != 0;
  token.pin_final_try = (info.flags & CKF_USER_PIN_FINAL_TRY) != 0;
  token.pin_locked = (info.flags & CKF_USER_PIN_LOCKED) != 0;
  token.pin_min = pin_length(info.ulMinPinLen);
  token.pin_max = pin_length(info.ulMaxPinLen);
  token.puk_final_try = (info.flags & CKF_SO_PIN_FINAL_TRY) != 0;
  token.puk_locked = (info.flags & CKF_SO_PIN_LOCKED) != 0;
  return token;
}

Outcome<std::vector<CK_SLOT_ID>> Module::slot_ids(Slots which) {
  const CK_BBOOL with_token = which == Slots::with_token ? CK_TRUE : CK_FALSE;
  const auto claims = [](CK_ULONG slots) {
    return rubbish("C_GetSlotList: the module claims " + std::to_string(slots) + " slots");
  };
  CK_ULONG count = 0;
  // Without a list it looks for new readers (PKCS#11 C_GetSlotList), as it just has in C_Initialize.
  CK_RV ck_rv = initialised_just_now_ ? CKR_OK : functions_->C_GetSlotList(with_token, nullptr, &count);
  initialised_just_now_ = false;
  if (ck_rv != CKR_OK) return refused(ck_rv, "C_GetSlotList");
  if (count > wire::max_slots) return claims(count);
  std::vector<CK_SLOT_ID> ids(wire::max_slots);
  count = ids.size();
  ck_rv = functions_->C_GetSlotList(with_token, ids.data(), &count);
  if (ck_rv == CKR_BUFFER_TOO_SMALL || (ck_rv == CKR_OK && count > ids.size())) return claims(count);
  if (ck_rv != CKR_OK) return refused(ck_rv, "C_GetSlotList");
  ids.resize(count);
  return ids;
}

void Module::release(Enumeration& enumeration) {
  if (enumeration.slots != nullptr) PKCS11_release_all_slots(context_.get(), enumeration.slots, enumeration.count);
  enumeration = {};
}

Outcome<void> Module::enumerate(Sessions sessions) {
  if (sessions == Sessions::none) {
    for (Enumeration& enumeration : kept_) release(enumeration);
    kept_.clear();
    release(current_);
  } else if (current_.slots != nullptr) {
    if (kept_.size() == max_kept_enumerations)
      return std::unexpected(Failure{{ErrorCode::token_failed, "too many tokens came and went within one login"}, true});
    kept_.push_back(std::exchange(current_, {}));
  }
  if (PKCS11_enumerate_slots(context_.get(), &current_.slots, &current_.count) != 0)
    return libp11_failed("PKCS11_enumerate_slots");
  return {};
}

// By the module's own functions: libp11 gives no PIN lengths and asks about empty slots too, where OpenSC looks at its readers
// for each question.
Outcome<std::vector<Token>> Module::tokens() {
  const auto ids = slot_ids(Slots::with_token);
  if (!ids) return std::unexpected(ids.error());
  std::vector<Token> tokens;
  for (const CK_SLOT_ID id : *ids) {
    // One that was emptied meanwhile is no error.
    if (auto info = token(id)) tokens.push_back(std::move(*info));
  }
  return tokens;
}

Outcome<std::vector<TokenCertificate>> Module::certificates(CK_SLOT_ID slot, Sessions sessions) {
  const auto now = token(slot);
  if (!now) return refused(ErrorCode::token_removed, error_of(now.error(), "C_GetTokenInfo").detail, now.error());
  const auto find = [&]() -> PKCS11_SLOT* {
    for (unsigned int i = 0; i < current_.count; ++i) {
      PKCS11_SLOT& candidate = current_.slots[i];
      if (PKCS11_get_slotid_from_slot(&candidate) == slot && candidate.token != nullptr && candidate.token->serialnr != nullptr &&
          now->serial == candidate.token->serialnr)
        return &candidate;
    }
    return nullptr;
  };
  PKCS11_SLOT* found = sessions == Sessions::open ? find() : nullptr;
  if (found == nullptr) {
    // Bounded by slot_ids() first: libp11 0.4.12 allocates for as many slots as the module claims.
    if (auto ids = slot_ids(); !ids) return std::unexpected(std::move(ids.error()));
    if (auto done = enumerate(sessions); !done) return std::unexpected(std::move(done.error()));
    found = find();
  }
  if (found == nullptr) return refused(ErrorCode::token_removed, "the slot is empty", CKR_TOKEN_NOT_PRESENT);

  PKCS11_CERT* all = nullptr;
  unsigned int count = 0;
  if (PKCS11_enumerate_certs(found->token, &all, &count) != 0) return libp11_failed("PKCS11_enumerate_certs");
  std::vector<TokenCertificate> certificates;
  std::size_t size = 0;
  for (unsigned int i = 0; i < count && certificates.size() < wire::max_certificates; ++i) {
    const PKCS11_CERT& entry = all[i];
    if (entry.x509 == nullptr || entry.id_len > wire::max_cka_id) continue;
    unsigned char* encoded = nullptr;
    const int length = i2d_X509(entry.x509, &encoded);
    if (length <= 0) continue;
    TokenCertificate certificate{{entry.id, entry.id + entry.id_len},
                                 std::string(entry.label == nullptr ? "" : entry.label).substr(0, wire::max_text),
                                 {encoded, encoded + length}};
    OPENSSL_free(encoded);
    const std::size_t with_this = size + certificate.der.size() + certificate.label.size() + certificate.cka_id.size() + 16;
    if (certificate.der.size() > wire::max_certificate_size || with_this > wire::max_payload - 64) continue;
    size = with_this;
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

}  // namespace signet::pkcs11::host
