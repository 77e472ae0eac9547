#include "pki/time_stamp.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <set>

#include "property.hpp"
#include "world.hpp"

// What a TSA answers, and the token that a signature carries: an input is taken for both.

using namespace signet;
using fuzz::hold;
using fuzz::world;
using pki::TimeStampStatus;

namespace {

// The genTimes of what the world's TSA signed over the world's imprint.
const std::set<base::Time>& known_times() {
  static const std::set<base::Time> known = [] {
    std::set<base::Time> times;
    for (const base::Bytes& seed : fuzz::seeds("time_stamp")) {
      if (const auto token = pki::read_time_stamp_response(seed, world().request)) times.insert(token->time);
    }
    hold(!times.empty());
    return times;
  }();
  return known;
}

void check_response(base::BytesView input) {
  const auto token = pki::read_time_stamp_response(input, world().request);
  if (!token) {
    hold(token.error().code == base::ErrorCode::time_stamp_failed);
    return;
  }
  hold(token->imprint == world().request.imprint && known_times().contains(token->time) && !token->policy.empty());
  const auto again = pki::parse_time_stamp_token(token->der);
  hold(again && again->time == token->time && again->imprint == token->imprint);
}

void check_token(base::BytesView input) {
  const auto token = pki::parse_time_stamp_token(input);
  if (token) hold(std::ranges::equal(token->der, input) && !token->policy.empty());
  const auto report = pki::verify_time_stamp(input, world().request.imprint, world().trust, fuzz::now);
  if (report.status == TimeStampStatus::valid) {
    hold(token && token->imprint == world().request.imprint && token->time == report.time);
    hold(report.signer == world().tsa && report.path.status == pki::PathStatus::valid);
    hold(report.time <= fuzz::now && report.time >= fuzz::now - std::chrono::hours{1});
  }
  const auto other = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("something else"));
  hold(pki::verify_time_stamp(input, other, world().trust, fuzz::now).status != TimeStampStatus::valid);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_response({data, size});
  check_token({data, size});
  hold(ERR_peek_error() == 0);  // nobody later takes these errors for their own
  return 0;
}
