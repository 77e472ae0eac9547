#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"

// Start here: what e-services say to the portal and hear from it, as the contract of MSign 1.7 names it (namespace
// https://msign.gov.md). Plain values: soap.hpp reads and writes them, rules.hpp says which are allowed.
namespace signet::portal {

enum class ContentType : std::uint8_t { hash, pdf };
enum class DelegatorType : std::uint8_t { none, person, organization };
enum class SignStatus : std::uint8_t { pending, success, failure, expired };
enum class Language : std::uint8_t { ro, ru, en };

// "Hash", "None", "Pending": as on the wire. "ro".
std::string_view name(ContentType type);
std::string_view name(DelegatorType type);
std::string_view name(SignStatus status);
std::string_view name(Language language);
// What is not a known language is Romanian: the contract's default, and clients send all sorts.
Language language_or_default(std::string_view text);

// Lengths in characters (not bytes) are those of the contract; rules.hpp checks them.
struct SignContent {
  base::Bytes content;  // a hash, or a PDF file
  std::optional<std::string> correlation_id;
  bool multiple_signatures = false;  // PDF only
  std::optional<std::string> name;
};

struct ExpectedSigner {
  int delegated_role_id = 0;
  std::optional<std::string> delegator_id;
  DelegatorType delegator_type = DelegatorType::none;
  std::optional<std::string> id;  // IDNP; the element is required and nillable
};

struct SignRequest {
  std::optional<std::string> content_description;
  ContentType content_type = ContentType::hash;
  std::vector<SignContent> contents;
  std::optional<ExpectedSigner> expected_signer;
  std::string short_content_description;
  std::optional<std::string> signature_reason;  // PDF only
};

struct SignResult {
  std::optional<base::Bytes> certificate;  // X.509 DER
  std::optional<std::string> correlation_id;
  std::optional<std::string> signature;  // XAdES for a hash
};

struct SignResponse {
  std::optional<std::string> message;  // with failure and expired, in the caller's language
  std::vector<SignResult> results;
  SignStatus status = SignStatus::pending;
};

struct VerificationContent {
  std::optional<base::Bytes> content;  // the hash that was signed; required for hashes
  std::optional<std::string> correlation_id;
  base::Bytes signature;
};

struct VerificationRequest {
  std::vector<VerificationContent> contents;
  std::optional<std::string> language;
  ContentType signed_content_type = ContentType::hash;
};

struct VerificationCertificate {
  base::Bytes certificate;  // DER
  bool signature_valid = false;
  std::optional<base::Time> signed_at;  // only with a valid time stamp
  std::string subject;
};

struct VerificationResult {
  std::vector<VerificationCertificate> certificates;
  std::optional<std::string> correlation_id;
  std::string message;
  bool signatures_valid = false;
};

struct VerificationResponse {
  std::vector<VerificationResult> results;
};

// The three operations. Request ids are opaque to callers.
struct PostSignRequest {
  SignRequest request;
};
struct GetSignResponse {
  std::string request_id;
  std::optional<std::string> language;
};
struct VerifySignatures {
  VerificationRequest request;
};
using Call = std::variant<PostSignRequest, GetSignResponse, VerifySignatures>;

// A SOAP 1.1 fault. The contract knows the first four; the others are SOAP's own (4.4.1) and our server's.
enum class FaultCode : std::uint8_t {
  authentication_failed,
  authorization_failed,
  invalid_parameter,
  request_not_found,
  client,            // no message of this contract: not XML, no envelope, an unknown operation
  must_understand,   // a header that is not known and must be
  version_mismatch,  // not SOAP 1.1
  server,            // ours
};
std::string_view name(FaultCode code);  // "AuthenticationFailed", "Client"

struct Fault {
  FaultCode code = FaultCode::server;
  std::string reason;  // plain English; names the field, and never repeats what the caller sent but for a serial number
};

}  // namespace signet::portal
