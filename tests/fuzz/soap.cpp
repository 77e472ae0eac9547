#include "portal/soap.hpp"

#include <libxml/parser.h>

#include <algorithm>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "portal/identifiers.hpp"
#include "portal/rules.hpp"
#include "property.hpp"

// What a caller sends to the portal, and what is written of it: texts come out of an answer as they came in by a request, and a
// fault never holds what only the caller knows.

using namespace signet;
using namespace signet::portal;
using fuzz::hold;

namespace {

std::string_view view(const xmlChar* text) { return text == nullptr ? "" : reinterpret_cast<const char*>(text); }

base::Owned<xmlDoc, xmlFreeDoc> parsed(const std::string& xml) {
  constexpr int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_HUGE;
  base::Owned<xmlDoc, xmlFreeDoc> document{xmlReadMemory(xml.data(), static_cast<int>(xml.size()), nullptr, nullptr, options)};
  hold(document != nullptr);
  return document;
}

const xmlNode* element_named(const xmlNode* node, std::string_view name) {
  for (; node != nullptr; node = node->next) {
    if (node->type != XML_ELEMENT_NODE) continue;
    if (view(node->name) == name) return node;
    if (const xmlNode* found = element_named(node->children, name)) return found;
  }
  return nullptr;
}

std::string text_within(const std::string& xml, std::string_view name) {
  const auto document = parsed(xml);
  const xmlNode* const element = element_named(document->children, name);
  hold(element != nullptr);
  std::string out;
  for (const xmlNode* part = element == nullptr ? nullptr : element->children; part != nullptr; part = part->next) {
    hold(part->type == XML_TEXT_NODE);
    out += view(part->content);
  }
  return out;
}

void check_text(const std::string& text) {
  hold(base::is_utf8(text));
  hold(characters(text) <= text.size());
  SignResponse response;
  response.message = text;
  response.results.push_back({{}, text, {}});
  const std::string written = get_sign_response_response(response);
  hold(text_within(written, "Message") == text && text_within(written, "CorrelationID") == text);
  hold(text_within(post_sign_request_response(text), "PostSignRequestResult") == text);
}

void check_text(const std::optional<std::string>& text) {
  if (text) check_text(*text);
}

// Plain English, on one line.
void check_fault(const Fault& fault) {
  hold(!fault.reason.empty() && fault.reason.size() <= 400);
  hold(std::ranges::all_of(fault.reason, [](char c) { return c >= 0x20 && c < 0x7F; }));
  hold(text_within(fault_response(fault), "faultstring") == fault.reason);
}

void check_rules(const std::optional<Fault>& fault) {
  if (fault) check_fault(*fault);
}

void check_call(const PostSignRequest& call) {
  const SignRequest& request = call.request;
  check_text(request.content_description);
  check_text(request.short_content_description);
  check_text(request.signature_reason);
  for (const SignContent& content : request.contents) {
    check_text(content.correlation_id);
    check_text(content.name);
  }
  if (request.expected_signer) {
    check_text(request.expected_signer->id);
    check_text(request.expected_signer->delegator_id);
  }
  const auto fault = check(request, Rules{});
  check_rules(fault);
  if (fault) return;
  for (const SignContent& content : request.contents) hold(base::digest_algorithm_of_size(content.content.size()).has_value());
  hold(!request.contents.empty() && request.content_type == ContentType::hash);
}

void check_call(const GetSignResponse& call) {
  check_text(call.request_id);
  check_text(call.language);
  check_rules(check(call));
}

void check_call(const VerifySignatures& call) {
  check_text(call.request.language);
  for (const VerificationContent& content : call.request.contents) check_text(content.correlation_id);
  check_rules(check(call.request, Rules{}));
}

// Whatever bytes a text of ours may hold by mistake, the answer stays XML.
void check_any_text(std::string_view text) {
  SignResponse response;
  response.message = text;
  static_cast<void>(parsed(get_sign_response_response(response)));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  SoapLimits limits;
  limits.max_nodes = 1'000;
  const std::string_view message = base::as_text({data, size});
  check_any_text(message);
  // A first line that begins no markup is the SOAPAction.
  const std::size_t line = message.starts_with('<') ? message.npos : message.find('\n');
  const std::string_view action = line == message.npos ? std::string_view{} : message.substr(0, line);
  const auto call = read_call(line == message.npos ? message : message.substr(line + 1), action, limits);
  if (!call) {
    check_fault(call.error());
    return 0;
  }
  std::visit([](const auto& operation) { check_call(operation); }, *call);
  return 0;
}
