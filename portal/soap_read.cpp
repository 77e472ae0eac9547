#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "known_forms.hpp"
#include "portal/soap.hpp"
#include "soap_envelope.hpp"
#include "soap_schema.hpp"
#include "xml_node.hpp"

// From the tree of an operation that the schema found valid: what is required is there, and every value has its type's form.
namespace signet::portal {
namespace {

constexpr std::string_view schema_instance = "http://www.w3.org/2001/XMLSchema-instance";
constexpr std::string_view action_beginning = "https://msign.gov.md/IMSign/";

// Null where it is absent or nil, which mean the same.
const xmlNode* field(const xmlNode* structure, std::string_view name) {
  for (const xmlNode* element = first_element(structure); element != nullptr; element = next_element(element))
    if (local_name(element) == name) return is_true(element, schema_instance, "nil") ? nullptr : element;
  return nullptr;
}

std::optional<std::string> optional_text(const xmlNode* structure, std::string_view name) {
  const xmlNode* const element = field(structure, name);
  return element == nullptr ? std::nullopt : std::optional(text_of(element));
}

std::string text(const xmlNode* structure, std::string_view name) {
  return optional_text(structure, name).value_or(std::string{});
}

int number(const xmlNode* structure, std::string_view name) {
  const std::string written = text(structure, name);
  std::string_view digits = trimmed(written);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

bool truth(const xmlNode* structure, std::string_view name) {
  const std::string written = text(structure, name);
  return trimmed(written) == "true" || trimmed(written) == "1";
}

// The first of them where it is absent: the contract's default for the one that may be.
template <class Enumeration>
Enumeration value_of(const xmlNode* structure, std::string_view field_name, std::span<const Enumeration> values) {
  const std::string written = text(structure, field_name);
  const auto found = std::ranges::find(values, written, [](Enumeration value) { return name(value); });
  return found == values.end() ? values.front() : *found;
}

ContentType content_type(const xmlNode* structure, std::string_view name) {
  static constexpr std::array values{ContentType::hash, ContentType::pdf};
  return value_of<ContentType>(structure, name, values);
}

DelegatorType delegator_type(const xmlNode* structure) {
  static constexpr std::array values{DelegatorType::none, DelegatorType::person, DelegatorType::organization};
  return value_of<DelegatorType>(structure, "DelegatorType", values);
}

std::optional<ExpectedSigner> expected_signer(const xmlNode* request) {
  const xmlNode* const element = field(request, "ExpectedSigner");
  if (element == nullptr) return {};
  ExpectedSigner out;
  out.delegated_role_id = number(element, "DelegatedRoleID");
  out.delegator_id = optional_text(element, "DelegatorID");
  out.delegator_type = delegator_type(element);
  out.id = optional_text(element, "ID");
  return out;
}

using Read = std::expected<Call, Fault>;

// The parameters of operations are nillable in the schema for the sake of client generators, and required all the same.
Read missing(std::string_view parameter) {
  return std::unexpected(Fault{FaultCode::invalid_parameter, std::string(parameter) + ": is missing"});
}

// Reads one operation. Base64 is judged here: libxml2 skips what is not in its alphabet.
class OperationReader {
 public:
  explicit OperationReader(const xmlNode* operation) : operation_(operation) {}

  Read post_sign_request() {
    const xmlNode* const element = field(operation_, "request");
    if (element == nullptr) return missing("PostSignRequest/request");
    SignRequest request;
    request.content_description = optional_text(element, "ContentDescription");
    request.content_type = content_type(element, "ContentType");
    request.contents = contents(element, &OperationReader::sign_content);
    request.expected_signer = expected_signer(element);
    request.short_content_description = text(element, "ShortContentDescription");
    request.signature_reason = optional_text(element, "SignatureReason");
    return finished(PostSignRequest{std::move(request)});
  }

  Read get_sign_response() {
    auto id = optional_text(operation_, "requestID");
    if (!id) return missing("GetSignResponse/requestID");
    return GetSignResponse{std::move(*id), optional_text(operation_, "language")};
  }

  Read verify_signatures() {
    const xmlNode* const element = field(operation_, "request");
    if (element == nullptr) return missing("VerifySignatures/request");
    VerificationRequest request;
    request.contents = contents(element, &OperationReader::verification_content);
    request.language = optional_text(element, "Language");
    request.signed_content_type = content_type(element, "SignedContentType");
    return finished(VerifySignatures{std::move(request)});
  }

 private:
  Read finished(Call call) const {
    if (not_base64_ != nullptr) return std::unexpected(field_fault(not_base64_, operation_, "is not base64"));
    return call;
  }

  std::optional<base::Bytes> optional_bytes(const xmlNode* structure, std::string_view name) {
    const xmlNode* const element = field(structure, name);
    if (element == nullptr) return {};
    auto decoded = base::from_base64(text_of(element));
    if (decoded) return std::move(*decoded);
    if (not_base64_ == nullptr) not_base64_ = element;
    return {};
  }

  base::Bytes bytes(const xmlNode* structure, std::string_view name) {
    return optional_bytes(structure, name).value_or(base::Bytes{});
  }

  SignContent sign_content(const xmlNode* element) {
    SignContent out;
    out.content = bytes(element, "Content");
    out.correlation_id = optional_text(element, "CorrelationID");
    out.multiple_signatures = truth(element, "MultipleSignatures");
    out.name = optional_text(element, "Name");
    return out;
  }

  VerificationContent verification_content(const xmlNode* element) {
    VerificationContent out;
    out.content = optional_bytes(element, "Content");
    out.correlation_id = optional_text(element, "CorrelationID");
    out.signature = bytes(element, "Signature");
    return out;
  }

  template <class Content>
  std::vector<Content> contents(const xmlNode* request, Content (OperationReader::*read)(const xmlNode*)) {
    std::vector<Content> out;
    const xmlNode* const array = field(request, "Contents");
    if (array == nullptr) return out;
    for (const xmlNode* element = first_element(array); element != nullptr; element = next_element(element))
      out.push_back((this->*read)(element));
    return out;
  }

  const xmlNode* operation_;
  const xmlNode* not_base64_ = nullptr;  // the first
};

struct Operation {
  std::string_view name;
  Read (OperationReader::*read)();
};
constexpr std::array<Operation, 3> operations{{
    {"PostSignRequest", &OperationReader::post_sign_request},
    {"GetSignResponse", &OperationReader::get_sign_response},
    {"VerifySignatures", &OperationReader::verify_signatures},
}};

const Operation* operation_of(const xmlNode* element) {
  if (namespace_of(element) != contract_namespace) return nullptr;
  const auto found = std::ranges::find(operations, local_name(element), &Operation::name);
  return found == operations.end() ? nullptr : &*found;
}

// SOAP 1.1 clause 6.1.1 wants quotes, which not all clients write.
bool action_fits(std::string_view soap_action, std::string_view operation) {
  std::string_view action = trimmed(soap_action);
  if (action.size() >= 2 && action.starts_with('"') && action.ends_with('"')) action = action.substr(1, action.size() - 2);
  if (action.empty()) return true;
  return action.starts_with(action_beginning) && action.substr(action_beginning.size()) == operation;
}

Read no_message(std::string reason) { return std::unexpected(Fault{FaultCode::client, std::move(reason)}); }

Read parsed(std::string_view body, std::string_view soap_action, const SoapLimits& limits) {
  const auto envelope = read_envelope(body, limits);
  if (!envelope) return std::unexpected(envelope.error());
  const Operation* const operation = operation_of(envelope->operation);
  if (operation == nullptr)
    return no_message("unknown operation: the SOAP body holds none of PostSignRequest, GetSignResponse and VerifySignatures in " +
                      std::string(contract_namespace));
  if (!action_fits(soap_action, operation->name))
    return no_message("the SOAPAction is not that of the body's operation, " + std::string(operation->name));
  if (auto fault = schema_fault(envelope->operation)) return std::unexpected(std::move(*fault));
  OperationReader reader(envelope->operation);
  return (reader.*operation->read)();
}

}  // namespace

std::expected<Call, Fault> read_call(std::string_view body, std::string_view soap_action, const SoapLimits& limits) {
  thread_local KnownForms known;
  if (auto asked = known.read(body, soap_action)) return std::move(*asked);
  auto call = parsed(body, soap_action, limits);
  if (const auto* asked = call ? std::get_if<GetSignResponse>(&*call) : nullptr)
    known.learn(body, soap_action, *asked, [&](std::string_view message) -> std::optional<GetSignResponse> {
      const auto read = parsed(message, soap_action, limits);
      const auto* same = read ? std::get_if<GetSignResponse>(&*read) : nullptr;
      return same == nullptr ? std::nullopt : std::optional(*same);
    });
  return call;
}

}  // namespace signet::portal
