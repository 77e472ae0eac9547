#include "soap_schema.hpp"

#include <libxml/xmlschemas.h>

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/owned.hpp"
#include "contract/text.hpp"
#include "soap_envelope.hpp"
#include "xml_node.hpp"

namespace signet::portal {
namespace {

using Schema = base::Owned<xmlSchema, xmlSchemaFree>;

// What a message may be blamed by: a name that is not among these is the caller's own invention and not repeated.
constexpr std::array<std::string_view, 25> known_names{
    "Content",
    "ContentDescription",
    "ContentType",
    "Contents",
    "CorrelationID",
    "DelegatedRoleID",
    "DelegatorID",
    "DelegatorType",
    "ExpectedSigner",
    "GetSignResponse",
    "ID",
    "Language",
    "MultipleSignatures",
    "Name",
    "PostSignRequest",
    "ShortContentDescription",
    "SignContent",
    "Signature",
    "SignatureReason",
    "SignedContentType",
    "VerificationContent",
    "VerifySignatures",
    "language",
    "request",
    "requestID",
};

void ignore_error(void*, xmlError*) {}

Schema read_schema() {
  const base::Owned<xmlSchemaParserCtxt, xmlSchemaFreeParserCtxt> parser{
      xmlSchemaNewMemParserCtxt(msign_schema.data(), static_cast<int>(msign_schema.size()))};
  if (parser == nullptr) throw std::bad_alloc();
  xmlSchemaSetParserStructuredErrors(parser.get(), ignore_error, nullptr);
  Schema schema{xmlSchemaParse(parser.get())};
  if (schema == nullptr) throw std::logic_error("the contract's schema is none");
  return schema;
}

xmlSchema* schema() {
  static const Schema read = read_schema();
  return read.get();
}

// The first that libxml2 finds; what follows is often its consequence.
struct Violation {
  bool found = false;
  int code = 0;
  std::string message;            // libxml2's: it may hold what the caller sent
  const xmlNode* node = nullptr;  // an element
};

void keep_first(void* data, xmlError* error) {
  Violation& first = *static_cast<Violation*>(data);
  if (first.found) return;
  const auto* node = static_cast<const xmlNode*>(error->node);
  if (node != nullptr && node->type == XML_ATTRIBUTE_NODE) node = node->parent;
  first = {true, error->code, error->message == nullptr ? "" : error->message, node};
}

bool has_known_name(const xmlNode* element) { return std::ranges::find(known_names, local_name(element)) != known_names.end(); }
bool known(const xmlNode* element) { return has_known_name(element) && namespace_of(element) == contract_namespace; }

// "SignRequest/Contents/SignContent": structures by their type, as the parameter that holds one is called "request".
std::string path_of(const xmlNode* element, const xmlNode* operation) {
  std::string path;
  for (; element != operation && element != nullptr; element = element->parent) {
    if (!known(element)) continue;
    std::string_view name = local_name(element);
    const bool structure = element->parent == operation && name == "request";
    if (structure) name = local_name(operation) == "PostSignRequest" ? "SignRequest" : "VerificationRequest";
    path = std::string(name).append(path.empty() ? "" : "/").append(path);
    if (structure) return path;
  }
  return std::string(local_name(operation)).append(path.empty() ? "" : "/").append(path);
}

// ", in Contents[3]" for what lies in the fourth content.
std::string position_of(const xmlNode* element, const xmlNode* operation) {
  for (; element != operation && element != nullptr; element = element->parent) {
    if (local_name(element) != "SignContent" && local_name(element) != "VerificationContent") continue;
    std::size_t before = 0;
    for (const xmlNode* other = element->prev; other != nullptr; other = other->prev) before += other->type == XML_ELEMENT_NODE;
    return ", in Contents[" + std::to_string(before) + ']';
  }
  return {};
}

// libxml2 names the elements that could stand there at the end of its message: "Expected is one of ( {ns}A, {ns}B )".
std::vector<std::string> expected_names(std::string_view message) {
  std::vector<std::string> names;
  const std::size_t list = message.rfind("Expected is");
  if (list == message.npos) return names;
  message.remove_prefix(list);
  for (std::size_t at = message.find('}'); at != message.npos; at = message.find('}', at + 1)) {
    const std::string_view rest = message.substr(at + 1);
    names.emplace_back(rest.substr(0, rest.find_first_of(", )")));
  }
  return names;
}

std::string either(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : " or ").append(name);
  return out;
}

// Where the fault is told to be, and why.
struct Complaint {
  std::string path;
  std::string why;
};

// The elements of a structure are in alphabetical order. So what comes too early for its own name stands where a required one is
// missing, which is the last of those expected; and what comes too late is repeated or out of order.
Complaint unexpected_element(const xmlNode* element, const xmlNode* operation, const std::vector<std::string>& expected) {
  const std::string parent = path_of(element->parent, operation);
  const std::string wanted = expected.empty() ? "" : "; expected there: " + either(expected);
  if (!has_known_name(element)) return {parent, "holds an element that the contract does not have" + wanted};
  const std::string name(local_name(element));
  if (namespace_of(element) != contract_namespace)
    return {parent + '/' + name, "is not in the namespace " + std::string(contract_namespace)};
  if (!expected.empty() && expected.back() < name)
    return {parent + '/' + expected.back(), "is missing; " + name + " stands in its place"};
  return {parent + '/' + name, "is out of order, repeated or not of this structure" + wanted};
}

std::string value_error(const Violation& violation) {
  const std::string_view message = violation.message;
  const auto type = [&](std::string_view name) { return message.ends_with(std::string("'xs:").append(name).append("'.\n")); };
  if (type("base64Binary")) return "is not base64";  // of a wrong length; the rest is found when it is decoded
  if (type("boolean")) return "is neither true nor false";
  if (type("int")) return "is not a whole number of 32 bits";
  // The allowed values follow those that the caller sent.
  const std::size_t set = message.rfind("the set {");
  const std::size_t end = set == message.npos ? set : message.find('}', set);
  if (end != message.npos) return "is not one of " + std::string(message.substr(set + 9, end - set - 9));
  return "has a value that the contract does not have";
}

Complaint complaint_of(const Violation& violation, const xmlNode* operation) {
  const xmlNode* const node = violation.node;
  if (node == nullptr) return {path_of(operation, operation), "does not have the contract's form"};
  switch (violation.code) {
    case XML_SCHEMAV_ELEMENT_CONTENT: {
      const auto expected = expected_names(violation.message);
      // An element's name holds no space.
      const bool missing = violation.message.find(": Missing child element") != std::string::npos;
      if (!missing) return unexpected_element(node, operation, expected);
      return {path_of(node, operation) + (expected.empty() ? "" : '/' + expected.back()), "is missing"};
    }
    case XML_SCHEMAV_CVC_DATATYPE_VALID_1_2_1:
    case XML_SCHEMAV_CVC_ENUMERATION_VALID:
      return {path_of(node, operation), value_error(violation)};
    case XML_SCHEMAV_CVC_ELT_3_1:
      return {path_of(node, operation), "is required and cannot be nil"};
    case XML_SCHEMAV_CVC_ELT_3_2_1:
      return {path_of(node, operation), "is nil and yet holds something"};
    case XML_SCHEMAV_CVC_TYPE_3_1_1:
    case XML_SCHEMAV_CVC_COMPLEX_TYPE_3_2_1:
      return {path_of(node, operation), "has an attribute that the contract does not have"};
    case XML_SCHEMAV_CVC_TYPE_3_1_2:
      return {path_of(node, operation), "holds elements where a value belongs"};
    case XML_SCHEMAV_CVC_COMPLEX_TYPE_2_3:
      return {path_of(node, operation), "holds text where elements belong"};
    default:
      return {path_of(node, operation), "does not have the contract's form"};
  }
}

using ValidContext = base::Owned<xmlSchemaValidCtxt, xmlSchemaFreeValidCtxt>;

ValidContext made_context() {
  ValidContext made{xmlSchemaNewValidCtxt(schema())};
  if (made == nullptr) throw std::bad_alloc();
  return made;
}

}  // namespace

Fault field_fault(const xmlNode* field, const xmlNode* operation, std::string_view why) {
  return {FaultCode::invalid_parameter, path_of(field, operation).append(": ").append(why).append(position_of(field, operation))};
}

std::optional<Fault> schema_fault(const xmlNode* operation) {
  // The calling thread's: it forgets a message at the end of its check, and making one costs as much as a small check.
  thread_local const ValidContext context = made_context();
  Violation violation;
  xmlSchemaSetValidStructuredErrors(context.get(), keep_first, &violation);
  // libxml2 takes it without const, and adds nothing as no default values are asked for.
  if (xmlSchemaValidateOneElement(context.get(), const_cast<xmlNode*>(operation)) == 0) return {};
  const Complaint complaint = complaint_of(violation, operation);
  return Fault{FaultCode::invalid_parameter, complaint.path + ": " + complaint.why + position_of(violation.node, operation)};
}

}  // namespace signet::portal
