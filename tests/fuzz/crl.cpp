#include "pki/crl.hpp"

#include <openssl/err.h>

#include <algorithm>

#include "property.hpp"
#include "world.hpp"

// A revocation list from a file or a time stamp.

using namespace signet;
using fuzz::hold;
using fuzz::world;

namespace {

// The issuing authority says that somebody is revoked in every list that it signed: no other list makes him valid.
void check_paths(const std::vector<pki::Crl>& lists) {
  pki::TrustMaterial trust = world().trust;
  const auto with_ours = trust.crls;
  trust.crls.insert(trust.crls.begin(), lists.begin(), lists.end());
  const auto purpose = pki::Purpose::signer;
  hold(pki::validate_path(world().revoked, trust, fuzz::now, purpose).status == pki::PathStatus::revoked);
  trust.crls = lists;
  trust.crls.push_back(with_ours.front());  // the root's
  hold(pki::validate_path(world().revoked, trust, fuzz::now, purpose).status != pki::PathStatus::valid);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::BytesView input{data, size};
  if (const auto list = pki::Crl::from_der(input)) hold(std::ranges::equal(list->der(), input));
  if (const auto lists = pki::crls_in(input)) {
    for (const pki::Crl& one : *lists) hold(pki::Crl::from_der(one.der()).has_value());
    check_paths(*lists);
  }
  hold(ERR_peek_error() == 0);
  return 0;
}
