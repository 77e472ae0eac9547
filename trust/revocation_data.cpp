#include "trust/revocation_data.hpp"

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/text.hpp"
#include "net/fetch.hpp"

namespace signet::trust {
namespace {

using base::ErrorCode;
using base::Result;
using Clock = std::chrono::steady_clock;

constexpr std::size_t most_wanted = 256;  // certificates of one call: a hundred signatures' paths share most of theirs
constexpr std::size_t shown_url_characters = 200;
constexpr std::chrono::hours without_end{1};  // as a path takes an OCSP response without nextUpdate

// What a call may still do.
struct Budget {
  const Fetching& fetching;
  Clock::time_point deadline;
  const std::atomic<bool>* cancelled;
  base::Time now;

  Result<base::Bytes> ask(net::FetchRequest request) const {
    request.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (request.timeout.count() <= 0) return base::failure(ErrorCode::network_failed, "no time is left");
    request.public_addresses_only = !fetching.private_addresses;
    request.max_redirects = net::most_redirects;
    auto response = net::fetch(request, cancelled);
    if (!response) return base::failure_of(response);
    if (response->status != 200)
      return base::failure(ErrorCode::network_failed, "HTTP status " + std::to_string(response->status));
    return std::move(response->body);
  }
};

// One thing about a certificate that can be had from several places: an OCSP response or a list.
template <class Thing>
struct Kind {
  std::string key;  // in the cache
  std::size_t most;
  std::vector<std::string> urls;
  std::function<Result<Thing>(base::BytesView)> read;
  std::function<Result<Thing>(const std::string& url)> ask;
  std::function<bool(const Thing&)> is_authentic;
  std::function<std::optional<base::Time>(const Thing&)> made, end;
  std::function<bool(const Thing&)> is_kept;
};

template <class Thing>
struct Had {
  std::optional<Thing> thing;
  std::vector<NotHad> failures;
};

template <class Thing>
Had<Thing> have(const Kind<Thing>& kind, const std::optional<base::Time>& asked_after, const std::optional<Cache>& cache,
                const Budget& budget) {
  Had<Thing> had;
  const base::Time now = budget.now;
  bool fresh = false;
  if (const auto kept = cache ? cache->get(kind.key, kind.most) : std::nullopt) {
    if (auto read = kind.read(kept->content); read && kind.is_authentic(*read)) {
      had.thing = std::move(*read);
      fresh = kept->fetched <= now && now - kept->fetched < budget.fetching.fresh_for &&
              (!asked_after || *asked_after <= kept->fetched);
    }
  }
  const auto in_force = [&](const Thing& thing) {
    const auto end = kind.end(thing);
    return end && now < *end;
  };
  // Offline even one that has ended may serve, for a time before its end.
  if (budget.fetching.offline || (had.thing && fresh && in_force(*had.thing))) return had;
  std::optional<Thing> doubtful;
  for (const std::string& url : kind.urls) {
    auto asked = kind.ask(url);
    if (asked && !in_force(*asked)) asked = base::failure(ErrorCode::network_failed, "what it gave has ended");
    if (asked && !kind.is_authentic(*asked)) {
      // The path may know better: an indirect list is not its issuer's.
      if (!doubtful) doubtful = std::move(*asked);
      asked = base::failure(ErrorCode::network_failed, "what it gave is not signed by the certificate's issuer");
    }
    // An older one may be true and say less: whoever answers may have kept it.
    if (asked && had.thing && kind.made(*asked) < kind.made(*had.thing))
      asked = base::failure(ErrorCode::network_failed, "what it gave is older than what is known");
    if (!asked) {
      had.failures.push_back(
          {base::shown(url, shown_url_characters), asked.error().detail, asked.error().origin == net::only_private_addresses});
      continue;
    }
    if (cache && kind.is_kept(*asked)) cache->put(kind.key, asked->der(), now);
    had.thing = std::move(*asked);
    return had;
  }
  if (!had.thing) had.thing = std::move(doubtful);
  return had;
}

Result<pki::OcspResponse> asked_about(const pki::Certificate& certificate, const pki::Certificate& issuer, const std::string& url,
                                      pki::NonceRule rule, const Budget& budget) {
  const auto request = pki::make_ocsp_request(certificate, issuer);
  net::FetchRequest post;
  post.url = url;
  post.body = request.der;
  post.content_type = "application/ocsp-request";
  post.accept = "application/ocsp-response";
  post.max_response_bytes = budget.fetching.most_ocsp_bytes;
  auto body = budget.ask(std::move(post));
  if (!body) return base::failure_of(body);
  return pki::read_ocsp_response(*body, request, certificate, issuer, rule);
}

base::Time end_of(const pki::OcspStatus& status) { return status.next_update.value_or(status.this_update + without_end); }

Kind<pki::OcspResponse> ocsp_about(const pki::ListWanted& wanted, const pki::Certificate& issuer, pki::NonceRule rule,
                                   const Budget& budget) {
  const auto names = base::hex(wanted.certificate.fingerprint().bytes()) + " " + base::hex(issuer.fingerprint().bytes());
  return {.key = "ocsp " + names,
          .most = budget.fetching.most_ocsp_bytes,
          .urls = wanted.certificate.ocsp_urls(),
          .read = [](base::BytesView der) { return pki::OcspResponse::from_der(der); },
          .ask = [&, rule](const std::string& url) { return asked_about(wanted.certificate, issuer, url, rule, budget); },
          .is_authentic = [&](const pki::OcspResponse& response) { return pki::is_wanted(response, wanted); },
          .made = [&](const pki::OcspResponse& response) -> std::optional<base::Time> {
            const auto status = response.status_of(wanted.certificate, issuer);
            if (!status) return std::nullopt;
            return status->this_update;
          },
          .end = [&](const pki::OcspResponse& response) -> std::optional<base::Time> {
            const auto status = response.status_of(wanted.certificate, issuer);
            if (!status) return std::nullopt;
            return end_of(*status);
          },
          // Without nextUpdate newer ones are always there (RFC 6960 4.2.2.1).
          .is_kept =
              [&](const pki::OcspResponse& response) {
                return response.status_of(wanted.certificate, issuer)->next_update.has_value();
              }};
}

Kind<pki::Crl> list_about(const pki::ListWanted& wanted, const pki::Certificate& issuer, const Budget& budget) {
  const auto urls = wanted.certificate.crl_urls();
  std::string key = "crl " + base::hex(issuer.fingerprint().bytes());
  for (const std::string& url : urls) key += " " + url;
  return {.key = std::move(key),
          .most = budget.fetching.most_list_bytes,
          .urls = urls,
          .read = [](base::BytesView der) { return pki::Crl::from_der(der); },
          .ask = [&](const std::string& url) -> Result<pki::Crl> {
            net::FetchRequest get;
            get.url = url;
            get.max_response_bytes = budget.fetching.most_list_bytes;
            auto body = budget.ask(std::move(get));
            if (!body) return base::failure_of(body);
            auto lists = pki::crls_in(*body);
            if (!lists) return base::failure_of(lists);
            return std::move(lists->front());
          },
          .is_authentic = [&](const pki::Crl& list) { return pki::is_wanted(list, wanted); },
          .made = [](const pki::Crl& list) { return list.this_update(); },
          .end = [](const pki::Crl& list) { return list.next_update(); },
          .is_kept = [](const pki::Crl&) { return true; }};
}

void move_into(std::vector<NotHad>& all, std::vector<NotHad> more) { std::ranges::move(more, std::back_inserter(all)); }

}  // namespace

Result<Answered> ask_responder(const std::string& url, const pki::ListWanted& wanted, const Fetching& fetching, base::Time now,
                               const std::atomic<bool>* cancelled) {
  if (wanted.issuers.empty()) return base::failure(ErrorCode::network_failed, "the certificate's issuer is not known");
  const pki::Certificate& issuer = wanted.issuers.front();
  const Budget budget{fetching, Clock::now() + fetching.timeout, cancelled, now};
  auto response = asked_about(wanted.certificate, issuer, url, pki::NonceRule::same_or_absent, budget);
  if (!response) return base::failure_of(response);
  const auto status = response->status_of(wanted.certificate, issuer);
  if (!status || status->value == pki::OcspStatus::Value::unknown)
    return base::failure(ErrorCode::network_failed, "the responder does not know the certificate");
  if (!pki::is_wanted(*response, wanted))
    return base::failure(ErrorCode::network_failed, "what it gave is not signed by the certificate's issuer");
  const base::Time end = end_of(*status);
  if (end <= now) return base::failure(ErrorCode::network_failed, "what it gave has ended");
  return Answered{std::move(*response), end};
}

RevocationData RevocationSource::fetch(const std::vector<pki::ListWanted>& wanted, base::Time now, Ask ask,
                                       const std::atomic<bool>* cancelled) const {
  RevocationData data;
  const Budget budget{fetching_, Clock::now() + fetching_.timeout, cancelled, now};
  const std::vector<pki::ListWanted> all = pki::each_once(wanted);
  if (all.size() > most_wanted)
    data.failures.push_back(
        {{}, "asked about " + std::to_string(most_wanted) + " certificates of " + std::to_string(all.size())});
  for (std::size_t i = 0; i < std::min(all.size(), most_wanted); ++i) {
    const pki::ListWanted& one = all[i];
    const pki::Certificate& issuer = one.issuers.front();
    auto ocsp = have(ocsp_about(one, issuer, nonce_, budget), one.asked_after, cache_, budget);
    move_into(data.failures, std::move(ocsp.failures));
    const auto status = ocsp.thing ? ocsp.thing->status_of(one.certificate, issuer) : std::nullopt;
    const bool answered = status && status->value != pki::OcspStatus::Value::unknown && pki::is_wanted(*ocsp.thing, one);
    if (ocsp.thing) data.ocsp.push_back(std::move(*ocsp.thing));
    // Offline both: which counts is a matter of the time that is judged.
    if (answered && ask == Ask::lists_after_ocsp && !fetching_.offline) continue;
    auto list = have(list_about(one, issuer, budget), one.asked_after, cache_, budget);
    move_into(data.failures, std::move(list.failures));
    if (list.thing) data.crls.push_back(std::move(*list.thing));
  }
  return data;
}

void add(RevocationData data, pki::TrustMaterial& trust) {
  std::ranges::move(data.ocsp, std::back_inserter(trust.ocsp));
  std::ranges::move(data.crls, std::back_inserter(trust.crls));
}

pki::PathReport validate_path(const pki::Certificate& certificate, pki::TrustMaterial trust, const pki::PathOptions& options,
                              const RevocationSource& source, base::Time now) {
  pki::PathReport report = pki::validate_path(certificate, trust, options);
  // The second time for lists too: a responder may itself have to be looked up in one.
  for (const auto ask : {RevocationSource::Ask::lists_after_ocsp, RevocationSource::Ask::both}) {
    const auto wanted = pki::lists_wanted(report);
    if (wanted.empty()) break;
    add(source.fetch(wanted, now, ask), trust);
    report = pki::validate_path(certificate, trust, options);
  }
  return report;
}

}  // namespace signet::trust
