#include "portal/mpower.hpp"

#include <boost/json/parse.hpp>

#include "base/text.hpp"
#include "portal/identifiers.hpp"

namespace signet::portal {
namespace {

namespace json = boost::json;

Fault invalid(std::string reason) { return {FaultCode::invalid_parameter, std::move(reason)}; }
Fault unavailable() { return {FaultCode::server, "The delegation cannot be checked now. Try again later."}; }

// The answer is a truth value, alone or as a member; which of its names is used is not in the public description.
std::optional<bool> truth_of(const json::value& value) {
  if (value.is_bool()) return value.as_bool();
  if (!value.is_object()) return {};
  for (const char* name : {"isValid", "valid", "IsValid", "Valid", "result"}) {
    const json::value* const member = value.as_object().if_contains(name);
    if (member != nullptr && member->is_bool()) return member->as_bool();
  }
  return {};
}

}  // namespace

std::optional<Fault> check_delegation(const ExpectedSigner& signer, const Configuration::Mpower& mpower) {
  if (mpower.url.empty()) return invalid("ExpectedSigner.DelegatorType: this service is not configured to check delegations");
  const auto code = mpower.roles.find(signer.delegated_role_id);
  if (code == mpower.roles.end()) return invalid("ExpectedSigner.DelegatedRoleID: this service knows no such role");
  if (!signer.id || !signer.delegator_id) return invalid("ExpectedSigner.ID: who acts for a delegator must be named");
  const auto response =
      net::fetch({.url = mpower.url + "/api/Authorization/check/TypeCode-Valid-One?AuthorizationTypeCode=" +
                         base::percent_encoded(code->second) + "&AuthorizingIdn=" + base::percent_encoded(*signer.delegator_id) +
                         "&AuthorizedIdn=" + base::percent_encoded(*signer.id),
                  .body = {},
                  .content_type = {},
                  .accept = "application/json",
                  .timeout = mpower.timeout,
                  .max_response_bytes = 64u << 10,
                  .tls = mpower.tls});
  if (!response) return unavailable();
  // 404: no such power. Everything else that is no 200 is no answer to the question.
  if (response->status == 404) return invalid("ExpectedSigner: there is no such power of representation");
  if (response->status != 200) return unavailable();
  boost::system::error_code wrong;
  const json::value answer = json::parse(base::as_text(response->body), wrong);
  const auto valid = wrong ? std::nullopt : truth_of(answer);
  if (!valid) return unavailable();
  if (!*valid) return invalid("ExpectedSigner: the power of representation is not valid");
  return {};
}

}  // namespace signet::portal
