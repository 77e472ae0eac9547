#include <algorithm>

#include "base/text.hpp"
#include "contract/text.hpp"
#include "portal/soap.hpp"

// Strings are built directly: an answer may hold 100 000 signatures, and no text gets in but through append_text().
namespace signet::portal {
namespace {

constexpr std::string_view envelope_start = R"(<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>)";
constexpr std::string_view envelope_end = "</s:Body></s:Envelope>";
// For the tags of a result and for what an escaped text may grow by; too little is not wrong but slower.
constexpr std::size_t tags_of_result = 192;
constexpr std::size_t max_utf8_character = 4;
constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

// XML 1.0 clause 2.2, of the characters of UTF-8. Even as a reference none of the others can be written.
bool is_xml_character(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (first < 0x20) return first == '\t' || first == '\n' || first == '\r';
  return character != "\xEF\xBF\xBE" && character != "\xEF\xBF\xBF";
}

// 0 if it does not begin with one.
std::size_t first_character(std::string_view text) {
  for (std::size_t size = 1; size <= std::min(max_utf8_character, text.size()); ++size)
    if (base::is_utf8(text.substr(0, size))) return size;
  return 0;
}

std::string mended(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = first_character(text);
    out += size != 0 && is_xml_character(text.substr(0, size)) ? text.substr(0, size) : replacement;
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

// ASCII that can be seen: nothing to mend, which is nearly always so.
bool plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

void append_text(std::string& out, std::string_view text) {
  if (plain(text)) {
    base::append_xml_text(out, text);
  } else {
    base::append_xml_text(out, mended(text));
  }
}

void append_all(std::string& out, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) out += part;
}

void append_nil(std::string& out, std::string_view name) { append_all(out, {"<", name, R"( i:nil="true"/>)"}); }

void append_element(std::string& out, std::string_view name, std::string_view text) {
  append_all(out, {"<", name, ">"});
  append_text(out, text);
  append_all(out, {"</", name, ">"});
}

void append_optional(std::string& out, std::string_view name, const std::optional<std::string>& text) {
  if (text) {
    append_element(out, name, *text);
  } else {
    append_nil(out, name);
  }
}

void append_binary(std::string& out, std::string_view name, base::BytesView bytes) {
  append_all(out, {"<", name, ">"});
  base::append_base64(out, bytes);
  append_all(out, {"</", name, ">"});
}

void append_optional(std::string& out, std::string_view name, const std::optional<base::Bytes>& bytes) {
  if (bytes) {
    append_binary(out, name, *bytes);
  } else {
    append_nil(out, name);
  }
}

void append_truth(std::string& out, std::string_view name, bool value) {
  append_all(out, {"<", name, value ? ">true</" : ">false</", name, ">"});
}

std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }
std::size_t base64_size(const std::optional<base::Bytes>& bytes) { return bytes ? base64_size(bytes->size()) : 0; }

// The document of an operation's result, of which `result` is all between its tags.
class Answer {
 public:
  Answer(std::string_view operation, std::size_t expected_size) : operation_(operation) {
    out_.reserve(expected_size + 512);
    append_all(out_, {envelope_start, "<", operation_,
                      R"(Response xmlns="https://msign.gov.md" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><)",
                      operation_, "Result>"});
  }
  std::string& out() { return out_; }
  std::string finished() && {
    append_all(out_, {"</", operation_, "Result></", operation_, "Response>", envelope_end});
    return std::move(out_);
  }

 private:
  std::string_view operation_;
  std::string out_;
};

void append(std::string& out, const SignResult& result) {
  out += "<SignResult>";
  append_optional(out, "Certificate", result.certificate);
  append_optional(out, "CorrelationID", result.correlation_id);
  if (result.signature) {
    append_binary(out, "Signature", base::as_bytes(*result.signature));
  } else {
    append_nil(out, "Signature");
  }
  out += "</SignResult>";
}

void append(std::string& out, const VerificationCertificate& certificate) {
  out += "<VerificationCertificate>";
  append_binary(out, "Certificate", certificate.certificate);
  append_truth(out, "SignatureValid", certificate.signature_valid);
  // Left out and not nil: a client whose dateTime cannot be null reads only that.
  if (certificate.signed_at) append_element(out, "SignedAt", base::rfc3339(*certificate.signed_at));
  append_element(out, "Subject", certificate.subject);
  out += "</VerificationCertificate>";
}

void append(std::string& out, const VerificationResult& result) {
  out += "<VerificationResult><Certificates>";
  for (const VerificationCertificate& certificate : result.certificates) append(out, certificate);
  out += "</Certificates>";
  append_optional(out, "CorrelationID", result.correlation_id);
  append_element(out, "Message", result.message);
  append_truth(out, "SignaturesValid", result.signatures_valid);
  out += "</VerificationResult>";
}

std::size_t size_of(const VerificationResult& result) {
  std::size_t size = tags_of_result + result.message.size();
  for (const VerificationCertificate& certificate : result.certificates)
    size += tags_of_result + base64_size(certificate.certificate.size()) + certificate.subject.size();
  return size;
}

bool of_soap(FaultCode code) {
  return code == FaultCode::client || code == FaultCode::must_understand || code == FaultCode::version_mismatch ||
         code == FaultCode::server;
}

void replace(std::string& text, std::string_view place, std::string_view with) {
  text.replace(text.find(place), place.size(), with);
}

}  // namespace

std::string post_sign_request_response(std::string_view request_id) {
  Answer answer("PostSignRequest", request_id.size());
  append_text(answer.out(), request_id);
  return std::move(answer).finished();
}

std::string get_sign_response_response(const SignResponse& response) {
  std::size_t size = 0;
  for (const SignResult& result : response.results)
    size += tags_of_result + base64_size(result.certificate) + (result.signature ? base64_size(result.signature->size()) : 0);
  Answer answer("GetSignResponse", size);
  append_optional(answer.out(), "Message", response.message);
  answer.out() += "<Results>";
  for (const SignResult& result : response.results) append(answer.out(), result);
  answer.out() += "</Results>";
  append_element(answer.out(), "Status", name(response.status));
  return std::move(answer).finished();
}

std::string verify_signatures_response(const VerificationResponse& response) {
  std::size_t size = 0;
  for (const VerificationResult& result : response.results) size += size_of(result);
  Answer answer("VerifySignatures", size);
  answer.out() += "<Results>";
  for (const VerificationResult& result : response.results) append(answer.out(), result);
  answer.out() += "</Results>";
  return std::move(answer).finished();
}

std::string fault_response(const Fault& fault) {
  std::string out(envelope_start);
  // The contract's own codes stand without a prefix: clients that do not resolve it compare the text, and all others find the
  // same local name.
  append_all(out, {"<s:Fault><faultcode>", of_soap(fault.code) ? "s:" : "", name(fault.code),
                   R"(</faultcode><faultstring xml:lang="en">)"});
  append_text(out, fault.reason);
  append_all(out, {"</faultstring></s:Fault>", envelope_end});
  return out;
}

std::string wsdl(std::string_view endpoint) {
  std::string address;
  base::append_xml_attribute(address, mended(endpoint));
  std::string out(msign_wsdl);
  replace(out, "{schema}", msign_schema);
  replace(out, "{endpoint}", address);
  return out;
}

}  // namespace signet::portal
