#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "portal/soap.hpp"

// Messages as clients write them, and what became of them.
namespace signet::portal::test {

inline constexpr std::string_view actions = "https://msign.gov.md/IMSign/";

inline std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

inline std::string enveloped(std::string_view body, std::string_view headers = "") {
  std::string out = R"(<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">)";
  if (!headers.empty()) out.append("<s:Header>").append(headers).append("</s:Header>");
  return out.append("<s:Body>").append(body).append("</s:Body></s:Envelope>");
}

// The SHA-256 of nothing.
inline constexpr std::string_view hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

inline std::string content(std::string_view fields = "") {
  return std::string("<SignContent><Content>").append(hash).append("</Content>").append(fields).append("</SignContent>");
}

// `before`, `between` and `after` go where their names sort: before ContentType, before and after ShortContentDescription.
struct Posted {
  std::string before{}, contents = content(), between{}, after{};
};
inline std::string posted(const Posted& parts = {}) {
  return R"(<PostSignRequest xmlns="https://msign.gov.md" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><request>)" +
         parts.before + "<ContentType>Hash</ContentType><Contents>" + parts.contents + "</Contents>" + parts.between +
         "<ShortContentDescription>Invoice</ShortContentDescription>" + parts.after + "</request></PostSignRequest>";
}

inline std::string asked(std::string_view parameters) {
  return std::string(R"(<GetSignResponse xmlns="https://msign.gov.md" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">)")
      .append(parameters)
      .append("</GetSignResponse>");
}

inline std::string verified(std::string_view request) {
  return std::string(
             R"(<VerifySignatures xmlns="https://msign.gov.md" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><request>)")
      .append(request)
      .append("</request></VerifySignatures>");
}

inline Call read(std::string_view message, std::string_view action = "") {
  const auto call = read_call(message, action, {});
  INFO((call ? "" : call.error().reason));
  REQUIRE(call);
  return *call;
}

inline SignRequest read_posted(std::string_view message, std::string_view action = "") {
  return std::get<PostSignRequest>(read(message, action)).request;
}

inline Fault refused(std::string_view message, std::string_view action = "", const SoapLimits& limits = {}) {
  const auto call = read_call(message, action, limits);
  REQUIRE_FALSE(call);
  return call.error();
}

// The reason for which the schema refuses the body.
inline std::string invalid(std::string_view body) {
  const Fault fault = refused(enveloped(body));
  CHECK(fault.code == FaultCode::invalid_parameter);
  return fault.reason;
}

}  // namespace signet::portal::test
