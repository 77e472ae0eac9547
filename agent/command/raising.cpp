#include "agent/command/raising.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "xades/stamp.hpp"

namespace signet::agent {

using base::ErrorCode;

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
  if (!plan) return std::unexpected(plan.error());
  const auto token = token_over(authorities_, plan->imprint);
  if (!token) return std::unexpected(token.error());
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
  document_ = std::move(*document);
  return look();
}

std::unexpected<base::Error> Raise::not_reached(xades::Level level) const {
  std::string why = report_.detail.empty() ? "its evidence is not complete" : report_.detail;
  for (const std::string& failure : judge_.failures()) why += "; not fetched: " + failure;
  return base::failure(ErrorCode::parameter_invalid, "signature " + std::to_string(signature_ + 1) + " does not reach " +
                                                         std::string(profile_name(level)) + ": " + why);
}

}  // namespace signet::agent
