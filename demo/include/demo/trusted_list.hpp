#pragma once

#include <optional>
#include <string>
#include <vector>

#include "demo/pki.hpp"

namespace signet::demo {

// What a trusted list (ETSI TS 119 612) says, for tests.
struct ListedService {
  std::string type = "CA/QC";  // after ".../Svctype/"
  std::vector<pki::Certificate> certificates;
  std::string status = "granted";  // after ".../Svcstatus/"
  base::Time from{};
  struct Past {
    std::string status;
    base::Time from;
    std::string type = {};        // of the service then; empty: the same as now
    std::string extensions = {};  // as below
  };
  std::vector<Past> history = {};
  std::string extensions = {};  // markup of Extension elements
};

struct ListedScheme {
  unsigned version = 6;
  std::uint64_t sequence_number = 1;
  base::Time issued{};
  std::optional<base::Time> next_update;
  std::vector<ListedService> services = {};
  std::vector<pki::Certificate> other_signers = {};  // of a list that is pointed to; none: no pointer
};

// A list in exclusive canonical form, without a signature.
std::string unsigned_trusted_list(const ListedScheme& scheme);
// Any document in exclusive canonical form, without comments, with a XAdES-B-B signature of `signer` (a P-256 key) enveloped at the
// end of its root element. `reference`: the URI of what is signed besides the properties, `referenced` its bytes in canonical form
// (of "" all of the document).
std::string with_enveloped_signature(const std::string& document, const Identity& signer, base::Time signing_time,
                                     const std::string& reference, const std::string& referenced);
std::string trusted_list(const ListedScheme& scheme, const Identity& signer);

}  // namespace signet::demo
