#include "agent/command/judging.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <tuple>

#include "base/text.hpp"
#include "service/files.hpp"
#include "service/text.hpp"
#include "trust/trusted_list.hpp"

namespace signet::agent {

using base::ErrorCode;

namespace {

constexpr std::size_t most_content = std::size_t{1} << 30;

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

base::Result<base::Bytes> read_file(const std::filesystem::path& file, std::size_t most) {
  auto content = service::read_file(file, most);
  if (!content && content.error().code == ErrorCode::message_too_large) content.error().detail += " (--max-size lifts the limit)";
  return content;
}

base::Result<std::vector<xades::GivenData>> read_given(const JudgingOptions& options) {
  std::vector<xades::GivenData> given;
  for (const std::string& digest : options.digests) {
    auto value = base::parse_digest(digest);
    if (!value) return base::failure_of(value);
    given.push_back({{}, *value});
  }
  for (const std::string& content : options.contents) {
    auto bytes = read_file(content, most_content);
    if (!bytes) return base::failure_of(bytes);
    given.push_back({std::filesystem::path(content).filename().string(), std::move(*bytes)});
  }
  return given;
}

// A folder in the user's cache (XDG Base Directory Specification); without one nothing is kept.
std::optional<trust::Cache> cache_of_user(const char* name) {
  const std::filesystem::path folder = cache_folder();
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  auto cache = trust::Cache::open(folder / name);
  return cache ? std::optional(std::move(*cache)) : std::nullopt;
}

constexpr std::size_t most_list_bytes = std::size_t{32} << 20;
constexpr std::size_t most_signers_bytes = std::size_t{1} << 20;

// From a file or an address. Whatever time is judged, a list must be in force now.
base::Result<trust::TrustedList> trusted_list(const std::string& place, const trust::TrustedListOptions& how,
                                              const trust::Fetching& fetching) {
  if (place.starts_with("https://") || place.starts_with("http://"))
    return trust::trusted_list_at(place, how, fetching, cache_of_user("trusted-lists"));
  auto file = service::read_file(place, most_list_bytes);
  if (!file) return base::failure_of(file);
  return trust::read_trusted_list(*file, how);
}

base::Result<void> add_services(const std::string& place, const std::vector<std::string>& signers,
                                const trust::Fetching& fetching, pki::TrustMaterial& trust) {
  trust::TrustedListOptions how;
  how.at = now();
  for (const std::string& file : signers) {
    auto content = service::read_file(file, most_signers_bytes);
    if (!content) return base::failure_of(content);
    const auto certificates = pki::certificates_in(*content);
    if (!certificates) return base::failure(certificates.error().code, file + ": " + certificates.error().detail);
    how.signers.insert(how.signers.end(), certificates->begin(), certificates->end());
  }
  const auto list = trusted_list(place, how, fetching);
  if (!list) return base::failure(list.error().code, place + ": " + list.error().detail, list.error().origin);
  std::ranges::move(trust::services_of(*list), std::back_inserter(trust.services));
  return {};
}

}  // namespace

void add_judging(CLI::App& command, JudgingOptions& options) {
  command.add_option("--digest", options.digests, "The hash of a signed document: ALG:HEX");
  command.add_option("--content", options.contents,
                     "A signed document; of several, each signature finds its own by hash, then by name");
  command
      .add_option("--signature-policy", options.signature_policies,
                  "The document of a signature policy that signatures name, to compare its hash")
      ->check(CLI::ExistingFile);
  add_trust(command, options);
}

void add_trust(CLI::App& command, JudgingOptions& options) {
  command.add_option("--trust", options.trust, "Folder with trusted CA certificates and revocation lists (PEM or DER)")
      ->check(CLI::ExistingPath);
  command.add_option("--trusted-list", options.trusted_lists,
                     "A trusted list (ETSI TS 119 612): a file or an address; whom it vouches for is trusted");
  command
      .add_option("--trusted-list-signer", options.trusted_list_signers,
                  "The certificates, PEM or DER, of which one must have signed each --trusted-list")
      ->check(CLI::ExistingFile);
  command.add_flag("--offline", options.offline, "Ask nobody over the network for revocation data; what was kept serves");
  command.add_flag("--private-addresses", options.private_addresses,
                   "Ask also where an address is this machine's or of a private network");
  command.add_option("--max-size", options.max_size, "Largest signature file, in bytes (default: 16 MiB)");
}

xades::VerifyLimits limits_of(std::size_t max_size) {
  xades::VerifyLimits limits;
  if (max_size == 0) return limits;
  limits.max_bytes = max_size;
  limits.max_nodes = std::max(limits.max_nodes, max_size / 20);
  return limits;
}

base::Result<Judge> Judge::with(const Context& context, const JudgingOptions& options) {
  auto configuration = context.configuration();
  if (!configuration) return base::failure_of(configuration);
  const Configuration::Verification& configured = configuration->verification;
  if (!options.trusted_lists.empty() && options.trusted_list_signers.empty())
    return base::failure(ErrorCode::parameter_invalid, "--trusted-list wants --trusted-list-signer");
  Judge judge;
  xades::VerifyOptions& how = judge.how_;
  how.at = now();
  how.limits = limits_of(options.max_size);
  if (!options.at.empty()) {
    const auto at = base::from_rfc3339(options.at);
    if (!at) return base::failure(ErrorCode::parameter_invalid, "--at wants a time such as 2026-11-22T10:00:00Z");
    how.at = *at;
  }
  auto trust = service::read_trust(options.trust.empty() ? configured.trust : std::filesystem::path(options.trust));
  if (!trust) return base::failure_of(trust);
  how.trust = std::move(*trust);
  auto given = read_given(options);
  if (!given) return base::failure_of(given);
  how.data = std::move(*given);
  judge.given_ = options.digests;
  judge.given_.insert(judge.given_.end(), options.contents.begin(), options.contents.end());
  trust::Fetching fetching;
  fetching.offline = judge.offline_ = options.offline;
  fetching.private_addresses = options.private_addresses;
  judge.source_.emplace(fetching, cache_of_user("revocation"));
  for (const std::string& place : options.trusted_lists)
    if (auto added = add_services(place, options.trusted_list_signers, fetching, how.trust); !added)
      return base::failure_of(added);
  for (const auto& list : configured.trusted_lists)
    if (auto added = add_services(list.place, {list.signers.string()}, fetching, how.trust); !added)
      return base::failure_of(added);
  for (const std::string& file : options.signature_policies) {
    auto content = service::read_file(file, most_content);
    if (!content) return base::failure_of(content);
    how.signature_policies.push_back(std::move(*content));
  }
  judge.given_lists_ = how.trust.crls.size();
  judge.given_answers_ = how.trust.ocsp.size();
  return judge;
}

std::string shown(const trust::NotHad& failure) {
  if (failure.private_address)
    return service::filled(service::tr("not asked: %1 leads to this machine or to a private network (--private-addresses)"),
                           {failure.url});
  return service::filled(service::tr("not fetched: %1"),
                         {(failure.url.empty() ? "" : failure.url + ": ") + base::shown(failure.why, 200)});
}

std::string said_of_trust(const base::Error& error) {
  // Of what is read before the signatures only trusted lists are XML.
  return error.code == ErrorCode::message_invalid ? service::tr("A trusted list was refused, and nothing was verified by it.")
                                                  : "";
}

std::string said_of_document(const std::string& file, const base::Error& error) {
  return error.code == ErrorCode::message_invalid
             ? service::filled(service::tr("%1 is not an XML document with signatures."), {base::shown(file, 200)})
             : std::string{};
}

ReportContext Judge::context() const {
  return {[this](const pki::RevocationEvidence& evidence) { return origin_of(evidence); }, given_, offline_};
}

base::Result<base::Bytes> Judge::read(const std::filesystem::path& file) const { return read_file(file, how_.limits.max_bytes); }

EvidenceOrigin Judge::origin_of(const pki::RevocationEvidence& evidence) const {
  const auto place = pki::place_in(how_.trust, evidence);
  if (!place) return EvidenceOrigin::embedded;
  return *place < (evidence.ocsp ? given_answers_ : given_lists_) ? EvidenceOrigin::given : EvidenceOrigin::fetched;
}

base::Result<std::vector<xades::SignatureReport>> Judge::once(base::BytesView document) {
  // All that is given goes with a single signature; of several, each finds its own.
  using DataFor = xades::VerifyOptions::DataFor;
  auto reports = xades::verify(document, how_);
  if (!reports || reports->size() == 1 || how_.data.size() < 2 || how_.data_for == DataFor::any_signature) return reports;
  how_.data_for = DataFor::any_signature;
  return xades::verify(document, how_);
}

bool Judge::was_asked_about(const pki::ListWanted& wanted) const {
  return std::ranges::any_of(asked_, [&](const auto& asked) {
    const auto& [one, when] = asked;
    return one.certificate == wanted.certificate && one.issuers == wanted.issuers &&
           (!wanted.asked_after || *wanted.asked_after <= when);
  });
}

base::Result<std::vector<xades::SignatureReport>> Judge::judge(base::BytesView document) {
  using enum trust::RevocationSource::Ask;
  auto reports = once(document);
  for (const auto ask : {lists_after_ocsp, both}) {
    if (!reports) return reports;
    std::vector<pki::ListWanted> wanted;
    const auto want = [&wanted](std::vector<pki::ListWanted> more) { std::ranges::move(more, std::back_inserter(wanted)); };
    for (const xades::SignatureReport& report : *reports) {
      want(xades::without_revocation_data(report));
      if (ask != lists_after_ocsp) continue;
      // What its signer put into a signature may be from before a revocation. Who gives lists sees to it that they are of now;
      // for a time that is proven even these can be too old.
      const auto is_current = [this](const pki::RevocationEvidence& evidence, base::Time at) {
        return at >= how_.at && origin_of(evidence) != EvidenceOrigin::embedded;
      };
      auto newer = xades::newer_revocation_data(report, is_current);
      std::erase_if(newer, [this](const pki::ListWanted& one) { return was_asked_about(one); });
      for (const pki::ListWanted& one : newer) asked_.emplace_back(one, now());
      want(std::move(newer));
    }
    if (wanted.empty()) return reports;
    trust::RevocationData data = source_->fetch(wanted, now(), ask);
    for (trust::NotHad& failure : data.failures)
      if (std::ranges::find(failures_, failure.url, &trust::NotHad::url) == failures_.end())
        failures_.push_back(std::move(failure));
    if (data.ocsp.empty() && data.crls.empty()) continue;
    trust::add(std::move(data), how_.trust);
    reports = once(document);
  }
  return reports;
}

}  // namespace signet::agent
