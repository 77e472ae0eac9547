#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pki/path.hpp"
#include "trust/cache.hpp"
#include "trust/fetching.hpp"

// Trusted lists: which trust services a state vouches for, since when, and which no more (ETSI TS 119 612, versions 5 and 6).
namespace signet::trust {

struct TrustService {
  // CA/QC and TSA/QTST: those of qualified certificates and of qualified time stamps. The list has more kinds.
  enum class Type : std::uint8_t { ca_qc, tsa_qtst, other } type = Type::other;
  std::string type_uri;
  std::string name, provider;  // as shown to people; untrusted text no more, but of the list's own words
  std::vector<pki::Certificate> certificates;  // ServiceDigitalIdentity
  struct Period {
    Type type = Type::other;  // of the service then: it may have been listed as another before
    std::string status_uri;
    bool granted = false;     // or, before eIDAS (2016-07-01), under supervision or accredited
    base::Time from{};
    std::optional<base::Time> until;  // none: still
    bool with_unknown_critical = false; // nor is it for that period
  };
  std::vector<Period> periods;        // the newest first
  bool with_unknown_critical = false; // a critical extension now that is not known here: it is not trusted for anything
};

struct OtherList {
  std::string url;
  std::vector<pki::Certificate> signers;  // who may sign the list there
};

struct TrustedList {
  unsigned version = 0;
  std::uint64_t sequence_number = 0;
  std::string territory, scheme_operator;
  base::Time issued{};
  std::optional<base::Time> next_update;  // none: a list that is closed
  std::vector<TrustService> services;
  std::vector<OtherList> others;
  std::optional<pki::Certificate> signer;
  std::size_t unread_certificates = 0;  // identities that are no certificates which we can read; they are left out
};

struct TrustedListOptions {
  std::vector<pki::Certificate> signers;  // exactly these may sign it; whoever certified them is not asked
  base::Time at;                          // now
  std::uint64_t least_sequence_number = 0;
  std::size_t most_services = 50'000;
};

// A list whose own XAdES signature, by one of the signers, is over all of the document: enveloped, valid under the policy `strict`.
// message_invalid with what is wrong: not a list, signed by another or over less, from the future, past its NextUpdate, of a lower
// sequence number; message_too_large (32 MiB, a million nodes). Touches no file and no network. Any thread.
base::Result<TrustedList> read_trusted_list(base::BytesView document, const TrustedListOptions& options);

// What of a list paths may end at: services CA/QC and TSA/QTST, for each period in which they were listed as such, and granted.
std::vector<pki::TrustedService> services_of(const TrustedList& list);

// The list at an address, by net::fetch and the cache. What is kept is verified like what comes; a list of a lower sequence number
// than the kept one's is refused, and the kept one serves until its NextUpdate where nothing newer can be had. Errors as of
// read_trusted_list, and network_failed. Blocks; any thread.
base::Result<TrustedList> trusted_list_at(const std::string& url, const TrustedListOptions& options, const Fetching& fetching,
                                          const std::optional<Cache>& cache = {}, const std::atomic<bool>* cancelled = nullptr);

}  // namespace signet::trust
