#include "errors.hpp"

#include <p11-kit/pkcs11.h>

#include <array>
#include <charconv>
#include <string>

namespace signet::pkcs11 {
namespace {

using base::ErrorCode;

struct Meaning {
  ErrorCode code;
  std::string_view name;
};

Meaning meaning_of(CK_RV ck_rv) {
  switch (ck_rv) {
    case CKR_PIN_INCORRECT:
      return {ErrorCode::pin_incorrect, "CKR_PIN_INCORRECT"};
    case CKR_PIN_INVALID:
      return {ErrorCode::pin_incorrect, "CKR_PIN_INVALID"};
    case CKR_PIN_LOCKED:
      return {ErrorCode::pin_locked, "CKR_PIN_LOCKED"};
    case CKR_PIN_LEN_RANGE:
      return {ErrorCode::pin_length, "CKR_PIN_LEN_RANGE"};
    case CKR_FUNCTION_CANCELED:
      return {ErrorCode::user_cancelled, "CKR_FUNCTION_CANCELED"};  // at a PIN pad
    case CKR_CANCEL:
      return {ErrorCode::user_cancelled, "CKR_CANCEL"};

    case CKR_DEVICE_REMOVED:
      return {ErrorCode::token_removed, "CKR_DEVICE_REMOVED"};
    case CKR_TOKEN_NOT_PRESENT:
      return {ErrorCode::token_removed, "CKR_TOKEN_NOT_PRESENT"};
    case CKR_TOKEN_NOT_RECOGNIZED:
      return {ErrorCode::token_removed, "CKR_TOKEN_NOT_RECOGNIZED"};
    case CKR_SLOT_ID_INVALID:
      return {ErrorCode::token_removed, "CKR_SLOT_ID_INVALID"};
    // Sessions die with the token: pulled and put back between two calls, this is all that is seen of it.
    case CKR_SESSION_HANDLE_INVALID:
      return {ErrorCode::token_removed, "CKR_SESSION_HANDLE_INVALID"};
    case CKR_SESSION_CLOSED:
      return {ErrorCode::token_removed, "CKR_SESSION_CLOSED"};

    case CKR_USER_ANOTHER_ALREADY_LOGGED_IN:
      return {ErrorCode::card_busy, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN"};
    case CKR_SESSION_COUNT:
      return {ErrorCode::card_busy, "CKR_SESSION_COUNT"};

    case CKR_MECHANISM_INVALID:
      return {ErrorCode::mechanism_unsupported, "CKR_MECHANISM_INVALID"};
    case CKR_MECHANISM_PARAM_INVALID:
      return {ErrorCode::mechanism_unsupported, "CKR_MECHANISM_PARAM_INVALID"};
    case CKR_KEY_TYPE_INCONSISTENT:
      return {ErrorCode::mechanism_unsupported, "CKR_KEY_TYPE_INCONSISTENT"};
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
      return {ErrorCode::mechanism_unsupported, "CKR_KEY_FUNCTION_NOT_PERMITTED"};

    case CKR_USER_NOT_LOGGED_IN:
      return {ErrorCode::token_failed, "CKR_USER_NOT_LOGGED_IN"};
    case CKR_USER_ALREADY_LOGGED_IN:
      return {ErrorCode::token_failed, "CKR_USER_ALREADY_LOGGED_IN"};
    case CKR_USER_PIN_NOT_INITIALIZED:
      return {ErrorCode::token_failed, "CKR_USER_PIN_NOT_INITIALIZED"};
    case CKR_PIN_EXPIRED:
      return {ErrorCode::token_failed, "CKR_PIN_EXPIRED"};
    case CKR_DEVICE_ERROR:
      return {ErrorCode::token_failed, "CKR_DEVICE_ERROR"};
    case CKR_DEVICE_MEMORY:
      return {ErrorCode::token_failed, "CKR_DEVICE_MEMORY"};
    case CKR_HOST_MEMORY:
      return {ErrorCode::token_failed, "CKR_HOST_MEMORY"};
    case CKR_GENERAL_ERROR:
      return {ErrorCode::token_failed, "CKR_GENERAL_ERROR"};
    case CKR_FUNCTION_FAILED:
      return {ErrorCode::token_failed, "CKR_FUNCTION_FAILED"};
    case CKR_FUNCTION_NOT_SUPPORTED:
      return {ErrorCode::token_failed, "CKR_FUNCTION_NOT_SUPPORTED"};
    case CKR_ARGUMENTS_BAD:
      return {ErrorCode::token_failed, "CKR_ARGUMENTS_BAD"};
    case CKR_BUFFER_TOO_SMALL:
      return {ErrorCode::token_failed, "CKR_BUFFER_TOO_SMALL"};
    case CKR_DATA_INVALID:
      return {ErrorCode::token_failed, "CKR_DATA_INVALID"};
    case CKR_DATA_LEN_RANGE:
      return {ErrorCode::token_failed, "CKR_DATA_LEN_RANGE"};
    case CKR_KEY_HANDLE_INVALID:
      return {ErrorCode::token_failed, "CKR_KEY_HANDLE_INVALID"};
    case CKR_OBJECT_HANDLE_INVALID:
      return {ErrorCode::token_failed, "CKR_OBJECT_HANDLE_INVALID"};
    case CKR_OPERATION_ACTIVE:
      return {ErrorCode::token_failed, "CKR_OPERATION_ACTIVE"};
    case CKR_OPERATION_NOT_INITIALIZED:
      return {ErrorCode::token_failed, "CKR_OPERATION_NOT_INITIALIZED"};
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return {ErrorCode::token_failed, "CKR_CRYPTOKI_NOT_INITIALIZED"};
    case CKR_CANT_LOCK:
      return {ErrorCode::token_failed, "CKR_CANT_LOCK"};
    case CKR_NEED_TO_CREATE_THREADS:
      return {ErrorCode::token_failed, "CKR_NEED_TO_CREATE_THREADS"};
    default:
      return {ErrorCode::token_failed, {}};
  }
}

}  // namespace

base::Error error_of(unsigned long ck_rv, std::string_view function) {
  const Meaning meaning = meaning_of(ck_rv);
  std::string detail(function);
  detail += ": ";
  if (meaning.name.empty()) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), ck_rv, 16);
    detail += "CK_RV 0x";
    detail.append(digits.data(), end.ptr);
  } else {
    detail += meaning.name;
  }
  return {meaning.code, std::move(detail), ck_rv};
}

bool is_plain_refusal(unsigned long ck_rv) {
  switch (ck_rv) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LOCKED:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
    case CKR_USER_PIN_NOT_INITIALIZED:
    case CKR_FUNCTION_CANCELED:
    case CKR_CANCEL:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
      return true;
    default:
      return false;
  }
}

}  // namespace signet::pkcs11
