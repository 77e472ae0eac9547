#include "pki/path.hpp"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <limits>

#include "openssl.hpp"
#include "revocation.hpp"
#include "signature_algorithm.hpp"
#include "stack.hpp"

namespace signet::pki {
namespace {

constexpr int max_path_length = 10;  // certificates between the two ends; real ones have one to three

PathStatus status_of(int x509_error) {
  switch (x509_error) {
    case X509_V_OK:
      return PathStatus::valid;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
      return PathStatus::expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
      return PathStatus::not_yet_valid;
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
    case X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE:
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
    case X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED:
    case X509_V_ERR_INVALID_EXTENSION:
    case X509_V_ERR_INVALID_POLICY_EXTENSION:
    case X509_V_ERR_NO_EXPLICIT_POLICY:
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
    case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
    case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
      return PathStatus::constraints;
    default:  // no issuer, not an anchor, a signature that is wrong, too long, no memory
      return PathStatus::no_path;
  }
}

struct Finding {
  int error = X509_V_OK;
  int depth = std::numeric_limits<int>::max();
  void note(int new_error, int new_depth) {
    if (new_depth < depth) *this = {new_error, new_depth};
  }
};

// What OpenSSL's walk of a chain finds. The order in which OpenSSL checks is not the order in which the findings matter, so it
// goes on after what is wrong with the times. Revocation is not its business (revocation.hpp).
struct Walk {
  Finding path, validity;
};

std::string said(const Finding& finding) {
  return std::string(X509_verify_cert_error_string(finding.error)) + ", at depth " + std::to_string(finding.depth);
}

// Called by OpenSSL: notes only, throws nothing. 0 ends the walk.
int on_finding(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  Walk& walk = *static_cast<Walk*>(X509_STORE_CTX_get_app_data(context));
  const int error = X509_STORE_CTX_get_error(context);
  const int depth = X509_STORE_CTX_get_error_depth(context);
  switch (status_of(error)) {
    case PathStatus::expired:
    case PathStatus::not_yet_valid:
      walk.validity.note(error, depth);
      return 1;
    default:
      walk.path.note(error, depth);
      return 0;
  }
}

struct Walked {
  Walk walk;
  std::vector<X509*> chain;  // owned by whoever gave the certificates
};

void set_policies(X509_VERIFY_PARAM* param, const PathOptions& options) {
  // What authorities demand of policies (requireExplicitPolicy and so on) is not heard without these.
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_POLICY_CHECK);
  if (options.explicit_policy) X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_EXPLICIT_POLICY);
  if (options.inhibit_any_policy) X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_INHIBIT_ANY);
  if (options.inhibit_policy_mapping) X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_INHIBIT_MAP);
  if (options.initial_policies.empty()) X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy));
  for (const std::string& policy : options.initial_policies) {
    // One that is no OID is none that a certificate could have: nothing is valid under it alone.
    ASN1_OBJECT* object = OBJ_txt2obj(policy.c_str(), 1);
    X509_VERIFY_PARAM_add0_policy(param, object == nullptr ? OBJ_nid2obj(NID_undef) : object);
  }
}

// What a path may end at.
struct Anchors {
  std::vector<Certificate> certificates;
  bool partial = false;  // some are not self-signed
};

enum class Services : std::uint8_t { in_force, ended_too };

Anchors anchors_for(const TrustMaterial& trust, const PathOptions& options, Services which = Services::in_force) {
  using Use = TrustedService::Use;
  Anchors anchors;
  for (const TrustedService& service : trust.services) {
    const bool in_time =
        service.from <= options.at && (which == Services::ended_too || !service.until || options.at < *service.until);
    const bool in_use =
        options.purpose == Purpose::any || (service.use == Use::time_stamps) == (options.purpose == Purpose::time_stamping);
    if (in_time && in_use) anchors.certificates.push_back(service.certificate);
  }
  anchors.partial = !anchors.certificates.empty();
  for (const Certificate& anchor : trust.anchors) {
    if (!anchors.partial || is_self_issued(anchor)) anchors.certificates.push_back(anchor);
  }
  return anchors;
}

Walked walk_chain(X509* certificate, const Anchors& trusted, const X509Stack& anchors, const X509Stack& intermediates,
                  const PathOptions& options) {
  Walked walked;
  const base::Owned<X509_STORE, X509_STORE_free> empty{X509_STORE_new()};
  const base::Owned<X509_STORE_CTX, X509_STORE_CTX_free> context{X509_STORE_CTX_new()};
  if (!empty || !context || X509_STORE_CTX_init(context.get(), empty.get(), certificate, intermediates.get()) != 1) {
    walked.walk.path.note(X509_V_ERR_OUT_OF_MEM, 0);
    return walked;
  }
  // A stack is searched as it is; a store sorts itself at each addition, which large lists of anchors feel.
  X509_STORE_CTX_set0_trusted_stack(context.get(), anchors.get());
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(param, options.at.time_since_epoch().count());
  X509_VERIFY_PARAM_set_depth(param, max_path_length);
  X509_VERIFY_PARAM_set_auth_level(param, 0);  // weak_algorithm() judges, by dates
  // X509_V_FLAG_X509_STRICT is not set: it refuses national roots for a missing key identifier. What matters of it is in
  // has_issuer_without_ca_bit().
  if (trusted.partial) X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  set_policies(param, options);
  X509_STORE_CTX_set_app_data(context.get(), &walked.walk);
  X509_STORE_CTX_set_verify_cb(context.get(), on_finding);
  const int verified = X509_verify_cert(context.get());
  if (verified != 1 && walked.walk.path.error == X509_V_OK) {
    const int error = X509_STORE_CTX_get_error(context.get());
    walked.walk.path.note(error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error, 0);
  }
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) walked.chain.push_back(sk_X509_value(chain, i));
  return walked;
}

std::vector<Certificate> owned_chain(const std::vector<X509*>& chain, const Certificate& certificate,
                                     const std::vector<Certificate>& anchors, const TrustMaterial& trust) {
  std::vector<Certificate> found;
  for (const X509* one : chain) {
    const auto same = [one](const Certificate& candidate) { return candidate.native() == one; };
    if (same(certificate)) {
      found.push_back(certificate);
    } else if (const auto anchor = std::ranges::find_if(anchors, same); anchor != anchors.end()) {
      found.push_back(*anchor);
    } else if (const auto other = std::ranges::find_if(trust.intermediates, same); other != trust.intermediates.end()) {
      found.push_back(*other);
    }
  }
  return found;
}

bool is_for_time_stamping_only(const Certificate& certificate) {
  int critical = -1;
  const base::Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> usage{
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate.native(), NID_ext_key_usage, &critical, nullptr))};
  // X509_PURPOSE_TIMESTAMP_SIGN would do, but it does not see a second usage that OpenSSL has no name for.
  return usage && critical == 1 && sk_ASN1_OBJECT_num(usage.get()) == 1 &&
         OBJ_obj2nid(sk_ASN1_OBJECT_value(usage.get(), 0)) == NID_time_stamp;
}

bool is_for_client_authentication(const Certificate& certificate) {
  // All usages where the extension is absent.
  return (X509_get_extended_key_usage(certificate.native()) & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
}

// What is demanded of a certificate for a purpose, beyond OpenSSL's default checks; null if nothing is wrong.
const char* unfit(const Certificate& certificate, Purpose purpose) {
  if (purpose != Purpose::any && !certificate.fit_for_signing())
    return "the certificate is not for signing: key usage or basic constraints";
  if (purpose == Purpose::time_stamping && !is_for_time_stamping_only(certificate))
    return "the certificate is not for time stamping alone: extended key usage";
  if (purpose == Purpose::client_authentication && !is_for_client_authentication(certificate))
    return "the certificate is not for authenticating a client: extended key usage";
  return nullptr;
}

// RFC 5280 6.1.4 (k). An old root may be of version 1, without extensions; OpenSSL takes other old certificates too.
bool has_issuer_without_ca_bit(const std::vector<Certificate>& chain) {
  for (std::size_t i = 1; i < chain.size(); ++i) {
    const bool old_root = i + 1 == chain.size() && is_self_issued(chain[i]);
    if (!chain[i].is_ca() && !old_root) return true;
  }
  return false;
}

std::string at_depth(std::string what, std::size_t depth) { return std::move(what) + ", at depth " + std::to_string(depth); }

// The certificate's own key, and the signatures of all but the anchor, whose own says nothing, with the keys that made them.
std::optional<std::string> weak_algorithm(const std::vector<Certificate>& chain, const PathOptions& options) {
  if (auto weak = weakness(*options.algorithms, chain.front(), options.at)) return at_depth(std::move(*weak), 0);
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const X509_ALGOR* algorithm = nullptr;
    X509_get0_signature(nullptr, &algorithm, chain[i].native());
    const base::Time since = options.known_since ? options.known_since(chain[i].der()) : options.at;
    if (auto weak = signature_weakness(*options.algorithms, algorithm, X509_get0_pubkey(chain[i + 1].native()), since))
      return at_depth(std::move(*weak), i);
  }
  return std::nullopt;
}

// What is known of a certificate that has expired: somebody told before its end, or goes back to it, and whoever signed that is
// still to be believed.
bool is_known_not_revoked(const std::vector<Certificate>& chain, const std::vector<RevocationFinding>& findings, base::Time at) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const bool expired = at > chain[i].not_after();
    if (!expired) continue;
    const bool issuer_stands = i + 2 == chain.size() || at <= chain[i + 1].not_after();
    if (!issuer_stands || !findings[i].tells_of_expired) return false;
  }
  return true;
}

enum class ListSigners : std::uint8_t {
  chain_and_others,  // whoever has a path to the same anchor and is named
  chain_alone,       // for the path of such another
};

PathReport validate(const Certificate& certificate, const TrustMaterial& trust, const PathOptions& options,
                    ListSigners list_signers);

// RFC 5280 6.3.3 (f): whoever signs lists for others has a path to the same anchor, and is not revoked.
SignerPath path_to_the_same_anchor(const std::vector<Certificate>& chain, const TrustMaterial& trust,
                                   const PathOptions& options) {
  return [&](const Certificate& signer) -> std::optional<std::vector<Certificate>> {
    PathOptions theirs{.at = options.at, .purpose = Purpose::any, .algorithms = options.algorithms};
    theirs.known_since = options.known_since;
    theirs.budget = options.budget;
    PathReport report = validate(signer, trust, theirs, ListSigners::chain_alone);
    if (report.status != PathStatus::valid || report.chain.back() != chain.back()) return std::nullopt;
    return std::move(report.chain);
  };
}

// Whether there is a path to what was an anchor once.
bool has_ended_anchor(const Certificate& certificate, const TrustMaterial& trust, const PathOptions& options) {
  const Anchors once = anchors_for(trust, options, Services::ended_too);
  if (once.certificates.size() == anchors_for(trust, options).certificates.size()) return false;
  const X509Stack anchors = stack_of(once.certificates);
  const X509Stack intermediates = stack_of(trust.intermediates);
  return status_of(walk_chain(certificate.native(), once, anchors, intermediates, options).walk.path.error) !=
         PathStatus::no_path;
}

bool is_spent(const PathOptions& options) { return options.budget != nullptr && options.budget->is_spent(); }

// Some signatures of certificates, and a look at all that is there.
std::size_t cost_of_walk(const TrustMaterial& trust) {
  return 300'000 + 1'000 * (trust.intermediates.size() + trust.crls.size() + trust.ocsp.size());
}

PathReport validate(const Certificate& certificate, const TrustMaterial& trust, const PathOptions& options,
                    ListSigners list_signers) {
  const Anchors trusted = anchors_for(trust, options);
  const X509Stack anchors = stack_of(trusted.certificates);
  const X509Stack intermediates = stack_of(trust.intermediates);
  PathReport report;
  report.at = options.at;
  const auto ended = [&report](PathStatus status, std::string detail) {
    report.status = status;
    report.detail = std::move(detail);
    return std::move(report);
  };

  if (options.budget != nullptr && !options.budget->take(cost_of_walk(trust)))
    return ended(PathStatus::no_path, "more work than the limit");
  const Walked walked = walk_chain(certificate.native(), trusted, anchors, intermediates, options);
  const Finding path = walked.walk.path;
  if (path.error != X509_V_OK && status_of(path.error) == PathStatus::no_path) {
    report.anchor_ended = has_ended_anchor(certificate, trust, options);
    return ended(PathStatus::no_path, report.anchor_ended ? "the path's anchor is trusted no more" : said(path));
  }
  report.chain = owned_chain(walked.chain, certificate, trusted.certificates, trust);
  report.breaks_rfc_5280 = path.error != X509_V_OK;
  if (path.error != X509_V_OK) return ended(status_of(path.error), said(path));
  if (report.chain.size() != walked.chain.size() || report.chain.empty())
    return ended(PathStatus::no_path, "a chain of strangers");
  if (const char* broken = unfit(report.chain.front(), options.purpose)) return ended(PathStatus::constraints, broken);
  report.breaks_rfc_5280 = has_issuer_without_ca_bit(report.chain);
  if (report.breaks_rfc_5280) return ended(PathStatus::constraints, "an issuer's certificate has no CA bit");
  if ((report.weak_algorithm = weak_algorithm(report.chain, options)))
    return ended(PathStatus::constraints, *report.weak_algorithm);

  const SignerPath signer_path =
      list_signers == ListSigners::chain_alone ? SignerPath{} : path_to_the_same_anchor(report.chain, trust, options);
  const auto findings =
      revocation_of(report.chain, {trust, options.at, *options.algorithms, signer_path, options.known_since, options.budget});
  // What was not looked at any more might have been a revocation.
  if (is_spent(options)) return ended(PathStatus::no_path, "more work than the limit");
  std::optional<base::Time> authority;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    report.evidence.push_back(findings[i].evidence);
    const auto& when = findings[i].revoked_at;
    if (i > 0 && when) authority = authority ? std::min(*authority, *when) : *when;
  }
  if (findings.front().revoked_at || authority) {
    const bool itself = findings.front().revoked_at.has_value();
    report.revoked_at = itself ? findings.front().revoked_at : authority;
    return ended(itself ? PathStatus::revoked : PathStatus::ca_revoked, "revoked");
  }
  if (const Finding validity = walked.walk.validity; validity.error != X509_V_OK) {
    report.known_not_revoked =
        status_of(validity.error) == PathStatus::expired && is_known_not_revoked(report.chain, findings, options.at);
    return ended(status_of(validity.error), said(validity));
  }
  for (std::size_t i = 0; i < report.evidence.size(); ++i) {
    if (report.evidence[i].source != RevocationEvidence::Source::none) continue;
    if ((report.weak_algorithm = findings[i].weak_algorithm))
      return ended(PathStatus::no_revocation_data, at_depth("revocation data not to be relied on: " + *report.weak_algorithm, i));
    return ended(PathStatus::no_revocation_data, at_depth("neither an OCSP response nor a list in force", i));
  }
  return ended(PathStatus::valid, {});
}

}  // namespace

PathReport validate_path(const Certificate& certificate, const TrustMaterial& trust, const PathOptions& options) {
  const ErrorQueue queue;
  return validate(certificate, trust, options, ListSigners::chain_and_others);
}

PathReport validate_path(const Certificate& certificate, const TrustMaterial& trust, base::Time at, Purpose purpose) {
  return validate_path(certificate, trust, PathOptions{.at = at, .purpose = purpose});
}

std::vector<ListWanted> each_once(std::vector<ListWanted> wanted) {
  std::vector<ListWanted> all;
  for (ListWanted& one : wanted) {
    if (one.issuers.empty()) continue;
    const auto known = std::ranges::find_if(all, [&](const ListWanted& other) {
      return other.certificate == one.certificate && other.issuers.front() == one.issuers.front();
    });
    if (known == all.end())
      all.push_back(std::move(one));
    else
      known->asked_after = std::max(known->asked_after, one.asked_after);
  }
  return all;
}

std::vector<ListWanted> lists_wanted(const PathReport& path) {
  std::vector<ListWanted> wanted;
  if (path.status != PathStatus::no_revocation_data) return wanted;
  for (auto one = path.chain.begin(); one != path.chain.end() && one + 1 != path.chain.end(); ++one)
    wanted.push_back({*one, {one + 1, path.chain.end()}});
  return wanted;
}

std::optional<std::size_t> place_in(const TrustMaterial& trust, const RevocationEvidence& evidence) {
  const auto place = [](const auto& all, auto found) {
    return found == all.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - all.begin()));
  };
  if (evidence.ocsp) return place(trust.ocsp, std::ranges::find(trust.ocsp, *evidence.ocsp));
  if (evidence.crls.empty()) return std::nullopt;
  // Copies of a list share its content.
  return place(trust.crls, std::ranges::find(trust.crls, evidence.crls.front().native(), &Crl::native));
}

std::vector<ListWanted> newer_wanted(const PathReport& path, const IsCurrent& is_current) {
  using Source = RevocationEvidence::Source;
  std::vector<ListWanted> wanted;
  if (path.status != PathStatus::valid) return wanted;
  for (std::size_t i = 0; i + 1 < path.chain.size(); ++i) {
    const RevocationEvidence& evidence = path.evidence.at(i);
    if (evidence.source != Source::ocsp && evidence.source != Source::crl) continue;
    if (evidence.produced >= path.at || is_current(evidence, path.at)) continue;
    wanted.push_back({path.chain[i], {path.chain.begin() + static_cast<std::ptrdiff_t>(i) + 1, path.chain.end()}});
  }
  return wanted;
}

bool is_wanted(const Crl& list, const ListWanted& wanted) {
  const ErrorQueue queue;
  // Of today's algorithms: the table's last word, as no time is asked about.
  const base::Time at = list.this_update().value_or(base::Time::max());
  if (!is_about(list.native(), wanted.certificate) || !is_complete(list.native())) return false;
  for (const Certificate& issuer : wanted.issuers) {
    if (has_signed(issuer, list, ts_119_312(), at)) return true;
    // Above it is another authority, whatever its name, unless it changed its keys.
    if (!is_self_issued(issuer)) break;
  }
  return false;
}

bool is_wanted(const OcspResponse& response, const ListWanted& wanted) {
  const ErrorQueue queue;
  if (wanted.issuers.empty()) return false;
  const Certificate& issuer = wanted.issuers.front();
  const base::Time then = response.produced_at();
  if (!response.status_of(wanted.certificate, issuer)) return false;
  if (has_signed(issuer, response, ts_119_312(), then)) return true;
  return std::ranges::any_of(response.certificates(), [&](const Certificate& candidate) {
    return is_delegate(candidate, issuer, then, ts_119_312(), then) && has_signed(candidate, response, ts_119_312(), then);
  });
}

}  // namespace signet::pki
