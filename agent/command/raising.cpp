#include "agent/command/raising.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "service/text.hpp"
#include "xades/stamp.hpp"

namespace signet::agent {

using base::ErrorCode;
using service::filled;
using service::tr;

namespace {

base::Result<pki::TimeStampToken> token_over(service::TimeStamps& authorities, const base::Digest& imprint) {
  boost::asio::io_context io;
  std::optional<base::Result<pki::TimeStampToken>> token;
  boost::asio::co_spawn(io, authorities.token(imprint), [&](std::exception_ptr thrown, base::Result<pki::TimeStampToken> result) {
    if (thrown) std::rethrow_exception(thrown);
    token = std::move(result);
  });
  io.run();
  return std::move(*token);
}

}  // namespace

Raise::Raise(Judge& judge, service::TimeStamps& authorities, std::size_t signature, std::string document)
    : judge_(judge), authorities_(authorities), signature_(signature), document_(std::move(document)) {}

base::Result<void> Raise::to(xades::Level level) {
  using enum xades::Level;
  if (auto ok = look(); !ok) return ok;
  if (!has_time_stamp()) {
    if (is_past_help()) return not_reached(level);
    if (auto ok = stamp(false); !ok) return ok;
  }
  if (level >= b_lt && report_.level < b_lt) {
    if (auto ok = add_validation_data(); !ok) return ok;
  }
  // A further archive time stamp is what keeps one alive whose own is about to end.
  if (level >= b_lta) {
    if (auto ok = stamp(true); !ok) return ok;
  }
  if (!report_.level || *report_.level < level) return not_reached(level);
  return {};
}

base::Result<void> Raise::look() {
  auto reports = judge_.judge(base::as_bytes(document_));
  if (!reports) return base::failure_of(reports);
  report_ = std::move(reports->at(signature_));
  if (report_.integrity != xades::Integrity::invalid) return {};
  said_ =
      filled(tr("Signature %1 does not hold: %2"), {std::to_string(signature_ + 1), explanation_of(report_, judge_.context())});
  return base::failure(ErrorCode::parameter_invalid,
                       "signature " + std::to_string(signature_ + 1) + " is not valid: " + report_.detail);
}

bool Raise::has_time_stamp() const {
  return std::ranges::any_of(report_.time_stamps, [](const xades::TimeStampFinding& stamp) {
    return stamp.kind == xades::TimeStampKind::signature && stamp.holds;
  });
}

// What a time stamp of now comes too late for.
bool Raise::is_past_help() const {
  using enum xades::SubIndication;
  constexpr std::array late{revoked,
                            revoked_no_poe,
                            revoked_ca_no_poe,
                            expired,
                            not_yet_valid,
                            out_of_bounds_no_poe,
                            out_of_bounds_not_revoked,
                            no_certificate_chain_found_no_poe,
                            crypto_constraints_failure,
                            crypto_constraints_failure_no_poe};
  return std::ranges::find(late, report_.sub_indication) != late.end();
}

base::Result<void> Raise::stamp(bool archive) {
  constexpr auto digest = base::DigestAlgorithm::sha256;
  const auto& how = judge_.how();
  const auto plan = archive ? xades::plan_archive_time_stamp(document_, how.data, digest, how.limits, signature_)
                            : xades::plan_time_stamp(document_, digest, how.limits, signature_);
  if (!plan) {
    if (archive && lacks_content())
      said_ = tr(
          "An archive time stamp (B-LTA) is over the document itself: give it with --content. Where only its hash is known, B-LT "
          "is the highest level.");
    return std::unexpected(plan.error());
  }
  const auto token = token_over(authorities_, plan->imprint);
  if (!token) return std::unexpected(token.error());
  changed_ = true;
  document_ = xades::stamped(document_, *plan, token->der);
  // It was made just now: the time of the judgement must not be before it.
  if (judge_.how().at < token->time) judge_.how().at = token->time;
  return look();
}

base::Result<void> Raise::add_validation_data() {
  if (!report_.path || report_.path->status != pki::PathStatus::valid) return not_reached(xades::Level::b_lt);
  const auto [of_signer, of_time_stamps] = xades::validation_data_of(report_);
  auto document = xades::with_validation_data(document_, of_signer, of_time_stamps, judge_.how().limits, signature_);
  if (!document) return std::unexpected(document.error());
  changed_ = true;
  document_ = std::move(*document);
  return look();
}

// Something outside of the file of which not more than the hash is known.
bool Raise::lacks_content() const {
  return std::ranges::any_of(report_.references, [&](const xades::ReferenceReport& one) {
    return !one.within && !one.in_manifest &&
           (!one.datum || std::holds_alternative<base::Digest>(judge_.how().data[*one.datum].content));
  });
}

std::unexpected<base::Error> Raise::not_reached(xades::Level level) {
  const ReportContext context = judge_.context();
  const auto lame = std::ranges::find(report_.time_stamps, false, &xades::TimeStampFinding::holds);
  const bool judged_well = report_.sub_indication == xades::SubIndication::none;
  const std::string because = !judged_well ? explanation_of(report_, context)
                              : lame != report_.time_stamps.end()
                                  ? filled(tr("of a time stamp: %1."), {explanation_of(*lame)})
                                  : std::string(tr("not all that proves its certificates could be had."));
  said_ = filled(tr("Signature %1 does not reach %2: %3"),
                 {std::to_string(signature_ + 1), std::string(profile_name(level)), because});
  if (const std::string advice = advice_on(report_, context); !advice.empty())
    said_ += "\n        " + filled(tr("What to do: %1"), {advice});
  std::string why = report_.detail.empty() ? "its evidence is not complete" : report_.detail;
  for (const trust::NotHad& failure : judge_.failures()) {
    why += "; not fetched: " + (failure.url.empty() ? "" : failure.url + ": ") + failure.why;
    said_ += "\n        " + shown(failure);
  }
  return base::failure(ErrorCode::parameter_invalid, "signature " + std::to_string(signature_ + 1) + " does not reach " +
                                                         std::string(profile_name(level)) + ": " + why);
}

}  // namespace signet::agent
