#include "revocation.hpp"

#include <openssl/x509v3.h>

#include <algorithm>

#include "openssl.hpp"
#include "signature_algorithm.hpp"

namespace signet::pki {
namespace {

using base::Owned;
using base::Time;
using Reasons = unsigned;  // bits of ReasonFlags (RFC 5280 4.2.1.13)

constexpr Reasons all_reasons = 0x1fe;  // keyCompromise to aACompromise: bits 1 to 8
constexpr Reasons hold_reason = 1u << 6;
constexpr int max_distribution_points = 16;
constexpr std::size_t max_delegates = 256;      // responders' certificates of one path that are verified; real paths have two
constexpr std::size_t max_outside_signers = 8;  // whose paths are built; real lists have none or one
// An OCSP response without nextUpdate says that newer ones are always there: it is good for a check of now.
constexpr std::chrono::hours ocsp_without_end{1};

Reasons reasons_of(const ASN1_BIT_STRING* flags) {
  if (flags == nullptr) return all_reasons;
  Reasons reasons = 0;
  for (int bit = 1; bit <= 8; ++bit) {
    if (ASN1_BIT_STRING_get_bit(flags, bit) == 1) reasons |= 1u << bit;
  }
  return reasons;
}

bool names(const GENERAL_NAMES* names, const X509_NAME* wanted) {
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(names, i);
    if (one->type == GEN_DIRNAME && X509_NAME_cmp(one->d.directoryName, wanted) == 0) return true;
  }
  return false;
}

bool share_a_name(const GENERAL_NAMES* left, const GENERAL_NAMES* right) {
  for (int i = 0; i < sk_GENERAL_NAME_num(left); ++i) {
    for (int j = 0; j < sk_GENERAL_NAME_num(right); ++j) {
      if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(left, i), sk_GENERAL_NAME_value(right, j)) == 0) return true;
    }
  }
  return false;
}

// A name relative to its issuer's is made whole by DIST_POINT_set_dpname (type 1).
bool share_a_name(const DIST_POINT_NAME* left, const DIST_POINT_NAME* right) {
  if (left->type == 1 && right->type == 1)
    return left->dpname != nullptr && right->dpname != nullptr && X509_NAME_cmp(left->dpname, right->dpname) == 0;
  if (left->type == 1) return left->dpname != nullptr && names(right->name.fullname, left->dpname);
  if (right->type == 1) return right->dpname != nullptr && names(left->name.fullname, right->dpname);
  return share_a_name(left->name.fullname, right->name.fullname);
}

using Points = Owned<CRL_DIST_POINTS, CRL_DIST_POINTS_free>;
using Scope = Owned<ISSUING_DIST_POINT, ISSUING_DIST_POINT_free>;
using Integer = Owned<ASN1_INTEGER, ASN1_INTEGER_free>;

Points points_of(const Certificate& certificate) {
  Points points{
      static_cast<CRL_DIST_POINTS*>(X509_get_ext_d2i(certificate.native(), NID_crl_distribution_points, nullptr, nullptr))};
  if (sk_DIST_POINT_num(points.get()) > max_distribution_points) points.reset();
  for (int i = 0; i < sk_DIST_POINT_num(points.get()); ++i) {
    const DIST_POINT* point = sk_DIST_POINT_value(points.get(), i);
    if (point->distpoint != nullptr && point->distpoint->type == 1) {
      const X509_NAME* base = X509_get_issuer_name(certificate.native());
      for (int j = 0; j < sk_GENERAL_NAME_num(point->CRLissuer); ++j) {
        const GENERAL_NAME* one = sk_GENERAL_NAME_value(point->CRLissuer, j);
        if (one->type == GEN_DIRNAME) base = one->d.directoryName;
      }
      DIST_POINT_set_dpname(point->distpoint, base);
    }
  }
  return points;
}

template <class T>
T* extension_of(const X509_CRL* list, int nid) {
  return static_cast<T*>(X509_CRL_get_ext_d2i(list, nid, nullptr, nullptr));
}

// Who signed a list.
struct ListSigner {
  Certificate certificate;
  std::vector<Certificate> path;  // of one that is not of the chain
  std::vector<bool> speaks_for;   // by places in the chain: for what that authority issued
};

// A list that somebody entitled has signed, with what it says about itself.
struct AuthenticList {
  const Crl* crl;
  ListSigner signer;
  Time made;
  std::optional<Time> end = {};
  Scope scope = {};
  Integer number = {}, changes_since = {};
  std::optional<Time> expired_since = {};  // expiredCertsOnCRL
  bool readable = true;                    // no critical extension that is unknown, no scope that contradicts itself

  X509_CRL* native() const { return crl->native(); }
  bool indirect() const { return scope && scope->indirectCRL > 0; }
};

// ISO/IEC 9594-8 9.5.2.4; OpenSSL has no name for it.
std::optional<Time> expired_since(const X509_CRL* list) {
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> wanted{OBJ_txt2obj("2.5.29.60", 1)};
  const int at = X509_CRL_get_ext_by_OBJ(list, wanted.get(), -1);
  if (at < 0) return std::nullopt;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_CRL_get_ext(list, at));
  const auto time = decoded<ASN1_GENERALIZEDTIME_free>(
      d2i_ASN1_GENERALIZEDTIME, {ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))});
  return time_of(time.get());
}

std::optional<AuthenticList> read_list(const Crl& crl, ListSigner signer) {
  const auto made = crl.this_update();
  if (!made) return std::nullopt;
  AuthenticList out{.crl = &crl, .signer = std::move(signer), .made = *made};
  out.end = crl.next_update();
  out.scope.reset(extension_of<ISSUING_DIST_POINT>(crl.native(), NID_issuing_distribution_point));
  out.number.reset(extension_of<ASN1_INTEGER>(crl.native(), NID_crl_number));
  out.changes_since.reset(extension_of<ASN1_INTEGER>(crl.native(), NID_delta_crl));
  out.expired_since = expired_since(crl.native());
  const bool scoped = X509_CRL_get_ext_by_NID(crl.native(), NID_issuing_distribution_point, -1) >= 0;
  const bool partial = X509_CRL_get_ext_by_NID(crl.native(), NID_delta_crl, -1) >= 0;
  const ISSUING_DIST_POINT* scope = out.scope.get();
  if (crl.has_unknown_critical_extension() || scoped != (scope != nullptr) || partial != (out.changes_since != nullptr))
    out.readable = false;
  if (scope != nullptr) {
    out.readable &= (scope->onlyuser > 0) + (scope->onlyCA > 0) + (scope->onlyattr > 0) <= 1;
    if (scope->distpoint != nullptr && scope->distpoint->type == 1)
      DIST_POINT_set_dpname(scope->distpoint, X509_CRL_get_issuer(crl.native()));
  }
  return out;
}

// 6.3.3 (b), (d): for which reasons this list, of somebody who is_entitled(), tells of that certificate.
Reasons reasons_covered(const AuthenticList& list, const Certificate& certificate, const CRL_DIST_POINTS* points) {
  const ISSUING_DIST_POINT* scope = list.scope.get();
  const X509_NAME* by = X509_CRL_get_issuer(list.native());
  if (scope != nullptr) {
    if (scope->onlyattr > 0 || (scope->onlyuser > 0 && certificate.is_ca()) || (scope->onlyCA > 0 && !certificate.is_ca()))
      return 0;
  }
  const Reasons of_list = scope == nullptr ? all_reasons : reasons_of(scope->onlysomereasons);
  const bool own = X509_NAME_cmp(by, X509_get_issuer_name(certificate.native())) == 0;
  const DIST_POINT_NAME* place = scope == nullptr ? nullptr : scope->distpoint;
  Reasons covered = 0;
  for (int i = 0; i < sk_DIST_POINT_num(points); ++i) {
    const DIST_POINT* point = sk_DIST_POINT_value(points, i);
    const bool entitled = point->CRLissuer == nullptr ? own : names(point->CRLissuer, by);
    if (!entitled) continue;
    bool here = place == nullptr;
    if (place != nullptr && point->distpoint != nullptr) here = share_a_name(point->distpoint, place);
    if (place != nullptr && point->distpoint == nullptr)
      here = place->type == 0 && share_a_name(point->CRLissuer, place->name.fullname);
    if (here) covered |= of_list & reasons_of(point->reasons);
  }
  // 6.3.3, the last paragraph: as if there were a distribution point of the issuer's name alone.
  if (own && (place == nullptr || (place->type == 0 && names(place->name.fullname, by)))) covered |= of_list;
  return covered;
}

bool is_named_as_list_issuer(const X509_CRL* list, const CRL_DIST_POINTS* points) {
  for (int i = 0; i < sk_DIST_POINT_num(points); ++i) {
    if (names(sk_DIST_POINT_value(points, i)->CRLissuer, X509_CRL_get_issuer(list))) return true;
  }
  return false;
}

// Whether the certificate's issuer, which is in the chain at `issuers`, has put its revocations into the hands of that list's.
bool is_entitled(const AuthenticList& list, const Certificate& certificate, std::size_t issuers, const CRL_DIST_POINTS* points) {
  if (is_about(list.native(), certificate)) return list.signer.speaks_for[issuers];
  return list.indirect() && is_named_as_list_issuer(list.native(), points);
}

bool have_one_key(const Certificate& left, const Certificate& right) {
  const EVP_PKEY* one = X509_get0_pubkey(left.native());
  const EVP_PKEY* other = X509_get0_pubkey(right.native());
  return one != nullptr && other != nullptr && EVP_PKEY_eq(one, other) == 1;
}

// All usages where the extension is absent are not meant here.
bool says_that_it_signs_lists(const Certificate& certificate) {
  return (X509_get_extension_flags(certificate.native()) & EXFLAG_KUSAGE) != 0 &&
         (X509_get_key_usage(certificate.native()) & KU_CRL_SIGN) != 0;
}

// 5.2.1: the key that the list says to be signed by, where it does, is not another than the certificate's.
bool can_be_signed_by(const Crl& list, const Certificate& certificate) {
  const Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free> key{
      extension_of<AUTHORITY_KEYID>(list.native(), NID_authority_key_identifier)};
  return !key || X509_check_akid(certificate.native(), key.get()) == X509_V_OK;
}

struct Entry {
  enum class Kind : std::uint8_t { absent, revoked, on_hold, removed } kind = Kind::absent;
  Time when = Time::min();
};

Entry entry_of(const AuthenticList& list, const Certificate& certificate) {
  X509_REVOKED* found = nullptr;
  const int result = X509_CRL_get0_by_cert(list.native(), &found, certificate.native());
  if (result == 0) return {};
  if (result == 2) return {.kind = Entry::Kind::removed};
  const Owned<ASN1_ENUMERATED, ASN1_ENUMERATED_free> reason{
      static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(found, NID_crl_reason, nullptr, nullptr))};
  const bool on_hold = reason && ASN1_ENUMERATED_get(reason.get()) == CRL_REASON_CERTIFICATE_HOLD;
  // Without a date that can be read it was revoked always.
  return {.kind = on_hold ? Entry::Kind::on_hold : Entry::Kind::revoked,
          .when = time_of(X509_REVOKED_get0_revocationDate(found)).value_or(Time::min())};
}

// Before the certificate had expired; after that it may have been forgotten (RFC 5280 5.1.2.6), unless it is said to go back so
// far.
bool was_told_in_time(Time made, std::optional<Time> goes_back_to, const Certificate& certificate) {
  return made <= certificate.not_after() || (goes_back_to && *goes_back_to <= certificate.not_after());
}

// Whether what was found out then counts at `at`: it was in force, or was made later (better: it knows more) while the
// certificate had not expired. After that it may have been forgotten (RFC 5280 5.1.2.6), unless it is said to go back so far.
bool counts(Time made, std::optional<Time> end, std::optional<Time> goes_back_to, const Certificate& certificate, Time at) {
  if (made > at) return was_told_in_time(made, goes_back_to, certificate);
  return end && at < *end;
}

bool same_scope(const AuthenticList& left, const AuthenticList& right) {
  if (X509_NAME_cmp(X509_CRL_get_issuer(left.native()), X509_CRL_get_issuer(right.native())) != 0) return false;
  for (const int nid : {NID_issuing_distribution_point, NID_authority_key_identifier}) {
    const auto bytes = [nid](X509_CRL* list) {
      const int at = X509_CRL_get_ext_by_NID(list, nid, -1);
      if (at < 0) return base::Bytes{};
      const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_CRL_get_ext(list, at));
      const unsigned char* data = ASN1_STRING_get0_data(value);
      return base::Bytes(data, data + ASN1_STRING_length(value));
    };
    if (bytes(left.native()) != bytes(right.native())) return false;
  }
  return true;
}

// RFC 5280 5.2.4 (a) to (d), 6.3.3 (h): `changes` can be put on top of `complete`.
bool fits(const AuthenticList& changes, const AuthenticList& complete) {
  return changes.changes_since && have_one_key(changes.signer.certificate, complete.signer.certificate) && complete.number &&
         changes.number && !complete.changes_since && same_scope(changes, complete) &&
         ASN1_INTEGER_cmp(changes.changes_since.get(), complete.number.get()) <= 0 &&
         ASN1_INTEGER_cmp(complete.number.get(), changes.number.get()) < 0;
}

class Check {
 public:
  Check(const std::vector<Certificate>& chain, const RevocationContext& context) : chain_(chain), context_(context) {
    for (const Crl& crl : context.trust.crls) {
      auto signer = signer_of(crl);
      if (!signer) continue;
      if (auto list = read_list(crl, std::move(*signer)); list && list->readable) lists_.push_back(std::move(*list));
    }
  }

  // About a certificate whose path is the end of the chain that begins at `issuers`.
  RevocationFinding of(const Certificate& certificate, std::size_t issuers, bool by_delegates) const {
    RevocationFinding finding;
    const Points points = points_of(certificate);
    const auto responses = responses_about(certificate, issuers, by_delegates);
    note_revocations(finding, certificate, issuers, points.get(), responses);
    if (finding.revoked_at) return finding;
    if (clear(finding, certificate, responses)) return finding;
    clear(finding, certificate, issuers, points.get());
    if (finding.evidence.source == RevocationEvidence::Source::none) finding.weak_algorithm = weakly_told(certificate, issuers);
    return finding;
  }

 private:
  struct Answer {
    const OcspResponse* response;
    OcspStatus status;
    std::optional<Certificate> responder;  // other than the issuer
  };

  // Who signed it of those who may; none: nobody.
  std::optional<ListSigner> signer_of(const Crl& crl) {
    const Time since = context_.since(crl.der());
    const auto signed_it = [&](const Certificate& authority) {
      const bool fits = X509_NAME_cmp(X509_get_subject_name(authority.native()), X509_CRL_get_issuer(crl.native())) == 0;
      return fits && may_spend(authority, crl.der().size()) && has_signed(authority, crl, context_.algorithms, since);
    };
    // Where nobody else is asked the signer of a list is itself what is checked: it may be on the list that it signs
    // (PKITS 4.14.30).
    for (auto one = chain_.begin() + (context_.signer_path ? 1 : 0); one != chain_.end(); ++one) {
      if (signed_it(*one)) return ListSigner{*one, {}, spoken_for_by(*one, crl)};
    }
    if (!context_.signer_path) return std::nullopt;
    const bool asked = is_list_issuer_of_the_chain(crl);
    for (const auto* candidates : {&context_.trust.intermediates, &context_.trust.anchors}) {
      for (const Certificate& candidate : *candidates) {
        if (!says_that_it_signs_lists(candidate) || !signed_it(candidate)) continue;
        auto speaks_for = spoken_for_by(candidate, crl);
        if (!asked && std::ranges::find(speaks_for, true) == speaks_for.end()) continue;
        if (++outside_signers_ > max_outside_signers) return std::nullopt;
        if (auto path = context_.signer_path(candidate)) return ListSigner{candidate, std::move(*path), std::move(speaks_for)};
      }
    }
    return std::nullopt;
  }

  std::vector<bool> spoken_for_by(const Certificate& signer, const Crl& crl) const {
    std::vector<bool> out(chain_.size());
    for (std::size_t i = 1; i < chain_.size(); ++i) {
      const bool of_its_name = X509_NAME_cmp(X509_get_subject_name(chain_[i].native()), X509_CRL_get_issuer(crl.native())) == 0;
      out[i] = of_its_name && speaks_for(signer, crl, i);
    }
    return out;
  }

  // Whether the key that signed the list is the authority's at `place`, and not a namesake's: another that was certified under
  // that name, somewhere below the same anchor, has lists of its own. (6.3.3 (f) asks for a path alone, as no two authorities of
  // a PKI are to have one name; who certifies them does not always know.)
  bool speaks_for(const Certificate& signer, const Crl& crl, std::size_t place) const {
    if (have_one_key(signer, chain_[place])) return true;
    if (!can_be_signed_by(crl, signer)) return false;
    // After a change of keys one key of the authority has certified the other (self-issued, 6.1).
    std::size_t last = place;
    while (last + 1 < chain_.size() && is_self_issued(chain_[last])) {
      if (have_one_key(signer, chain_[++last])) return true;
    }
    if (!says_that_it_signs_lists(signer)) return false;
    for (std::size_t i = place; i <= last && is_self_issued(signer); ++i) {
      if (is_certified_by(signer, chain_[i])) return true;
    }
    // One who does not sign lists itself was given a key for lists alone by the same authority above it (PKITS 4.4.19).
    const auto usage = [](const Certificate& one) { return X509_get_key_usage(one.native()); };
    return (usage(chain_[place]) & KU_CRL_SIGN) == 0 && (usage(signer) & KU_KEY_CERT_SIGN) == 0 && place + 1 < chain_.size() &&
           is_certified_by(signer, chain_[place + 1]);
  }

  bool is_certified_by(const Certificate& certificate, const Certificate& authority) const {
    return X509_NAME_cmp(X509_get_issuer_name(certificate.native()), X509_get_subject_name(authority.native())) == 0 &&
           may_spend(authority, certificate.der().size()) &&
           X509_verify(certificate.native(), X509_get0_pubkey(authority.native())) == 1;
  }

  bool may_spend(const Certificate& signer, std::size_t octets) const {
    return context_.budget == nullptr || context_.budget->take(cost_of_verification(X509_get0_pubkey(signer.native()), octets));
  }

  bool is_list_issuer_of_the_chain(const Crl& crl) const {
    return std::any_of(chain_.begin(), chain_.end() - 1,
                       [&](const Certificate& one) { return is_named_as_list_issuer(crl.native(), points_of(one).get()); });
  }

  // RFC 6960 4.2.2.2: who may speak for the issuer, and did.
  std::optional<Answer> answer_of(const OcspResponse& response, const Certificate& certificate, std::size_t issuers,
                                  bool by_delegates) const {
    const Certificate& issuer = chain_[issuers];
    const auto status = response.status_of(certificate, issuer);
    if (!status) return std::nullopt;
    const Time since = context_.since(response.der());
    const auto signed_well = [&](const Certificate& signer) {
      return response.names_as_responder(signer) && may_spend(signer, response.der().size()) &&
             has_signed(signer, response, context_.algorithms, since);
    };
    if (signed_well(issuer)) return Answer{&response, *status, {}};
    if (!by_delegates) return std::nullopt;
    for (const auto* candidates : {&response.certificates(), &context_.trust.intermediates}) {
      for (const Certificate& candidate : *candidates) {
        if (candidate != issuer && delegates_++ < max_delegates && may_spend(issuer, candidate.der().size()) &&
            is_delegate(candidate, issuer, response.produced_at(), context_.algorithms, since) && signed_well(candidate) &&
            is_in_good_standing(candidate, issuers))
          return Answer{&response, *status, candidate};
      }
    }
    return std::nullopt;
  }

  // 4.2.2.2.1: nobody asks about a responder with id-pkix-ocsp-nocheck; of another the issuer must tell.
  bool is_in_good_standing(const Certificate& responder, std::size_t issuers) const {
    if (X509_get_ext_by_NID(responder.native(), NID_id_pkix_OCSP_noCheck, -1) >= 0) return true;
    const RevocationFinding finding = of(responder, issuers, false);
    return !finding.revoked_at && finding.evidence.source != RevocationEvidence::Source::none;
  }

  std::vector<Answer> responses_about(const Certificate& certificate, std::size_t issuers, bool by_delegates) const {
    std::vector<Answer> answers;
    for (const OcspResponse& response : context_.trust.ocsp) {
      if (auto answer = answer_of(response, certificate, issuers, by_delegates)) answers.push_back(std::move(*answer));
    }
    return answers;
  }

  // Why what the issuer itself says of it now does not count, where nothing else is wrong with that than an algorithm.
  std::optional<std::string> weakly_told(const Certificate& certificate, std::size_t issuers) const {
    const EVP_PKEY* key = X509_get0_pubkey(chain_[issuers].native());
    for (const Crl& crl : context_.trust.crls) {
      if (!is_about(crl.native(), certificate) || !is_complete(crl.native())) continue;
      const X509_ALGOR* algorithm = nullptr;
      X509_CRL_get0_signature(crl.native(), nullptr, &algorithm);
      auto weak = signature_weakness(context_.algorithms, algorithm, key, context_.since(crl.der()));
      if (weak && X509_CRL_verify(crl.native(), X509_get0_pubkey(chain_[issuers].native())) == 1) return weak;
    }
    for (const OcspResponse& response : context_.trust.ocsp) {
      if (!response.status_of(certificate, chain_[issuers])) continue;
      auto weak = signature_weakness(context_.algorithms, OCSP_resp_get0_tbs_sigalg(response.native()), key,
                                     context_.since(response.der()));
      if (weak && response.is_signed_by(chain_[issuers])) return weak;
    }
    return std::nullopt;
  }

  // The earliest revocation that anything authentic tells of: in force or not, because a revocation is for ever. Only a hold can
  // be lifted: that counts in what is newest alone.
  void note_revocations(RevocationFinding& finding, const Certificate& certificate, std::size_t issuers,
                        const CRL_DIST_POINTS* points, const std::vector<Answer>& answers) const {
    Time newest = Time::min();
    for (const AuthenticList& list : lists_) {
      const bool removes = entry_of(list, certificate).kind == Entry::Kind::removed;
      const bool would_tell = is_complete(list.native()) && (reasons_covered(list, certificate, points) & hold_reason) != 0;
      if (is_entitled(list, certificate, issuers, points) && (removes || would_tell)) newest = std::max(newest, list.made);
    }
    for (const Answer& answer : answers) {
      if (answer.status.value != OcspStatus::Value::unknown) newest = std::max(newest, answer.status.this_update);
    }
    for (const AuthenticList& list : lists_) {
      const Entry entry = entry_of(list, certificate);
      if (entry.kind == Entry::Kind::absent || entry.kind == Entry::Kind::removed ||
          !is_entitled(list, certificate, issuers, points) || (entry.kind == Entry::Kind::on_hold && list.made < newest) ||
          entry.when > context_.at)
        continue;
      if (finding.revoked_at && *finding.revoked_at <= entry.when) continue;
      finding.revoked_at = entry.when;
      finding.evidence = by_list(list);
    }
    for (const Answer& answer : answers) {
      const OcspStatus& status = answer.status;
      if (status.value != OcspStatus::Value::revoked || *status.revoked_at > context_.at ||
          (status.on_hold && status.this_update < newest))
        continue;
      if (finding.revoked_at && *finding.revoked_at <= *status.revoked_at) continue;
      finding.revoked_at = *status.revoked_at;
      finding.evidence = by_answer(answer);
    }
  }

  // The newest answer that counts: the certificate is good, or was revoked later.
  bool clear(RevocationFinding& finding, const Certificate& certificate, const std::vector<Answer>& answers) const {
    const Answer* best = nullptr;
    for (const Answer& answer : answers) {
      const OcspStatus& status = answer.status;
      const auto end = status.next_update.value_or(status.this_update + ocsp_without_end);
      if (status.value == OcspStatus::Value::unknown ||
          !counts(status.this_update, end, status.archive_cutoff, certificate, context_.at))
        continue;
      if (best == nullptr || status.this_update > best->status.this_update) best = &answer;
    }
    if (best == nullptr) return false;
    finding.evidence = by_answer(*best);
    if (best->status.value == OcspStatus::Value::revoked) finding.evidence.revoked_later = best->status.revoked_at;
    finding.tells_of_expired = was_told_in_time(best->status.this_update, best->status.archive_cutoff, certificate);
    return true;
  }

  // Lists that together tell of all reasons, the newest first.
  void clear(RevocationFinding& finding, const Certificate& certificate, std::size_t issuers,
             const CRL_DIST_POINTS* points) const {
    std::vector<const AuthenticList*> newest_first;
    for (const AuthenticList& list : lists_) newest_first.push_back(&list);
    std::ranges::sort(newest_first, std::ranges::greater{}, &AuthenticList::made);
    Reasons told = 0;
    std::vector<const AuthenticList*> used;
    for (const AuthenticList* list : newest_first) {
      if (list->changes_since || !list->end || told == all_reasons || !is_entitled(*list, certificate, issuers, points)) continue;
      const Reasons more = reasons_covered(*list, certificate, points) & ~told;
      if (more == 0) continue;
      const AuthenticList* changes = nullptr;
      if (!counts(list->made, list->end, list->expired_since, certificate, context_.at)) {
        changes = changes_to(*list, certificate);
        if (changes == nullptr) continue;
      }
      told |= more;
      used.push_back(list);
      if (changes != nullptr) used.push_back(changes);
    }
    if (told != all_reasons) return;
    for (const AuthenticList* list : used) {
      add(finding.evidence, *list);
      // Those before or at the time in question were found already.
      if (const Entry entry = entry_of(*list, certificate); entry.kind == Entry::Kind::revoked)
        finding.evidence.revoked_later = std::min(finding.evidence.revoked_later.value_or(entry.when), entry.when);
    }
    finding.tells_of_expired = std::ranges::all_of(
        used, [&](const AuthenticList* list) { return was_told_in_time(list->made, list->expired_since, certificate); });
  }

  // A list that has ended, brought up to date by changes that count (5.2.4: as if it had been issued with them).
  const AuthenticList* changes_to(const AuthenticList& complete, const Certificate& certificate) const {
    if (complete.made > context_.at) return nullptr;
    for (const AuthenticList& list : lists_) {
      if (list.changes_since && list.end && fits(list, complete) &&
          counts(list.made, list.end, list.expired_since, certificate, context_.at))
        return &list;
    }
    return nullptr;
  }

  static void add(RevocationEvidence& evidence, const AuthenticList& list) {
    const bool first = evidence.crls.empty();
    evidence.source = RevocationEvidence::Source::crl;
    evidence.produced = first ? list.made : std::max(evidence.produced, list.made);
    evidence.next_update = first || !evidence.next_update || !list.end ? list.end : std::max(evidence.next_update, list.end);
    evidence.crls.push_back(*list.crl);
    evidence.signers.insert(evidence.signers.end(), list.signer.path.begin(), list.signer.path.end());
  }
  static RevocationEvidence by_list(const AuthenticList& list) {
    RevocationEvidence evidence;
    add(evidence, list);
    return evidence;
  }
  static RevocationEvidence by_answer(const Answer& answer) {
    RevocationEvidence evidence;
    evidence.source = RevocationEvidence::Source::ocsp;
    evidence.produced = answer.response->produced_at();
    evidence.next_update = answer.status.next_update;
    evidence.ocsp = *answer.response;
    if (answer.responder) evidence.signers.push_back(*answer.responder);
    return evidence;
  }

  const std::vector<Certificate>& chain_;
  const RevocationContext& context_;
  std::vector<AuthenticList> lists_;
  std::size_t outside_signers_ = 0;
  mutable std::size_t delegates_ = 0;  // of this path's checks, which are one thread's
};

}  // namespace

bool is_complete(const X509_CRL* list) {
  return X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) < 0 && X509_CRL_get0_nextUpdate(list) != nullptr;
}

bool is_about(const X509_CRL* list, const Certificate& certificate) {
  return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_issuer_name(certificate.native())) == 0;
}

bool is_self_issued(const Certificate& certificate) {
  return X509_NAME_cmp(X509_get_subject_name(certificate.native()), X509_get_issuer_name(certificate.native())) == 0;
}

bool has_signed(const Certificate& authority, const Crl& list, const AlgorithmTable& algorithms, Time at) {
  X509* x = authority.native();
  const EVP_PKEY* key = X509_get0_pubkey(x);
  if (X509_NAME_cmp(X509_get_subject_name(x), X509_CRL_get_issuer(list.native())) != 0 ||
      (X509_get_key_usage(x) & KU_CRL_SIGN) == 0 || key == nullptr)
    return false;
  const X509_ALGOR* algorithm = nullptr;
  X509_CRL_get0_signature(list.native(), nullptr, &algorithm);
  return !signature_weakness(algorithms, algorithm, key, at) && X509_CRL_verify(list.native(), X509_get0_pubkey(x)) == 1;
}

bool is_delegate(const Certificate& candidate, const Certificate& issuer, Time then, const AlgorithmTable& algorithms, Time at) {
  X509* x = candidate.native();
  X509* above = issuer.native();
  const std::uint32_t flags = X509_get_extension_flags(x);
  if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0) return false;
  // The usage must be said: all usages where the extension is absent are not meant here.
  if ((flags & EXFLAG_XKUSAGE) == 0 || (X509_get_extended_key_usage(x) & XKU_OCSP_SIGN) == 0) return false;
  if ((X509_get_key_usage(x) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0) return false;
  if (then < candidate.not_before() || then > candidate.not_after()) return false;
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(nullptr, &algorithm, x);
  return X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(above)) == 0 &&
         !signature_weakness(algorithms, algorithm, X509_get0_pubkey(above), at) && X509_verify(x, X509_get0_pubkey(above)) == 1;
}

bool has_signed(const Certificate& responder, const OcspResponse& response, const AlgorithmTable& algorithms, Time at) {
  return !signature_weakness(algorithms, OCSP_resp_get0_tbs_sigalg(response.native()), X509_get0_pubkey(responder.native()),
                             at) &&
         response.is_signed_by(responder);
}

std::vector<RevocationFinding> revocation_of(const std::vector<Certificate>& chain, const RevocationContext& context) {
  std::vector<RevocationFinding> findings;
  if (chain.size() > 1) {
    const Check check(chain, context);
    for (std::size_t i = 0; i + 1 < chain.size(); ++i) findings.push_back(check.of(chain[i], i + 1, true));
  }
  RevocationFinding anchor;
  anchor.evidence.source = RevocationEvidence::Source::anchor;
  findings.push_back(std::move(anchor));
  return findings;
}

}  // namespace signet::pki
