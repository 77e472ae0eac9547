#include "portal/contract.hpp"

#include <array>

namespace signet::portal {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, 2> content_types{"Hash", "Pdf"};
constexpr std::array<std::string_view, 3> delegator_types{"None", "Person", "Organization"};
constexpr std::array<std::string_view, 4> statuses{"Pending", "Success", "Failure", "Expired"};
constexpr std::array<std::string_view, 3> languages{"ro", "ru", "en"};
constexpr std::array<std::string_view, 8> fault_codes{"AuthenticationFailed",
                                                      "AuthorizationFailed",
                                                      "InvalidParameter",
                                                      "RequestNotFound",
                                                      "Client",
                                                      "MustUnderstand",
                                                      "VersionMismatch",
                                                      "Server"};

}  // namespace

std::string_view name(ContentType type) { return content_types.at(static_cast<std::size_t>(type)); }
std::string_view name(DelegatorType type) { return delegator_types.at(static_cast<std::size_t>(type)); }
std::string_view name(SignStatus status) { return statuses.at(static_cast<std::size_t>(status)); }
std::string_view name(Language language) { return languages.at(static_cast<std::size_t>(language)); }
std::string_view name(FaultCode code) { return fault_codes.at(static_cast<std::size_t>(code)); }

Language language_or_default(std::string_view text) {
  for (std::size_t i = 0; i < languages.size(); ++i)
    if (text == languages[i]) return static_cast<Language>(i);
  return Language::ro;
}

}  // namespace signet::portal
