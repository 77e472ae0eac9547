#include <malloc.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/text.hpp"
#include "portal/api_face.hpp"
#include "portal/judges.hpp"
#include "portal/metrics.hpp"
#include "portal/mpower.hpp"
#include "portal/page_face.hpp"
#include "portal/program/command.hpp"
#include "portal/program/lanes.hpp"
#include "portal/program/sandbox.hpp"
#include "portal/program/stamper.hpp"
#include "service/files.hpp"
#include "service/places.hpp"
#include "service/text.hpp"
#include "service/worker.hpp"

namespace signet::portal {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using base::ErrorCode;
using service::tr;

constexpr std::size_t api_threads = 8;  // at most, unless it is configured
constexpr std::size_t fetches_at_once = 16;
constexpr std::size_t delegations_at_once = 64;    // with those that wait for a fetch: more hear at once that MPower is slow
constexpr std::size_t verifications_of_one = 8;    // of one address, at the verification page
constexpr std::size_t large_messages_at_once = 1;  // a tree of one takes some hundred megabytes
constexpr std::chrono::seconds register_looked_at_every{1};
constexpr std::chrono::seconds swept_every{60};
constexpr std::chrono::seconds trust_looked_at_every{1};
constexpr int memory_kept = 4 << 20, memory_fetched = 1 << 20;
constexpr std::size_t api_body_bytes = 64u << 20;
constexpr std::size_t page_body_bytes = 4u << 20;

void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

// The words for an e-service's GetSignResponse, in the language that it asked for. At most 100 characters.
std::string message_of(SignStatus status, const std::string& reason, Language language) {
  const service::InLanguage speaking(name(language));
  if (status == SignStatus::expired) return tr("The request has expired: nobody signed it in time.");
  if (reason == "user_cancelled") return tr("Signing was cancelled by the user.");
  if (reason == "pin_incorrect") return tr("The PIN was wrong.");
  if (reason == "pin_locked") return tr("The PIN of the signing device is locked.");
  if (reason == "no_token" || reason == "token_removed") return tr("The signing device was not there.");
  if (reason == "time_stamp_failed") return tr("The time stamping service could not be reached.");
  if (reason == "certificate_expired") return tr("The certificate has expired.");
  return tr("The signing was not completed.");
}

std::filesystem::path pages_folder() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const auto installed = program.parent_path() / "share" / "signet-portal" / "pages";
  return std::filesystem::exists(installed, ignored) ? installed : std::filesystem::path(SIGNET_PORTAL_PAGES);
}

class Portal {
 public:
  Portal(Configuration configuration, std::unique_ptr<Store> store)
      : configuration_(std::move(configuration)),
        lanes_(configuration_.api_threads > 0 ? configuration_.api_threads
                                              : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, api_threads)),
        store_(std::move(store)),
        revocation_(io_.get_executor(), configuration_.revocation,
                    [this](std::string_view name, const service::EventFields& fields) { event(name, fields); }) {}

  ~Portal() { end(); }
  Portal(const Portal&) = delete;  // what answers to it knows where it is
  Portal& operator=(const Portal&) = delete;

  base::Result<void> prepare();
  int run();

 private:
  // Any thread.
  void event(std::string_view event, const service::EventFields& fields, spdlog::level::level_enum level = spdlog::level::info);
  void warn(std::string_view event, const service::EventFields& fields);
  // From a lane: what belongs to io_, there.
  template <class T>
  awaitable<T> at_home(awaitable<T> call) {
    co_return co_await asio::co_spawn(io_, std::move(call), asio::use_awaitable);
  }
  awaitable<std::optional<Fault>> delegation(ExpectedSigner signer);
  std::function<void(std::string_view event, std::string_view detail)> watch(const char* listener);
  awaitable<net::HttpResponse> operations(net::HttpRequest request);
  awaitable<std::optional<VerificationResponse>> verify(VerificationRequest request, Language language);
  awaitable<std::optional<VerificationResult>> verify_for_stranger(VerificationContent content, Language language,
                                                                   asio::ip::address of);
  bool is_proxy(const asio::ip::address& address) const {
    return std::ranges::any_of(configuration_.proxies.trusted,
                               [&](const AddressRange& range) { return range.contains(address); });
  }
  awaitable<void> keep_register();
  awaitable<void> keep_trust();
  awaitable<void> keep_clean();
  awaitable<void> stop_when_told();
  void end();
  awaitable<void> stop();
  base::Result<void> listen(net::HttpServer& server, const Configuration::Listener& listener, const char* what);
  base::Result<pki::TrustMaterial> consumer_cas() const;
  base::Result<pki::TrustMaterial> signer_trust() const;

  Configuration configuration_;
  IoContext io_;  // outlives all that answers to it, as do the lanes
  Lanes lanes_;   // of the API; all else is on io_
  std::unique_ptr<Store> store_;
  asio::thread_pool workers_{1};  // folders, the sandbox's signatures
  asio::thread_pool readers_{large_messages_at_once};
  asio::thread_pool fetchers_{fetches_at_once};  // waits for other services block nobody who judges
  Identity identity_{Identity::Options{}};
  std::vector<Consumer> consumers_;
  std::uint64_t register_version_ = 0;
  service::RevocationServices revocation_;
  Judges judges_{revocation_};
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<Stamper> stamper_;
  std::unique_ptr<ApiFace> api_face_;
  std::unique_ptr<PageFace> page_face_;
  std::unique_ptr<net::HttpServer> api_, pages_, operations_;
  Metrics metrics_;
  std::mutex warnings_mutex_;
  service::EventLog warnings_{[](service::EventLog::Severity, const std::string& line) { spdlog::warn(line); }, {}};
  service::Places delegations_{delegations_at_once};
  service::PlacesOf<asio::ip::address> strangers_{verifications_of_one};
  std::atomic<bool> given_up_{false};  // fetches end: nobody waits for them any more
  asio::steady_timer register_timer_{io_}, trust_timer_{io_}, sweep_timer_{io_};
  asio::signal_set signals_{io_};
  std::string refused_trust_;  // why it could not be started with what its folders hold now; empty: it could
  bool stopping_ = false;
};

// Who issues system certificates, as the folder is now.
base::Result<pki::TrustMaterial> Portal::consumer_cas() const {
  auto cas = service::read_trust(configuration_.consumer_cas);
  if (cas && !sandbox_ && std::ranges::any_of(cas->anchors, is_sandbox_anchor))
    return base::failure(ErrorCode::configuration_invalid,
                         "consumers.ca: holds the CA of a sandbox, which makes certificates for anybody");
  return cas;
}

// Whose signatures are accepted, as the folder is now, with the sandbox's own.
base::Result<pki::TrustMaterial> Portal::signer_trust() const {
  auto trust = service::read_trust(configuration_.signer_trust);
  if (!trust) return trust;
  if (sandbox_) {
    const auto real = std::ranges::find_if_not(trust->anchors, is_test_anchor);
    if (real != trust->anchors.end())
      return base::failure(
          ErrorCode::configuration_invalid,
          "signers.trust: a sandbox starts only beside anchors of tests (the subject says test, demo or sandbox)");
    const pki::TrustMaterial own = sandbox_->trust();
    trust->anchors.insert(trust->anchors.end(), own.anchors.begin(), own.anchors.end());
    trust->crls.insert(trust->crls.end(), own.crls.begin(), own.crls.end());
  } else if (std::ranges::any_of(trust->anchors, is_sandbox_anchor)) {
    return base::failure(ErrorCode::configuration_invalid,
                         "signers.trust: holds the CA of a sandbox, which anybody can sign with");
  }
  return trust;
}

base::Result<void> Portal::prepare() {
  if (!configuration_.sandbox.empty()) {
    auto sandbox = Sandbox::open(configuration_.sandbox, now());
    if (!sandbox) return base::failure_of(sandbox);
    sandbox_ = std::move(*sandbox);
  }
  auto cas = consumer_cas();
  if (!cas) return base::failure_of(cas);
  identity_.trust(std::move(*cas));
  auto trust = signer_trust();
  if (!trust) return base::failure_of(trust);
  judges_.trust(std::move(*trust));

  PageFace::Options pages{.public_url = configuration_.public_url,
                          .install_url = configuration_.install_url,
                          .instruments = {},
                          .sandbox = sandbox_ != nullptr,
                          .level = configuration_.time_stamping.urls.empty() ? xades::Level::b_t : xades::Level::b_b,
                          .files = {}};
  for (const auto& instrument : configuration_.instruments) {
    PageFace::Instrument made{instrument.id, instrument.kind, {}};
    if (!instrument.issuers.empty()) {
      auto issuers = service::read_trust(instrument.issuers);
      if (!issuers) return base::failure_of(issuers);
      made.issuers = std::move(issuers->anchors);
      made.issuers.insert(made.issuers.end(), issuers->intermediates.begin(), issuers->intermediates.end());
    }
    pages.instruments.push_back(std::move(made));
  }
  auto files = page_files(pages_folder());
  if (!files) return base::failure_of(files);
  pages.files = std::move(*files);

  auto secret = done(store_->shared_secret("page-token"));
  if (!secret) return base::failure_of(secret);
  const auto on_event = [this](std::string_view name, const service::EventFields& fields) { event(name, fields); };
  store_->on_failure([on_event](const base::Error& error) { on_event("store_failed", {{"detail", error.detail}}); });
  PagePorts page_ports;
  page_ports.store = store_.get();
  page_ports.token_secret = std::move(*secret);
  page_ports.now = now;
  page_ports.on_event = on_event;
  page_ports.consumer = [this](const std::string& id) -> std::optional<Consumer> {
    const auto found = std::ranges::find(consumers_, id, &Consumer::id);
    if (found == consumers_.end()) return {};
    return *found;
  };
  const auto on_stamped = [this](std::size_t stamped, std::size_t failed, const std::string& last_error) {
    event("time_stamped", {{"saved", std::to_string(stamped)}, {"refused", std::to_string(failed)}});
    if (failed > 0) event("time_stamp_failed", {{"detail", last_error}});
  };
  stamper_ = std::make_unique<Stamper>(judges_, configuration_.time_stamping, on_stamped);
  page_ports.judge = [this](std::vector<Stamper::Question> questions) { return stamper_->accept(std::move(questions)); };
  page_ports.stamp_anew = [this] { stamper_->stamp_anew(); };
  page_ports.verify = [this](VerificationContent content, Language language, const asio::ip::address& of) {
    return verify_for_stranger(std::move(content), language, of);
  };
  if (sandbox_)
    page_ports.sandbox_sign = [this](std::vector<SandboxWish> wishes) {
      return service::on_worker(workers_, [this, wishes = std::move(wishes)] { return sandbox_->sign(wishes, now()); });
    };
  page_face_ = std::make_unique<PageFace>(std::move(pages), std::move(page_ports));

  ApiPorts api_ports;
  api_ports.store = store_.get();
  api_ports.identity = &identity_;
  api_ports.now = now;
  api_ports.message = message_of;
  api_ports.on_event = on_event;
  api_ports.check_delegation = [this](ExpectedSigner signer) { return at_home(delegation(std::move(signer))); };
  api_ports.read_large = [this](std::string body, std::string soap_action) {
    return service::on_worker(
        readers_, [body = std::move(body), soap_action = std::move(soap_action)] { return read_call(body, soap_action, {}); });
  };
  api_ports.verify = [this](VerificationRequest request, Language language) {
    return at_home(verify(std::move(request), language));
  };
  api_face_ = std::make_unique<ApiFace>(ApiFace::Options{.endpoint = {},
                                                         .proxies = configuration_.proxies,
                                                         .requests = configuration_.requests,
                                                         .limits = {},
                                                         .sandbox = sandbox_ != nullptr},
                                        std::move(api_ports));

  auto version = done(store_->consumers_version());
  if (!version) return base::failure_of(version);
  auto consumers = done(store_->consumers());
  if (!consumers) return base::failure_of(consumers);
  register_version_ = *version;
  consumers_ = std::move(*consumers);
  identity_.know(consumers_);

  // From where on others can reach it, being told to stop is no sudden end.
  for (const int signal : {SIGINT, SIGTERM}) signals_.add(signal);

  net::HttpLimits api_limits;
  api_limits.connections = 1'024;
  api_limits.connections_of_one = 512;
  api_limits.body_bytes_at_once = 4 * api_body_bytes;
  api_limits.body_bytes_of_one = api_body_bytes;
  api_limits.body_bytes = api_body_bytes;
  const auto speaks_for_many = [this](const asio::ip::address& address) { return is_proxy(address); };
  net::HttpHandlers api_handlers;
  api_handlers.speaks_for_many = speaks_for_many;
  api_handlers.request = [this](net::HttpRequest request) { return api_face_->answer(std::move(request)); };
  api_handlers.body_bytes = [this](const net::HttpRequest& head) { return api_face_->body_bytes(head); };
  api_handlers.on_event = watch("api");
  api_ = std::make_unique<net::HttpServer>(io_.get_executor(), std::move(api_handlers), api_limits, lanes_.executors());
  if (auto listening = listen(*api_, configuration_.api, "api"); !listening) return listening;

  net::HttpLimits page_limits;
  page_limits.connections = 4'096;
  page_limits.connections_of_one = 1'024;  // a whole office comes from one address
  page_limits.body_bytes_at_once = 32 * page_body_bytes;
  page_limits.body_bytes_of_one = 8 * page_body_bytes;
  page_limits.header_bytes = 32 * 1024;  // a RelayState may come in the address
  page_limits.body_bytes = page_body_bytes;
  net::HttpHandlers page_handlers;
  page_handlers.speaks_for_many = speaks_for_many;
  page_handlers.request = [this](net::HttpRequest request) { return page_face_->answer(std::move(request)); };
  page_handlers.body_bytes = [this](const net::HttpRequest& head) { return page_face_->body_bytes(head); };
  page_handlers.on_event = watch("pages");
  pages_ = std::make_unique<net::HttpServer>(io_.get_executor(), std::move(page_handlers), page_limits);
  if (auto listening = listen(*pages_, configuration_.pages, "pages"); !listening) return listening;

  net::HttpHandlers operations_handlers;
  operations_handlers.request = [this](net::HttpRequest request) { return operations(std::move(request)); };
  operations_ = std::make_unique<net::HttpServer>(io_.get_executor(), std::move(operations_handlers), net::HttpLimits{});
  return listen(*operations_, configuration_.operations, "operations");
}

// One line and one count for what happened. Nothing personal comes here: faces give fixed words, counts and consumers' ids.
void Portal::event(std::string_view event, const service::EventFields& fields, spdlog::level::level_enum level) {
  if (event.ends_with("_failed")) {
    warn(event, fields);
    return metrics_.count(event, {});
  }
  // Whose values are from small sets that no stranger adds to: each makes a series of its own.
  static constexpr std::array<std::string_view, 4> labelled{"operation", "instrument", "outcome", "reason"};
  std::string line(event);
  Metrics::Labels labels;
  std::uint64_t by = 1;
  for (const auto& [key, value] : fields) {
    line += " " + std::string(key) + "=" + value;
    if (key == "saved") by = std::stoull(value);
    if (std::ranges::find(labelled, key) != labelled.end()) labels.emplace_back(key, value);
  }
  spdlog::log(level, line);
  metrics_.count(event, labels, by);
}

void Portal::warn(std::string_view event, const service::EventFields& fields) {
  const std::scoped_lock lock(warnings_mutex_);
  warnings_.event(event, fields, service::EventLog::Clock::now());
}

// A text of others as a value in the log: one line, and its end is seen.
std::string in_quotes(std::string_view text) {
  std::string made = base::shown(text, 300);
  std::ranges::replace(made, '"', '\'');
  return '"' + made + '"';
}

// Connections that came to nothing. Strangers can have any number dropped or refused: these are counted alone.
std::function<void(std::string_view, std::string_view)> Portal::watch(const char* listener) {
  return [this, listener](std::string_view name, std::string_view detail) {
    metrics_.count("connections", {{"listener", listener}, {"outcome", std::string(name)}});
    if (name.ends_with("_failed")) warn(name, {{"listener", listener}, {"detail", std::string(detail)}});
  };
}

awaitable<std::optional<Fault>> Portal::delegation(ExpectedSigner signer) {
  Delegation found = busy_delegation();
  if (const auto place = delegations_.take()) {
    found = co_await service::on_worker(
        fetchers_, [this, signer = std::move(signer)] { return check_delegation(signer, configuration_.mpower, &given_up_); });
  }
  service::EventFields fields{{"outcome", std::string(found.outcome)}};
  if (found.status != 0) fields.emplace_back("status", std::to_string(found.status));
  if (!found.detail.empty()) fields.emplace_back("detail", in_quotes(found.detail));
  const bool ours = found.fault && found.fault->code == FaultCode::server;
  event("mpower", fields, ours ? spdlog::level::warn : spdlog::level::info);
  co_return std::move(found.fault);
}

// For those who watch the service: /health says that this process answers, /ready that its database does too, and that its
// folders are such as it may be started with.
awaitable<net::HttpResponse> Portal::operations(net::HttpRequest request) {
  net::HttpResponse response;
  response.headers = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}};
  const auto where = std::string_view(request.target).substr(0, request.target.find('?'));
  if (request.method != "GET" && request.method != "HEAD") {
    response.status = 405;
  } else if (where == "/health") {
    response.body = "ok\n";
  } else if (where == "/ready") {
    const auto pinged = co_await store_->ping();
    const std::string why_not = stopping_ ? "stopping" : !pinged ? "the database does not answer" : refused_trust_;
    response.status = why_not.empty() ? 200 : 503;
    response.body = (why_not.empty() ? "ready" : why_not) + "\n";
  } else if (where == "/metrics") {
    response.headers.front().second = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics_.text({{"api_connections", static_cast<double>(api_->connections())},
                                   {"page_connections", static_cast<double>(pages_->connections())},
                                   {"consumers", static_cast<double>(consumers_.size())}});
  } else {
    response.status = 404;
    response.body = "/health, /ready, /metrics\n";
  }
  co_return response;
}

base::Result<void> Portal::listen(net::HttpServer& server, const Configuration::Listener& listener, const char* what) {
  for (const net::Endpoint& endpoint : listener.endpoints) {
    auto port = server.listen(endpoint, listener.tls);
    if (!port) return base::failure_of(port);
    spdlog::info("listening what={} address={} port={} tls={}", what, endpoint.address.to_string(), *port,
                 listener.tls.has_value());
  }
  return {};
}

awaitable<std::optional<VerificationResponse>> Portal::verify(VerificationRequest request, Language language) {
  auto results = co_await judges_.verify(std::move(request.contents), language, Judges::Asker::consumer);
  if (!results) co_return std::nullopt;
  co_return VerificationResponse{std::move(*results)};
}

awaitable<std::optional<VerificationResult>> Portal::verify_for_stranger(VerificationContent content, Language language,
                                                                         asio::ip::address of) {
  const bool has_share = !is_proxy(of);
  const auto place = has_share ? strangers_.take(net::caller_of(of)) : nullptr;
  if (has_share && !place) co_return std::nullopt;
  std::vector<VerificationContent> one;
  one.push_back(std::move(content));
  auto results = co_await judges_.verify(std::move(one), language, Judges::Asker::stranger);
  if (!results) co_return std::nullopt;
  co_return std::move(results->front());
}

// A change by `signet-portal consumer`, on any machine, counts after a second.
awaitable<void> Portal::keep_register() {
  while (!stopping_) {
    register_timer_.expires_after(register_looked_at_every);
    boost::system::error_code error;
    co_await register_timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (stopping_) break;
    sd_notify(0, "WATCHDOG=1");
    const auto version = co_await store_->consumers_version();
    if (!version || *version == register_version_) continue;
    auto consumers = co_await store_->consumers();
    if (!consumers) continue;
    register_version_ = *version;
    consumers_ = std::move(*consumers);
    identity_.know(consumers_);
    spdlog::info("consumers_changed count={}", consumers_.size());
  }
}

// A list of revocations lasts for days, this process for months: what is put into the folders counts without a restart. Read once
// nothing has changed for a second, so that no file is half written; what cannot be read leaves everything as it was.
awaitable<void> Portal::keep_trust() {
  const auto both = [this] {
    return std::pair(service::stamp_of(configuration_.consumer_cas), service::stamp_of(configuration_.signer_trust));
  };
  auto known = both(), seen = known;
  while (!stopping_) {
    trust_timer_.expires_after(trust_looked_at_every);
    boost::system::error_code error;
    co_await trust_timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (stopping_) break;
    const auto renewed = co_await service::on_worker(workers_, [this] { return sandbox_ ? sandbox_->renew(now()) : false; });
    if (!renewed) spdlog::warn("sandbox_not_renewed detail=\"{}\"", renewed.error().detail);
    const auto before = std::exchange(seen, co_await service::on_worker(workers_, both));
    if ((seen != before || seen == known) && !renewed.value_or(false)) continue;
    known = seen;
    auto cas = co_await service::on_worker(workers_, [this] { return consumer_cas(); });
    auto signers = co_await service::on_worker(workers_, [this] { return signer_trust(); });
    refused_trust_.clear();
    if (!cas || !signers) {
      const base::Error& why = (cas ? signers : cas).error();
      if (why.code == ErrorCode::configuration_invalid) refused_trust_ = why.detail;
      spdlog::warn("trust_not_read detail={}", in_quotes(why.detail));
      continue;
    }
    spdlog::info("trust_changed consumer_cas={} consumer_lists={} signer_anchors={} signer_lists={}",
                 cas->anchors.size() + cas->intermediates.size(), cas->crls.size(), signers->anchors.size(),
                 signers->crls.size());
    identity_.trust(std::move(*cas));
    judges_.trust(std::move(*signers));
  }
}

awaitable<void> Portal::keep_clean() {
  while (!stopping_) {
    // At once: what became old while nobody ran is not kept for longer.
    const auto swept = co_await store_->sweep(now(), now() - configuration_.requests.delete_after);
    if (swept && (swept->expired > 0 || swept->contents_deleted > 0)) {
      spdlog::info("swept expired={} contents_deleted={}", swept->expired, swept->contents_deleted);
    }
    if (stopping_) break;
    sweep_timer_.expires_after(swept_every);
    boost::system::error_code error;
    co_await sweep_timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    const std::scoped_lock lock(warnings_mutex_);
    warnings_.tell_left_out(service::EventLog::Clock::now());
  }
}

// The first signal lets what is under way finish, within a limit; the second ends it.
awaitable<void> Portal::stop_when_told() {
  co_await signals_.async_wait(asio::use_awaitable);
  asio::co_spawn(io_, stop(), rethrow);
  co_await signals_.async_wait(asio::use_awaitable);
  spdlog::warn("stopped_at_once");
  io_.stop();
}

awaitable<void> Portal::stop() {
  stopping_ = true;
  sd_notify(0, "STOPPING=1");
  spdlog::info("stopping api_connections={} page_connections={}", api_->connections(), pages_->connections());
  register_timer_.cancel();
  trust_timer_.cancel();
  sweep_timer_.cancel();
  using namespace asio::experimental::awaitable_operators;
  co_await (api_->stop(configuration_.stop_timeout) && pages_->stop(configuration_.stop_timeout));
  co_await operations_->stop();  // until now it told that this stops
  io_.stop();
}

int Portal::run() {
  asio::co_spawn(io_, keep_register(), rethrow);
  asio::co_spawn(io_, keep_trust(), rethrow);
  asio::co_spawn(io_, keep_clean(), rethrow);
  asio::co_spawn(io_, stop_when_told(), rethrow);
  sd_notify(0, "READY=1");
  spdlog::info("ready public_url={} sandbox={}", configuration_.public_url, sandbox_ != nullptr);
  io_.run();
  std::signal(SIGINT, SIG_DFL);  // should a database hang now, one more signal ends this
  std::signal(SIGTERM, SIG_DFL);
  end();
  spdlog::info("stopped");
  return 0;
}

// Of a start that failed half way too: the lanes have answered since the first address was listened at.
void Portal::end() {
  given_up_ = true;
  lanes_.stop();
  judges_.join();
  for (asio::thread_pool* const pool : {&workers_, &readers_, &fetchers_}) {
    pool->stop();  // nobody waits any more for what was not begun
    pool->join();
  }
  lanes_.shutdown();
  io_.shutdown();
}

// Answers of some hundred kilobytes come and go: what they leave free is kept instead of being given back and fetched each time.
void keep_free_memory() {
  ::mallopt(M_TRIM_THRESHOLD, memory_kept);
  ::mallopt(M_TOP_PAD, memory_fetched);
  ::mallopt(M_MMAP_THRESHOLD, memory_kept);
}

}  // namespace

void add_serve(CLI::App& app, Context& context) {
  auto* const serve = app.add_subcommand("serve", "Runs the service until it is told to stop (SIGTERM)");
  auto check_only = std::make_shared<bool>(false);
  serve->add_flag("--check", *check_only, "Only read the configuration, and say whether it is right");
  serve->callback([&context, check_only] {
    const auto configuration = configuration_of(context);
    if (!configuration) return;
    if (*check_only) {
      std::puts("signet-portal: the configuration is right");
      return;
    }
    keep_free_memory();
    spdlog::set_level(spdlog::level::from_str(configuration->log_level));
    spdlog::set_pattern(std::getenv("JOURNAL_STREAM") != nullptr ? "%l %v" : "%Y-%m-%dT%H:%M:%S %l %v");
    auto store = store_of(context, *configuration);
    if (!store) return;
    Portal portal(*configuration, std::move(store));
    if (const auto prepared = portal.prepare(); !prepared) return report(context, prepared.error());
    context.exit_code = portal.run();
  });
}

}  // namespace signet::portal
