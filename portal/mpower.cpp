#include "portal/mpower.hpp"

#include <boost/json/parse.hpp>

#include "base/text.hpp"

namespace signet::portal {
namespace {

namespace json = boost::json;

constexpr std::size_t answer_bytes = 64u << 10;

Delegation wrong(std::string_view outcome, std::string reason, long status = 0) {
  return {.fault = Fault{FaultCode::invalid_parameter, std::move(reason)}, .outcome = outcome, .status = status, .detail = {}};
}

Delegation unavailable(std::string_view outcome, long status, std::string detail = {}) {
  return {.fault = Fault{FaultCode::server, "The delegation cannot be checked now, as MPower gives no answer. Try again later."},
          .outcome = outcome,
          .status = status,
          .detail = std::move(detail)};
}

// 400, 401, 403: the question was well formed, so the fault lies in how this service is set up or registered.
Delegation refused(long status) {
  return {.fault = Fault{FaultCode::server,
                         "The delegation cannot be checked: MPower does not let this service ask. It is no mistake of the "
                         "caller's; the service's operator must mend it."},
          .outcome = "refused",
          .status = status,
          .detail = {}};
}

std::string question(const ExpectedSigner& signer, const std::string& url, const std::string& type_code) {
  return url + "/api/Authorization/check/TypeCode-Valid-One?AuthorizationTypeCode=" + base::percent_encoded(type_code) +
         "&AuthorizingIdn=" + base::percent_encoded(*signer.delegator_id) + "&AuthorizedIdn=" + base::percent_encoded(*signer.id);
}

// {"data": {"authorizationCode": …, "isValid": true}, "success": true, "messages": []}. MPower's description calls isValid a
// text, "True" or "False", and its example has a truth value: both are read.
std::optional<bool> validity(base::BytesView body) {
  boost::system::error_code broken;
  json::parse_options limits;
  limits.max_depth = 8;
  const json::value answer = json::parse(base::as_text(body), broken, {}, limits);
  const json::object* const object = broken ? nullptr : answer.if_object();
  const json::value* const success = object != nullptr ? object->if_contains("success") : nullptr;
  const json::value* const data = object != nullptr ? object->if_contains("data") : nullptr;
  if (success == nullptr || !success->is_bool() || !success->as_bool() || data == nullptr || !data->is_object()) return {};
  const json::value* const valid = data->as_object().if_contains("isValid");
  if (valid == nullptr) return {};
  if (valid->is_bool()) return valid->as_bool();
  if (!valid->is_string()) return {};
  const std::string_view text = valid->as_string();
  if (text == "True" || text == "true") return true;
  if (text == "False" || text == "false") return false;
  return {};
}

}  // namespace

Delegation check_delegation(const ExpectedSigner& signer, const Configuration::Mpower& mpower,
                            const std::atomic<bool>* cancelled) {
  if (mpower.url.empty())
    return wrong("not_configured", "ExpectedSigner.DelegatorType: this service is not configured to check delegations");
  const auto code = mpower.roles.find(signer.delegated_role_id);
  if (code == mpower.roles.end()) return wrong("not_mapped", "ExpectedSigner.DelegatedRoleID: this service knows no such role");
  if (!signer.id || !signer.delegator_id)
    return wrong("signer_missing", "ExpectedSigner.ID: required, as DelegatorType is not None");
  const auto response = net::fetch({.url = question(signer, mpower.url, code->second),
                                    .body = {},
                                    .content_type = {},
                                    .accept = "application/json",
                                    .timeout = mpower.timeout,
                                    .max_response_bytes = answer_bytes,
                                    .tls = mpower.tls},
                                   cancelled);
  if (!response) return unavailable("unreachable", 0, response.error().detail);
  switch (response->status) {
    case 200:
      break;
    case 400:
    case 401:
    case 403:
      return refused(response->status);
    case 404:
      return wrong("not_found", "ExpectedSigner.DelegatorID: the signer has no such power of representation", 404);
    default:
      return unavailable("failed", response->status);
  }
  const auto valid = validity(response->body);
  if (!valid) return unavailable("unreadable", response->status);
  if (!*valid) return wrong("not_valid", "ExpectedSigner.DelegatorID: the power of representation is not valid", 200);
  return {.fault = {}, .outcome = "valid", .status = 200, .detail = {}};
}

Delegation busy_delegation() { return unavailable("busy", 0); }

}  // namespace signet::portal
