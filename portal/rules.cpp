#include "portal/rules.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>

#include "portal/identifiers.hpp"

namespace signet::portal {
namespace {

// In characters, as the contract has them.
constexpr std::size_t max_short_description = 90;
constexpr std::size_t max_description = 512;
constexpr std::size_t max_signature_reason = 255;
constexpr std::size_t max_correlation_id = 36;
constexpr std::size_t max_name = 256;
constexpr std::size_t max_language = 2;
// Ours have 32; callers are told nothing of their form.
constexpr std::size_t max_request_id = 128;

using Refusal = std::optional<Fault>;

// `why` is empty where nothing is wrong.
Refusal refused(std::string_view field, std::string_view why) {
  if (why.empty()) return {};
  return Fault{FaultCode::invalid_parameter, std::string(field).append(": ").append(why)};
}

// The field's name is put together only when it is refused: there may be 100 000 contents.
Refusal refused(std::size_t content, std::string_view field, std::string_view why) {
  if (why.empty()) return {};
  return refused("Contents[" + std::to_string(content) + "]." + std::string(field), why);
}

std::string length_error(const std::optional<std::string>& text, std::size_t most) {
  // A text has no more characters than bytes: mostly there is nothing to count.
  if (!text || text->size() <= most || characters(*text) <= most) return {};
  return "longer than " + std::to_string(most) + " characters";
}

template <std::size_t n>
bool is_one_of(std::size_t size, const std::array<std::size_t, n>& sizes) {
  return std::ranges::find(sizes, size) != sizes.end();
}

// What is as long as a hash in hexadecimal, or in base64 with its padding, and has their characters alone: one hash in 10^18
// looks so. Some are as long as another hash: SHA-256 in hexadecimal as SHA-512, MD5 as SHA-256, SHA-1 in base64 as SHA-224.
bool is_text_of_hash(base::BytesView hash) {
  constexpr std::array<std::size_t, 6> hexadecimal{32, 40, 56, 64, 96, 128};
  constexpr std::array<std::size_t, 4> padded{28, 40, 44, 88};
  const auto is_hex = [](std::uint8_t c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); };
  const auto is_base64 = [&](std::uint8_t c) {
    return is_hex(c) || ((c | 0x20) >= 'g' && (c | 0x20) <= 'z') || c == '+' || c == '/' || c == '=';
  };
  return (is_one_of(hash.size(), hexadecimal) && std::ranges::all_of(hash, is_hex)) ||
         (is_one_of(hash.size(), padded) && hash.back() == '=' && std::ranges::all_of(hash, is_base64));
}

std::string_view hash_error(base::BytesView hash, const Rules& rules) {
  if (is_text_of_hash(hash))
    return "a hash as text, in hexadecimal or base64: give the client its bytes (32 of a SHA-256), which it encodes itself";
  const auto algorithm = base::digest_algorithm_of_size(hash.size());
  if (!algorithm) return "not a hash: 28, 32, 48 or 64 bytes are expected (SHA-224, SHA-256, SHA-384, SHA-512)";
  if (*algorithm == base::DigestAlgorithm::sha1 && !rules.allow_sha1)
    return "hashes of SHA-1 (20 bytes) are not accepted; use SHA-256";
  return {};
}

std::string_view content_type_error(ContentType type) {
  return type == ContentType::pdf ? "Pdf is not supported yet; send the hash of the file, with Hash" : "";
}

std::string count_error(std::size_t count, std::size_t most) {
  if (count == 0) return "at least one is required";
  return count > most ? "more than " + std::to_string(most) : "";
}

class CorrelationIds {
 public:
  // An empty one is none: clients write it where they have none.
  std::string error(const std::optional<std::string>& id) {
    if (!id || id->empty()) return {};
    if (auto error = length_error(id, max_correlation_id); !error.empty()) return error;
    return seen_.insert(*id).second ? "" : "an earlier content has it too, and it must be unique within the request";
  }

 private:
  std::unordered_set<std::string_view> seen_;
};

std::string_view delegator_error(const ExpectedSigner& signer) {
  const bool given = signer.delegator_id && !signer.delegator_id->empty();
  // Were it ignored, somebody would sign for himself where the caller meant for another.
  if (signer.delegator_type == DelegatorType::none) return given ? "given, but DelegatorType is None" : "";
  if (!given) return "required, as DelegatorType is not None";
  if (signer.delegator_type == DelegatorType::person) return is_idnp(*signer.delegator_id) ? "" : "not an IDNP (13 digits)";
  return is_idno(*signer.delegator_id) ? "" : "not an IDNO (13 digits, of which the last checks the others)";
}

Refusal check(const ExpectedSigner& signer) {
  if (signer.id && !is_idnp(*signer.id)) return refused("ExpectedSigner.ID", "not an IDNP (13 digits)");
  if (auto refusal = refused("ExpectedSigner.DelegatorID", delegator_error(signer))) return refusal;
  if (signer.delegated_role_id != 0 && signer.delegator_type == DelegatorType::none)
    return refused("ExpectedSigner.DelegatedRoleID", "given, but DelegatorType is None");
  return {};
}

std::string short_description_error(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == text.npos ? "empty" : length_error(text, max_short_description);
}

Refusal check_descriptions(const SignRequest& request) {
  if (auto refusal = refused("ContentDescription", length_error(request.content_description, max_description))) return refusal;
  if (auto refusal = refused("ShortContentDescription", short_description_error(request.short_content_description)))
    return refusal;
  // Meant for PDF, and like MultipleSignatures without effect on a hash: clients fill them in for both.
  return refused("SignatureReason", length_error(request.signature_reason, max_signature_reason));
}

Refusal check(std::size_t index, const SignContent& content, const Rules& rules) {
  if (auto refusal = refused(index, "Content", hash_error(content.content, rules))) return refusal;
  return refused(index, "Name", length_error(content.name, max_name));
}

Refusal check(std::size_t index, const VerificationContent& content, const Rules& rules) {
  if (!content.content) return refused(index, "Content", "required: the hash that was signed");
  if (auto refusal = refused(index, "Content", hash_error(*content.content, rules))) return refusal;
  return refused(index, "Signature", content.signature.empty() ? "empty" : "");
}

template <class Content>
Refusal check_contents(const std::vector<Content>& contents, std::size_t most, const Rules& rules) {
  if (auto refusal = refused("Contents", count_error(contents.size(), most))) return refusal;
  CorrelationIds ids;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    if (auto refusal = check(i, contents[i], rules)) return refusal;
    if (auto refusal = refused(i, "CorrelationID", ids.error(contents[i].correlation_id))) return refusal;
  }
  return {};
}

}  // namespace

std::optional<Fault> check(const SignRequest& request, const Rules& rules) {
  // First, so that a request for a PDF is told so and not that a file is no hash.
  if (auto refusal = refused("ContentType", content_type_error(request.content_type))) return refusal;
  if (auto refusal = check_descriptions(request)) return refusal;
  if (request.expected_signer) {
    if (auto refusal = check(*request.expected_signer)) return refusal;
  }
  return check_contents(request.contents, rules.max_sign_contents, rules);
}

std::optional<Fault> check(const VerificationRequest& request, const Rules& rules) {
  if (auto refusal = refused("SignedContentType", content_type_error(request.signed_content_type))) return refusal;
  if (auto refusal = refused("Language", length_error(request.language, max_language))) return refusal;
  return check_contents(request.contents, rules.max_verification_contents, rules);
}

std::optional<Fault> check(const GetSignResponse& call) {
  if (call.request_id.empty()) return refused("requestID", "empty");
  if (call.request_id.size() > max_request_id) return Fault{FaultCode::request_not_found, "Cannot find such request"};
  return {};  // no length is given for its language, and what is not known is read as the default
}

}  // namespace signet::portal
