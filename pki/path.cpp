#include "pki/path.hpp"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <limits>

#include "openssl.hpp"
#include "stack.hpp"

namespace signet::pki {
namespace {

constexpr int max_path_length = 10;    // certificates between the two ends; real ones have one to three
constexpr int security_level_112 = 2;  // refuses RSA under 2048 bits, curves under 224, SHA-1 and MD5 signatures

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
    case X509_V_ERR_CERT_REVOKED:
      return PathStatus::revoked;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
      return PathStatus::no_revocation_data;
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

// What OpenSSL's walk of a chain finds. The order in which OpenSSL checks (revocation before signatures and times) is not
// the order in which the findings matter, so it goes on after some of them, and all are judged here at the end.
struct Walk {
  Finding path, validity, revocation;
};

std::string said(const Finding& finding) {
  return std::string(X509_verify_cert_error_string(finding.error)) + ", at depth " + std::to_string(finding.depth);
}

// A list made after `at` is as good as one in force then (better, it knows more) while the certificate had not expired when
// it was made: after that a list may forget it (RFC 5280 5.1.2.6).
bool later_list_covers(const X509_CRL* crl, X509* certificate) {
  if (crl == nullptr || certificate == nullptr) return false;
  const auto made = time_of(X509_CRL_get0_lastUpdate(crl));
  const auto end = time_of(X509_get0_notAfter(certificate));
  return made && end && *made <= *end;
}

// Called by OpenSSL: notes only, throws nothing. 0 ends the walk.
int on_finding(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  Walk& walk = *static_cast<Walk*>(X509_STORE_CTX_get_app_data(context));
  const int error = X509_STORE_CTX_get_error(context);
  const int depth = X509_STORE_CTX_get_error_depth(context);
  const bool is_anchor = depth == sk_X509_num(X509_STORE_CTX_get0_chain(context)) - 1;
  switch (status_of(error)) {
    case PathStatus::expired:
    case PathStatus::not_yet_valid:
      walk.validity.note(error, depth);
      return 1;
    case PathStatus::revoked:
      return 1;  // first_revocation() has judged by the same lists: OpenSSL does not compare the date
    case PathStatus::no_revocation_data:
      if (is_anchor) return 1;
      if (error == X509_V_ERR_CRL_NOT_YET_VALID &&
          later_list_covers(X509_STORE_CTX_get0_current_crl(context), X509_STORE_CTX_get_current_cert(context)))
        return 1;
      walk.revocation.note(error, depth);
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

Walked walk_chain(X509* certificate, const X509Stack& anchors, const X509Stack& intermediates, const CrlStack* crls,
                  base::Time at) {
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
  X509_VERIFY_PARAM_set_time(param, at.time_since_epoch().count());
  X509_VERIFY_PARAM_set_depth(param, max_path_length);
  X509_VERIFY_PARAM_set_auth_level(param, security_level_112);
  // X509_V_FLAG_X509_STRICT is not set: it refuses national roots for a missing key identifier. What matters of it is in
  // broken_constraint().
  // Any policy will do, but what authorities demand of policies (requireExplicitPolicy and so on) is not heard without these.
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_POLICY_CHECK);
  X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy));
  if (crls != nullptr) {
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    X509_STORE_CTX_set0_crls(context.get(), crls->get());
  }
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
                                     const TrustMaterial& trust) {
  std::vector<Certificate> found;
  for (const X509* one : chain) {
    const auto same = [one](const Certificate& candidate) { return candidate.native() == one; };
    if (same(certificate)) {
      found.push_back(certificate);
    } else if (const auto anchor = std::ranges::find_if(trust.anchors, same); anchor != trust.anchors.end()) {
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

// What RFC 5280 and RFC 3161 demand beyond OpenSSL's default checks; null if nothing is wrong.
const char* broken_constraint(const std::vector<Certificate>& chain, Purpose purpose) {
  if (!chain.front().fit_for_signing()) return "the certificate is not for signing: key usage or basic constraints";
  if (purpose == Purpose::time_stamping && !is_for_time_stamping_only(chain.front()))
    return "the certificate is not for time stamping alone: extended key usage";
  if (purpose == Purpose::client_authentication && !is_for_client_authentication(chain.front()))
    return "the certificate is not for authenticating a client: extended key usage";
  for (std::size_t i = 1; i + 1 < chain.size(); ++i) {  // an anchor may be of version 1, without extensions
    if (!chain[i].is_ca()) return "an issuer's certificate has no CA bit";
  }
  return nullptr;
}

bool is_signed_with_weak_digest(const X509_CRL* crl) {
  int digest = NID_undef;
  // RSA-PSS and EdDSA name no digest here and are not weak.
  OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &digest, nullptr);
  return digest == NID_sha1 || digest == NID_md5 || digest == NID_md4 || digest == NID_md2 || digest == NID_mdc2 ||
         digest == NID_ripemd160;
}

bool is_signed_by(X509_CRL* list, X509* issuer) {
  return (X509_get_key_usage(issuer) & KU_CRL_SIGN) != 0 && !is_signed_with_weak_digest(list) &&
         X509_CRL_verify(list, X509_get0_pubkey(issuer)) == 1;
}

bool has_signed(const Certificate& authority, X509_CRL* list) {
  return X509_NAME_cmp(X509_get_subject_name(authority.native()), X509_CRL_get_issuer(list)) == 0 &&
         is_signed_by(list, authority.native());
}

// The lists that an authority of the chain has signed. After a change of keys an authority is in the chain twice, under one name
// (self-issued, RFC 5280 6.1), and any of its keys will do: so lists and certificates are matched by that name alone.
std::vector<X509_CRL*> authentic_lists(const std::vector<Certificate>& chain, const std::vector<Crl>& crls) {
  std::vector<X509_CRL*> authentic;
  for (const Crl& crl : crls) {
    X509_CRL* list = crl.native();
    if (std::any_of(chain.begin() + 1, chain.end(), [list](const Certificate& above) { return has_signed(above, list); }))
      authentic.push_back(list);
  }
  return authentic;
}

bool is_about(const X509_CRL* list, const Certificate& certificate) {
  return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_issuer_name(certificate.native())) == 0;
}

// A list that tells of all certificates: not only of changes since another (RFC 5280 5.2.4), and with an end.
bool is_complete(const X509_CRL* crl) {
  return X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0 && X509_CRL_get0_nextUpdate(crl) != nullptr;
}

bool is_on_hold(const X509_REVOKED* entry) {
  const base::Owned<ASN1_ENUMERATED, ASN1_ENUMERATED_free> reason{
      static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr))};
  return reason && ASN1_ENUMERATED_get(reason.get()) == CRL_REASON_CERTIFICATE_HOLD;
}

// The earliest revocation that any authentic list tells of: one in force or not, because a revocation is for ever. Only a
// hold can be lifted: that counts in the newest complete list alone.
std::optional<base::Time> first_revocation(const Certificate& certificate, const std::vector<X509_CRL*>& lists) {
  std::optional<base::Time> newest;
  for (const X509_CRL* list : lists) {
    const auto made = time_of(X509_CRL_get0_lastUpdate(list));
    if (made && is_about(list, certificate) && is_complete(list)) newest = std::max(newest, made);
  }
  std::optional<base::Time> first;
  for (X509_CRL* list : lists) {
    X509_REVOKED* entry = nullptr;
    if (!is_about(list, certificate) || X509_CRL_get0_by_cert(list, &entry, certificate.native()) != 1)
      continue;  // 2: removeFromCRL
    if (is_on_hold(entry) && time_of(X509_CRL_get0_lastUpdate(list)) < newest) continue;
    // Without a date that can be read it was revoked always.
    const base::Time when = time_of(X509_REVOKED_get0_revocationDate(entry)).value_or(base::Time::min());
    first = first ? std::min(*first, when) : when;
  }
  return first;
}

// Only the lists that were found authentic are handed to OpenSSL: it picks one by name and date before it looks at the
// signature, so that a forged list would displace the good one.
struct Revocation {
  std::optional<base::Time> end_entity, authority;
  CrlStack usable;
};

Revocation revocation_of(const std::vector<Certificate>& chain, const std::vector<Crl>& crls, base::Time at) {
  Revocation revocation{.end_entity = {}, .authority = {}, .usable = CrlStack{sk_X509_CRL_new_null()}};
  const auto lists = authentic_lists(chain, crls);
  for (X509_CRL* list : lists) {
    if (is_complete(list)) sk_X509_CRL_push(revocation.usable.get(), list);
  }
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const auto when = first_revocation(chain[i], lists);
    if (!when || *when > at) continue;
    auto& which = i == 0 ? revocation.end_entity : revocation.authority;
    which = which ? std::min(*which, *when) : *when;
  }
  return revocation;
}

}  // namespace

PathReport validate_path(const Certificate& certificate, const TrustMaterial& trust, base::Time at, Purpose purpose) {
  const ErrorQueue queue;
  const X509Stack anchors = stack_of(trust.anchors);
  const X509Stack intermediates = stack_of(trust.intermediates);
  PathReport report;
  const auto ended = [&report](PathStatus status, std::string detail) {
    report.status = status;
    report.detail = std::move(detail);
    return std::move(report);
  };

  Walked walked = walk_chain(certificate.native(), anchors, intermediates, nullptr, at);
  const Finding path = walked.walk.path;
  if (path.error != X509_V_OK && status_of(path.error) == PathStatus::no_path) return ended(PathStatus::no_path, said(path));
  report.chain = owned_chain(walked.chain, certificate, trust);
  if (path.error != X509_V_OK) return ended(status_of(path.error), said(path));
  if (report.chain.size() != walked.chain.size() || report.chain.empty())
    return ended(PathStatus::no_path, "a chain of strangers");
  if (const char* broken = broken_constraint(report.chain, purpose)) return ended(PathStatus::constraints, broken);

  const Finding validity = walked.walk.validity;
  if (report.chain.size() > 1) {
    Revocation revocation = revocation_of(report.chain, trust.crls, at);
    if (revocation.end_entity || revocation.authority) {
      report.revoked_at = revocation.end_entity ? revocation.end_entity : revocation.authority;
      return ended(revocation.end_entity ? PathStatus::revoked : PathStatus::ca_revoked, "revoked");
    }
    if (validity.error == X509_V_OK) {
      walked = walk_chain(certificate.native(), anchors, intermediates, &revocation.usable, at);
      if (walked.walk.path.error != X509_V_OK) return ended(status_of(walked.walk.path.error), said(walked.walk.path));
      if (walked.walk.revocation.error != X509_V_OK) return ended(PathStatus::no_revocation_data, said(walked.walk.revocation));
    }
  }
  if (validity.error != X509_V_OK) return ended(status_of(validity.error), said(validity));
  return ended(PathStatus::valid, {});
}

std::vector<ListWanted> lists_wanted(const PathReport& path) {
  std::vector<ListWanted> wanted;
  if (path.status != PathStatus::no_revocation_data) return wanted;
  for (auto one = path.chain.begin(); one != path.chain.end() && one + 1 != path.chain.end(); ++one)
    wanted.push_back({*one, {one + 1, path.chain.end()}});
  return wanted;
}

bool is_wanted(const Crl& list, const ListWanted& wanted) {
  const ErrorQueue queue;
  return is_about(list.native(), wanted.certificate) && is_complete(list.native()) &&
         std::ranges::any_of(wanted.issuers, [&](const Certificate& issuer) { return has_signed(issuer, list.native()); });
}

}  // namespace signet::pki
