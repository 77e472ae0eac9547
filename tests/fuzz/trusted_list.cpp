#include "trust/trusted_list.hpp"

#include <openssl/err.h>

#include <set>

#include "base/text.hpp"
#include "property.hpp"
#include "world.hpp"

// A trusted list from the web. One key of the world signs the seeds and nothing else: what is read of another document is what
// one of them says.

using namespace signet;
using fuzz::hold;

namespace {

trust::TrustedListOptions options() { return {.signers = {fuzz::world().list_signer}, .at = fuzz::now}; }

// All that somebody relies on.
std::string said(const trust::TrustedList& list) {
  std::string out = std::to_string(list.version) + ' ' + std::to_string(list.sequence_number) + ' ' + base::rfc3339(list.issued) +
                    (list.next_update ? base::rfc3339(*list.next_update) : "") + list.territory + list.scheme_operator;
  for (const auto& service : list.services) {
    out += "\n" + service.type_uri + service.name + service.provider + (service.with_unknown_critical ? "!" : "");
    for (const auto& one : service.certificates) out += one.short_name();
    for (const auto& period : service.periods) out += period.status_uri + base::rfc3339(period.from);
  }
  for (const auto& other : list.others) {
    out += "\n" + other.url;
    for (const auto& one : other.signers) out += one.short_name();
  }
  return out;
}

const std::set<std::string>& known() {
  static const std::set<std::string> all = [] {
    std::set<std::string> out;
    for (const base::Bytes& seed : fuzz::seeds("trusted_list")) {
      const auto list = trust::read_trusted_list(seed, options());
      hold(list.has_value());
      out.insert(said(*list));
    }
    hold(out.size() == 2);
    return out;
  }();
  return all;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::BytesView input{data, size};
  const auto list = trust::read_trusted_list(input, options());
  if (list) {
    hold(known().contains(said(*list)) && list->signer == fuzz::world().list_signer);
    for (const auto& service : services_of(*list)) hold(!service.until || service.from <= *service.until);
    auto others = options();
    others.signers = {fuzz::world().signer};
    hold(!trust::read_trusted_list(input, others));
  } else {
    hold(list.error().code == base::ErrorCode::message_invalid || list.error().code == base::ErrorCode::message_too_large);
  }
  hold(ERR_peek_error() == 0);
  return 0;
}
