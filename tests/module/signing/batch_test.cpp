#include "signing/batch.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "demo/tsa.hpp"
#include "run.hpp"
#include "softhsm.hpp"
#include "xades/verify.hpp"

using namespace signet;
using namespace signet::signing;
using base::ErrorCode;
using boost::asio::awaitable;
using test::run;
using test::SoftHsm;
using test::until;

namespace {

base::Time clock_now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }
const Origin page = Origin::parse("https://sign.example").value();
const Origin other_page = Origin::parse("https://other.example").value();

// A person that answers dialogs as told, and remembers what was asked.
class Person : public Dialog {
 public:
  std::string pin = SoftHsm::default_pin;
  bool cancels = false;
  std::size_t chooses = 0;
  std::vector<ConsentRequest> asked;
  std::size_t choices = 0;
  std::function<awaitable<void>()> meanwhile;  // what happens while the dialog is open
  std::vector<Asker> closed;

  awaitable<base::Result<ConsentAnswer>> consent(ConsentRequest request, WaitingCallback waiting) override {
    asked.push_back(request);
    if (waiting) waiting({Waiting::For::consent, clock_now()});
    if (meanwhile) co_await meanwhile();
    if (cancels) co_return base::failure(ErrorCode::user_cancelled);
    ConsentAnswer answer;
    if (request.pin == ConsentRequest::Pin::ask) answer.pin = base::Secret::copy_of(base::as_bytes(pin)).value();
    co_return answer;
  }
  awaitable<base::Result<PinEntry>> enter_pins(PinEntryRequest, WaitingCallback) override {
    co_return base::failure(ErrorCode::user_cancelled, "nobody asks here");
  }
  awaitable<base::Result<std::size_t>> choose(Asker, Origin, std::vector<SigningCertificate> certificates,
                                              WaitingCallback) override {
    ++choices;
    if (chooses >= certificates.size()) co_return base::failure(ErrorCode::user_cancelled);
    co_return chooses;
  }
  void close(const Asker& asker) override { closed.push_back(asker); }
};

struct BenchOptions {
  bool with_ec = false;
  bool always_authenticate = false;
  PinPolicy policy = {};
  SigningLimits limits = {};
  std::chrono::seconds rsa_ends = std::chrono::hours{24 * 365};
  demo::Subject::Usage rsa_usage = demo::Subject::Usage::signing;
  // In place of SoftHSM itself, and beside it.
  std::string module = SoftHsm::module;
  std::vector<pkcs11::ModuleOptions> beside = {};
};

// SoftHSM whose token says of itself what it is told here (tests/module/modules/told_softhsm.c), and what is presented to it. The
// environment is that of hosts started afterwards.
class ToldToken {
 public:
  ToldToken() {
    std::string folder = std::filesystem::temp_directory_path() / "signet-told-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = folder;
    ::setenv("TOLD_TOKEN", (folder_ / "told").c_str(), 1);
    ::setenv("FAKE_TOKEN_LOG", (folder_ / "log").c_str(), 1);
  }
  ~ToldToken() {
    ::unsetenv("TOLD_TOKEN");
    ::unsetenv("FAKE_TOKEN_LOG");
    std::filesystem::remove_all(folder_);
  }
  ToldToken(const ToldToken&) = delete;  // owns a folder
  ToldToken& operator=(const ToldToken&) = delete;

  static constexpr const char* module = SIGNET_FAKE_MODULES "/told_softhsm.so";
  static constexpr const char* final_try = "flags 20000";  // CKF_USER_PIN_FINAL_TRY
  static constexpr const char* pin_locked = "flags 40000";
  static constexpr const char* pin_pad = "flags 100";  // CKF_PROTECTED_AUTHENTICATION_PATH

  // Whole or not at all: a host reads it at any moment.
  void says(const std::string& text) const {
    std::ofstream(folder_ / "new") << text << '\n';
    std::filesystem::rename(folder_ / "new", folder_ / "told");
  }
  std::vector<std::string> presented() const {
    std::ifstream in(folder_ / "log");
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

 private:
  std::filesystem::path folder_;
};

base::Secret secret(std::string_view text) { return base::Secret::copy_of(base::as_bytes(text)).value(); }

// A page that listens.
const BatchListener reads{.results_ready = [] {}, .progress_changed = {}, .waiting = {}};

// Everything that a batch needs, on a SoftHSM token with an RSA and a P-256 key.
struct Bench {
  boost::asio::io_context io{1};
  SoftHsm hsm = SoftHsm::make();
  demo::Authority authority{"Test CA", clock_now()};
  demo::Identity rsa = authority.issue({.common_name = "nobody"}), ec = rsa;
  demo::TimeStampResponder tsa{
      authority.issue({.common_name = "TSA", .serial_number = {}, .usage = demo::Subject::Usage::time_stamping}),
      {authority.root().certificate}};
  bool tsa_down = false;
  boost::asio::steady_timer* tsa_waits_for = nullptr;
  unsigned stamps_asked_anew = 0;
  unsigned stamps_asked = 0;
  Person person;
  std::filesystem::path journal_file = hsm.folder() / "journal";
  Journal journal = Journal::open(journal_file).value();
  pkcs11::Modules modules;
  std::map<std::string, std::string> remembered;
  std::optional<base::Error> away;
  std::unique_ptr<Batches> batches;

  explicit Bench(BenchOptions options = {})
      : modules(io.get_executor(), {.program = SIGNET_TOKEN_HOST, .module = {}}, {{"softhsm", options.module}}) {
    for (pkcs11::ModuleOptions& other : options.beside) modules.want(modules.add(std::move(other)), false);
    rsa = authority.issue(
        {.common_name = "Ana", .serial_number = "2000000000001", .usage = options.rsa_usage, .ends_after_now = options.rsa_ends});
    hsm.import(base::Bytes{1}, "rsa", rsa.key.get(), rsa.certificate.der(),
               options.always_authenticate ? test::Authentication::always : test::Authentication::at_login);
    if (options.with_ec) {
      ec = authority.issue({.common_name = "Ion", .serial_number = "2000000000002", .key_type = pki::KeyType::ec_p256});
      hsm.import(base::Bytes{2}, "ec", ec.key.get(), ec.certificate.der());
    }
    SigningPorts ports{modules, person, journal, clock_now, {}, {}, {}, {}, {}};
    ports.time_stamp = [this](base::Digest imprint) -> awaitable<base::Result<pki::TimeStampToken>> {
      ++stamps_asked;
      boost::system::error_code ignored;
      if (tsa_waits_for != nullptr)
        co_await tsa_waits_for->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
      if (tsa_down) co_return base::failure(ErrorCode::time_stamp_failed, "down");
      const auto request = pki::make_time_stamp_request(imprint);
      co_return pki::read_time_stamp_response(tsa.answer(request.der, demo::TsaFault::none, clock_now()), request);
    };
    ports.time_stamps_asked_anew = [this] { ++stamps_asked_anew; };
    ports.away = [this] { return away; };
    ports.remembered_certificate = [this](const Origin& origin) { return remembered[origin.text()]; };
    ports.remember_certificate = [this](const Origin& origin, const std::string& id) { remembered[origin.text()] = id; };
    batches = std::make_unique<Batches>(io.get_executor(), std::move(ports), options.policy, options.limits);
  }
  ~Bench() {
    run(io, batches->stop());
    run(io, modules.end_all());
  }

  std::string begin(std::size_t items, BatchRequest request = {}, const Origin& origin = page) {
    const std::string handle = batches->begin(origin, 1000, std::move(request)).value();
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < items; ++i) texts.push_back(std::to_string(i));
    std::vector<Manifest::Item> part;
    for (const std::string& text : texts)
      part.push_back({text, text, base::digest(base::DigestAlgorithm::sha256, base::as_bytes("content " + text))});
    REQUIRE(batches->add(origin, handle, 0, part));
    return handle;
  }
  base::Result<SigningCertificate> commit(const std::string& handle, std::size_t items, const Origin& origin = page) {
    return run(io, batches->commit(origin, handle, items, std::nullopt));
  }
  BatchProgress progress(const std::string& handle) { return batches->progress(page, handle).value(); }
  bool reaches(const std::string& handle, BatchState state) {
    return until(io, [&] { return progress(handle).state == state; });
  }

  // What a page does: reads results as they come and acknowledges them.
  std::map<std::string, ItemResult> collected;
  std::size_t results_seen = 0;
  void collect(const std::string& handle) {
    for (;;) {
      const auto after = progress(handle).acknowledged;
      auto some = batches->results(page, handle, after, 50).value();
      if (some.empty()) return;
      for (ItemResult& result : some) {
        ++results_seen;
        collected.insert_or_assign(result.id, std::move(result));
      }
      REQUIRE(batches->acknowledge(page, handle, after + some.size()));
    }
  }
  bool collect_until(const std::string& handle, BatchState state) {
    const bool reached = until(io, [&] {
      collect(handle);
      return progress(handle).state == state;
    });
    collect(handle);
    return reached;
  }

  xades::SignatureReport verified(const std::string& id) {
    xades::VerifyOptions how;
    how.trust = {{authority.root().certificate}, {}, {authority.crl()}};
    how.at = clock_now();
    how.data = {{id, base::digest(base::DigestAlgorithm::sha256, base::as_bytes("content " + id))}};
    auto reports = xades::verify(base::as_bytes(collected.at(id).document), how);
    REQUIRE(reports);
    REQUIRE(reports->size() == 1);
    return reports->front();
  }
  std::size_t journaled(const std::string& text) const {
    std::ifstream in(journal_file);
    std::ostringstream out;
    out << in.rdbuf();
    const std::string all = out.str();
    std::size_t count = 0;
    for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++count;
    return count;
  }
};

awaitable<void> pause(boost::asio::io_context& io, std::chrono::milliseconds time) {
  boost::asio::steady_timer timer(io, time);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

// A batch whose page goes when some of it is signed.
std::string begun_and_left(Bench& bench, std::size_t items) {
  const std::string handle = bench.begin(items);
  REQUIRE(bench.batches->listen(page, handle, reads));
  REQUIRE(bench.commit(handle, items));
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count >= 20; }));
  REQUIRE(bench.batches->listen(page, handle, {}));
  return handle;
}

}  // namespace

TEST_CASE("a batch is consented to once, the PIN is asked once, and every signature verifies") {
  Bench bench({.with_ec = true});
  const auto level = GENERATE(xades::Level::b_b, xades::Level::b_t);
  const auto packaging = GENERATE(xades::Packaging::detached, xades::Packaging::enveloping);
  const bool ec = GENERATE(false, true);
  const std::string certificate = base::hex((ec ? bench.ec : bench.rsa).certificate.fingerprint().bytes());
  const std::string handle =
      bench.begin(30, {.purpose = "test", .certificate_id = certificate, .level = level, .packaging = packaging});
  REQUIRE(bench.commit(handle, 30));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  REQUIRE(bench.person.asked.size() == 1);
  CHECK(bench.person.asked[0].count == 30);
  CHECK(bench.person.asked[0].origin == page);
  CHECK(bench.person.asked[0].pin == ConsentRequest::Pin::ask);
  REQUIRE(bench.collected.size() == 30);
  for (const auto& [id, result] : bench.collected) {
    INFO(id << " " << bench.verified(id).detail);
    CHECK(bench.verified(id).indication == xades::Indication::total_passed);
    CHECK(bench.verified(id).level == level);
  }
  CHECK(verify_journal(bench.journal_file)->intact);
  CHECK(bench.journaled("sha256:") == 30);
  CHECK(bench.batches->overview().pins_kept == 0);
}

TEST_CASE("several hashes in one signature") {
  Bench bench;
  const std::string handle = bench.begin(5, {.together = true});
  REQUIRE(bench.commit(handle, 5));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  REQUIRE(bench.collected.size() == 1);
  xades::VerifyOptions how;
  how.trust = {{bench.authority.root().certificate}, {}, {bench.authority.crl()}};
  how.at = clock_now();
  for (int i = 0; i < 5; ++i)
    how.data.push_back(
        {std::to_string(i), base::digest(base::DigestAlgorithm::sha256, base::as_bytes("content " + std::to_string(i)))});
  CHECK(xades::verify(base::as_bytes(bench.collected.begin()->second.document), how)->front().indication ==
        xades::Indication::total_passed);
  how.data[3].content = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("another"));
  CHECK(xades::verify(base::as_bytes(bench.collected.begin()->second.document), how)->front().indication !=
        xades::Indication::total_passed);
}

TEST_CASE("a wrong PIN spends one try, is told, and is not tried again by itself") {
  Bench bench;
  bench.person.pin = "wrong-pin";
  const std::string handle = bench.begin(3);
  CHECK(bench.commit(handle, 3).error().code == ErrorCode::pin_incorrect);
  CHECK(bench.person.asked.size() == 1);
  CHECK(bench.progress(handle).state == BatchState::waiting);
  CHECK(bench.progress(handle).signed_count == 0);
  CHECK(bench.batches->overview().pins_kept == 0);
  CHECK(bench.journaled("pin-refused") == 1);
  bench.person.pin = SoftHsm::default_pin;
  REQUIRE(bench.commit(handle, 3));
  CHECK(bench.person.asked[1].last_refusal == ErrorCode::pin_incorrect);
  CHECK(bench.collect_until(handle, BatchState::complete));
}

TEST_CASE("a PIN that cannot be one is not presented") {
  Bench bench;
  bench.person.pin = "1";
  const std::string handle = bench.begin(1);
  CHECK(bench.commit(handle, 1).error().code == ErrorCode::pin_length);
  bench.person.pin = "";
  CHECK(bench.commit(handle, 1).error().code == ErrorCode::user_cancelled);
  CHECK(bench.journaled("pin-refused") == 0);
}

TEST_CASE("the last try is not spent by a PIN that came with a command, nor by one that was typed before it was known") {
  const ToldToken token;
  Bench bench({.module = ToldToken::module});
  const std::string handle = bench.begin(1);
  SECTION("a command's") {
    token.says(ToldToken::final_try);
    const auto given = [&] { return run(bench.io, bench.batches->commit(page, handle, 1, secret(SoftHsm::default_pin))); };
    CHECK(given().error().code == ErrorCode::user_cancelled);
    CHECK(token.presented().empty());
    token.says("");
    REQUIRE(given());
    CHECK(bench.reaches(handle, BatchState::complete));
    CHECK(bench.person.asked.empty());
  }
  SECTION("where the dialog did not speak of it") {
    bench.person.meanwhile = [&]() -> awaitable<void> {
      token.says(ToldToken::final_try);
      co_return;
    };
    CHECK(bench.commit(handle, 1).error().code == ErrorCode::card_busy);
    CHECK_FALSE(bench.person.asked.at(0).final_try);
    CHECK(token.presented().empty());
    REQUIRE(bench.commit(handle, 1));
    CHECK(bench.person.asked.at(1).final_try);
    CHECK(token.presented() == std::vector<std::string>{"user"});
    CHECK(bench.reaches(handle, BatchState::complete));
  }
  SECTION("at a reader") {
    token.says(ToldToken::pin_pad);
    bench.person.meanwhile = [&]() -> awaitable<void> {
      token.says("flags 20100");
      co_return;
    };
    CHECK(bench.commit(handle, 1).error().code == ErrorCode::card_busy);
    CHECK(token.presented().empty());
  }
  SECTION("where others have locked it meanwhile") {
    bench.person.meanwhile = [&]() -> awaitable<void> {
      token.says(ToldToken::pin_locked);
      co_return;
    };
    CHECK(bench.commit(handle, 1).error().code == ErrorCode::pin_locked);
    CHECK(token.presented().empty());
  }
}

TEST_CASE("a PIN that is kept is not presented again where that is the last try, unless a person confirms it") {
  const ToldToken token;
  Bench bench({.with_ec = true, .policy = {.scope = PinScope::session}, .module = ToldToken::module});
  const auto sign_with = [&](const demo::Identity& identity) {
    const std::string certificate = base::hex(identity.certificate.fingerprint().bytes());
    const std::string handle = bench.begin(1, {.purpose = "test", .certificate_id = certificate});
    REQUIRE(bench.commit(handle, 1));
    CHECK(bench.collect_until(handle, BatchState::complete));
  };
  sign_with(bench.rsa);
  sign_with(bench.ec);  // a login is of one key: this ends the other's
  REQUIRE(bench.person.asked.size() == 2);
  sign_with(bench.rsa);
  REQUIRE(bench.person.asked.size() == 3);
  CHECK(bench.person.asked[2].pin == ConsentRequest::Pin::none);  // kept
  sign_with(bench.ec);
  token.says(ToldToken::final_try);
  sign_with(bench.rsa);
  REQUIRE(bench.person.asked.size() == 5);
  CHECK(bench.person.asked[4].pin == ConsentRequest::Pin::ask);
  CHECK(bench.person.asked[4].final_try);
}

TEST_CASE("a command's PIN is not dropped for a reader that asks itself") {
  const ToldToken token;
  token.says(ToldToken::pin_pad);
  Bench bench({.module = ToldToken::module});
  const std::string handle = bench.begin(1);
  const auto refused = run(bench.io, bench.batches->commit(page, handle, 1, secret(SoftHsm::default_pin)));
  CHECK(refused.error().code == ErrorCode::parameter_invalid);
  CHECK(token.presented().empty());
  CHECK(bench.person.asked.empty());
}

TEST_CASE("after a host's crash a reader does not ask for the PIN before the dialog has said so") {
  const ToldToken token;
  token.says(ToldToken::pin_pad);
  Bench bench({.module = ToldToken::module});
  constexpr std::size_t items = 600;
  const std::string handle = bench.begin(items);
  REQUIRE(bench.commit(handle, items));
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 50; }));
  REQUIRE(::kill(bench.modules.states()[0].process_id, SIGKILL) == 0);
  REQUIRE(bench.collect_until(handle, BatchState::paused));
  CHECK(bench.progress(handle).error->code == ErrorCode::token_host_died);
  CHECK(token.presented() == std::vector<std::string>{"pad"});
  REQUIRE(run(bench.io, bench.batches->resume(page, handle)));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.size() == 2);
  CHECK(bench.person.asked[1].pin == ConsentRequest::Pin::reader);
  CHECK(token.presented() == std::vector<std::string>{"pad", "pad"});
  CHECK(bench.results_seen == items);
}

TEST_CASE("a cancelled dialog signs nothing and leaves the request there to try again") {
  Bench bench;
  bench.person.cancels = true;
  const std::string handle = bench.begin(3);
  CHECK(bench.commit(handle, 3).error().code == ErrorCode::user_cancelled);
  CHECK(bench.journaled("signed") == 0);
  bench.person.cancels = false;
  CHECK(bench.commit(handle, 3));
  CHECK(bench.collect_until(handle, BatchState::complete));
}

TEST_CASE("a dialog is closed for its batch, not for the origin of all") {
  Bench bench;
  const std::string first = bench.begin(1), second = bench.begin(1);
  bench.person.meanwhile = [&]() -> awaitable<void> {
    REQUIRE(bench.batches->cancel(page, second));
    co_return;
  };
  REQUIRE(bench.commit(first, 1));
  CHECK(bench.person.asked.at(0).asker == first);
  CHECK(bench.person.closed == std::vector{second});
  CHECK(bench.collect_until(first, BatchState::complete));
}

TEST_CASE("a PIN that is typed after the batch was cancelled or locked away is not presented") {
  Bench bench;
  const bool lock = GENERATE(false, true);
  bench.person.pin = "wrong-pin";  // would be refused if it were
  const std::string handle = bench.begin(2);
  bench.person.meanwhile = [&]() -> awaitable<void> {
    if (lock) {
      co_await bench.batches->lock({ErrorCode::user_cancelled, "locked", 0, {}});
    } else {
      REQUIRE(bench.batches->cancel(page, handle));
    }
  };
  CHECK(bench.commit(handle, 2).error().code == ErrorCode::user_cancelled);
  CHECK(bench.journaled("pin-refused") == 0);
  CHECK(bench.batches->overview().pins_kept == 0);
  CHECK(bench.progress(handle).state == (lock ? BatchState::waiting : BatchState::cancelled));
}

TEST_CASE("a batch that is cancelled while its dialog is open does not end a PIN that is kept for the session") {
  Bench bench({.policy = {.scope = PinScope::session}});
  const std::string first = bench.begin(1), second = bench.begin(1);
  REQUIRE(bench.commit(first, 1));
  REQUIRE(bench.collect_until(first, BatchState::complete));
  bench.person.meanwhile = [&]() -> awaitable<void> {
    REQUIRE(bench.batches->cancel(page, second));
    co_return;
  };
  CHECK(bench.commit(second, 1).error().code == ErrorCode::user_cancelled);
  CHECK(bench.batches->overview().pins_kept == 1);
}

TEST_CASE("a PIN that was taken, where the consent then cannot be recorded, is not kept") {
  Bench bench;
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit whole{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &whole) == 0);
  const std::string handle = bench.begin(2);
  bench.person.meanwhile = [&]() -> awaitable<void> {
    const rlimit full{std::filesystem::file_size(bench.journal_file), whole.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &full) == 0);
    co_return;
  };
  const auto committed = bench.commit(handle, 2);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &whole) == 0);
  CHECK(committed.error().code == ErrorCode::file_failed);
  CHECK(bench.batches->overview().pins_kept == 0);
  bench.person.meanwhile = {};
  REQUIRE(bench.commit(handle, 2));
  CHECK(bench.person.asked.at(1).pin == ConsentRequest::Pin::ask);
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.journaled(" consent ") == 1);
}

TEST_CASE("what is not in the manifest, or not as it was announced, is refused before anybody is asked") {
  Bench bench;
  const std::string handle = bench.begin(2);
  CHECK(bench.commit(handle, 3).error().code == ErrorCode::parameter_invalid);
  CHECK(bench.batches->add(page, handle, 5, {}).error().code == ErrorCode::part_out_of_order);
  const std::string empty = bench.batches->begin(page, 1000, {}).value();
  CHECK(bench.commit(empty, 0).error().code == ErrorCode::batch_empty);
  CHECK(bench.batches->progress(other_page, handle).error().code == ErrorCode::batch_unknown);
  CHECK(run(bench.io, bench.batches->commit(other_page, handle, 2, std::nullopt)).error().code == ErrorCode::batch_unknown);
  CHECK(bench.commit("no-such-handle", 2).error().code == ErrorCode::batch_unknown);
  CHECK(bench.person.asked.empty());
}

TEST_CASE("the list is closed once the person was asked") {
  Bench bench;
  const std::string handle = bench.begin(2);
  REQUIRE(bench.commit(handle, 2));
  CHECK(bench.batches->add(page, handle, 1, {{"x", "x", base::digest(base::DigestAlgorithm::sha256, base::as_bytes("x"))}})
            .error()
            .code == ErrorCode::batch_state);
  CHECK(bench.commit(handle, 2).error().code == ErrorCode::batch_state);
}

TEST_CASE("with a kept PIN the person still consents, and is not asked for the PIN") {
  Bench bench({.policy = {.scope = PinScope::session}});
  for (int i = 0; i < 2; ++i) {
    const std::string handle = bench.begin(2);
    REQUIRE(bench.commit(handle, 2));
    REQUIRE(bench.collect_until(handle, BatchState::complete));
  }
  REQUIRE(bench.person.asked.size() == 2);
  CHECK(bench.person.asked[0].pin == ConsentRequest::Pin::ask);
  CHECK(bench.person.asked[1].pin == ConsentRequest::Pin::none);
  CHECK(bench.batches->overview().pins_kept == 1);
  SECTION("another origin is asked for its own") {
    const std::string handle = bench.begin(1, {}, other_page);
    REQUIRE(bench.commit(handle, 1, other_page));
    CHECK(bench.person.asked[2].pin == ConsentRequest::Pin::ask);
  }
  SECTION("another origin's login is its own: a wrong PIN is refused") {
    bench.person.pin = "wrong-pin";
    const std::string handle = bench.begin(1, {}, other_page);
    CHECK(bench.commit(handle, 1, other_page).error().code == ErrorCode::pin_incorrect);
  }
  SECTION("after a lock the PIN is asked again") {
    run(bench.io, bench.batches->lock({ErrorCode::user_cancelled, "locked", 0, {}}));
    CHECK(bench.batches->overview().pins_kept == 0);
    CHECK_FALSE(bench.modules.states()[0].running);
    const std::string handle = bench.begin(1);
    REQUIRE(bench.commit(handle, 1));
    CHECK(bench.person.asked[2].pin == ConsentRequest::Pin::ask);
  }
}

TEST_CASE("a kept PIN that is not used is wiped, and its host is ended") {
  Bench bench({.policy = {.scope = PinScope::session, .idle = std::chrono::seconds{1}}});
  const std::string handle = bench.begin(1);
  REQUIRE(bench.commit(handle, 1));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  const int host = bench.modules.states()[0].process_id;
  REQUIRE(host > 0);
  CHECK(until(bench.io, [&] { return bench.batches->overview().pins_kept == 0; }));
  CHECK(until(bench.io, [&] { return ::kill(host, 0) != 0; }));
}

TEST_CASE("a PIN that is kept for the session does not outlive its token's stay, whatever is under way") {
  const ToldToken token;
  Bench bench({.policy = {.scope = PinScope::session}, .module = ToldToken::module});
  const std::string first = bench.begin(1);
  REQUIRE(bench.commit(first, 1));
  REQUIRE(bench.collect_until(first, BatchState::complete));
  REQUIRE(bench.batches->overview().pins_kept == 1);
  const int host = bench.modules.states()[0].process_id;
  const auto pull_out = [&] {
    token.says("absent 1");
    bench.modules.look_again();
  };
  const auto nothing_kept = [&] { return bench.batches->overview().pins_kept == 0; };
  SECTION("while time stamps of another batch are waited for") {
    boost::asio::steady_timer tsa_answers(bench.io, std::chrono::hours{1});
    bench.tsa_waits_for = &tsa_answers;
    const std::string stamped = bench.begin(1, {.level = xades::Level::b_t});
    REQUIRE(bench.commit(stamped, 1));
    REQUIRE(until(bench.io, [&] { return bench.stamps_asked == 1; }));
    for (int i = 0; i < 100; ++i) bench.io.poll();  // past the end of its signing
    REQUIRE_FALSE(nothing_kept());
    pull_out();
    CHECK(until(bench.io, nothing_kept));
    CHECK(until(bench.io, [&] { return ::kill(host, 0) != 0; }));
    bench.tsa_waits_for = nullptr;
    tsa_answers.cancel();
    CHECK(bench.collect_until(stamped, BatchState::complete));
  }
  SECTION("while another origin's dialog is open") {
    const std::string handle = bench.begin(1, {}, other_page);
    bool wiped = false;
    bench.person.meanwhile = [&]() -> awaitable<void> {
      pull_out();
      for (int i = 0; i < 500 && !nothing_kept(); ++i) co_await pause(bench.io, std::chrono::milliseconds{10});
      wiped = nothing_kept();
      bench.person.cancels = true;
    };
    CHECK(bench.commit(handle, 1, other_page).error().code == ErrorCode::user_cancelled);
    CHECK(wiped);
  }
  SECTION("and no event has told of it, but a dialog's end finds it gone") {
    const std::string handle = bench.begin(1, {}, other_page);
    bench.person.meanwhile = [&]() -> awaitable<void> {
      token.says("absent 1");
      co_return;
    };
    CHECK(bench.commit(handle, 1, other_page).error().code == ErrorCode::token_removed);
    CHECK(nothing_kept());
    CHECK(until(bench.io, [&] { return ::kill(host, 0) != 0; }));
  }
  SECTION("while a batch signs that does not notice") {
    constexpr std::size_t items = 300;
    const std::string handle = bench.begin(items);
    REQUIRE(bench.commit(handle, items));
    REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 20; }));
    pull_out();
    REQUIRE(bench.collect_until(handle, BatchState::complete));
    CHECK(until(bench.io, nothing_kept));
    CHECK(until(bench.io, [&] { return ::kill(host, 0) != 0; }));
  }
  SECTION("and it is back before anybody has looked") {
    bench.modules.token_pulled(0, false);
    CHECK(until(bench.io, nothing_kept));
    CHECK(until(bench.io, [&] { return ::kill(host, 0) != 0; }));
    const std::string handle = bench.begin(1);
    REQUIRE(bench.commit(handle, 1));
    CHECK(bench.person.asked.back().pin == ConsentRequest::Pin::ask);
    CHECK(bench.collect_until(handle, BatchState::complete));
  }
  SECTION("and it is back before the batch that signs has noticed") {
    constexpr std::size_t items = 300;
    const std::string handle = bench.begin(items);
    REQUIRE(bench.commit(handle, items));
    REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 20; }));
    bench.modules.token_pulled(0, false);
    bench.modules.look_again();
    REQUIRE(bench.collect_until(handle, BatchState::complete));
    CHECK(until(bench.io, nothing_kept));
  }
  SECTION("though not because others come and go, or for a change that is none") {
    bench.modules.look_again();
    bench.modules.token_pulled(0, true);
    for (int i = 0; i < 50; ++i) bench.io.run_one_for(std::chrono::milliseconds{10});
    CHECK_FALSE(nothing_kept());
    CHECK(::kill(host, 0) == 0);
  }
  SECTION("also that of an origin whose login has made way for another's") {
    const std::string handle = bench.begin(1, {}, other_page);
    REQUIRE(bench.commit(handle, 1, other_page));
    REQUIRE(until(bench.io, [&] { return bench.batches->progress(other_page, handle)->state == BatchState::complete; }));
    REQUIRE(bench.batches->overview().pins_kept == 2);
    bench.modules.token_pulled(0, false);
    CHECK(until(bench.io, nothing_kept));
  }
}

TEST_CASE("a lock ends the host that is logged in while another module hangs over its start") {
  using namespace std::chrono;
  constexpr auto hangs = seconds{8};
  Bench bench({.policy = {.scope = PinScope::session},
               .beside = {{.name = "hangs", .path = SIGNET_FAKE_MODULES "/hang_in_initialize.so", .load_timeout = hangs}}});
  const std::string handle = bench.begin(1);
  REQUIRE(bench.commit(handle, 1));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  const int host = bench.modules.states()[0].process_id;
  REQUIRE(host > 0);
  boost::asio::co_spawn(bench.io, bench.modules.host(1), [](std::exception_ptr, auto) {});
  const auto began = steady_clock::now();
  run(bench.io, bench.batches->lock({ErrorCode::user_cancelled, "locked", 0, {}}));
  CHECK(steady_clock::now() - began < hangs / 2);
  CHECK(::kill(host, 0) != 0);
  CHECK_FALSE(bench.modules.states()[0].running);
  CHECK_FALSE(bench.modules.states()[0].last_error);  // it was not the module's doing
}

TEST_CASE("a host that is ended for another's sake does not cost the PIN that was just typed") {
  Bench bench;
  const std::string handle = bench.begin(1);
  bench.person.meanwhile = [&]() -> awaitable<void> {
    // Runs when the token is looked for again.
    boost::asio::post(bench.io, [&] { boost::asio::co_spawn(bench.io, bench.modules.end_host(0), boost::asio::detached); });
    co_return;
  };
  const auto committed = bench.commit(handle, 1);
  CAPTURE(committed ? "" : committed.error().detail);
  REQUIRE(committed);
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.size() == 1);
  CHECK(bench.modules.states()[0].starts == 2);
}

TEST_CASE("the end of one's login does not end another's that is under way in a host of its own") {
  const ToldToken token;
  Bench bench({.policy = {.scope = PinScope::session, .idle = std::chrono::seconds{1}}, .module = ToldToken::module});
  const std::string before = bench.begin(1);
  REQUIRE(bench.commit(before, 1));
  REQUIRE(bench.collect_until(before, BatchState::complete));
  // Its host goes while the PIN stays, and the PIN's time is over while the next one logs in.
  const std::string handle = bench.begin(1, {}, other_page);
  bench.person.meanwhile = [&]() -> awaitable<void> {
    token.says("login_ms 3000");
    REQUIRE(::kill(bench.modules.states()[0].process_id, SIGKILL) == 0);
    while (bench.modules.states()[0].running) co_await pause(bench.io, std::chrono::milliseconds{5});
  };
  const auto committed = bench.commit(handle, 1, other_page);
  CAPTURE(committed ? "" : committed.error().detail);
  REQUIRE(committed);
  REQUIRE(until(bench.io, [&] { return bench.batches->progress(other_page, handle)->state == BatchState::complete; }));
}

TEST_CASE("a lock during the login leaves neither PIN nor login") {
  Bench bench({.policy = {.scope = PinScope::session}});
  const std::string handle = bench.begin(2);
  bool failed = false;
  const auto commit = [&]() -> awaitable<void> { failed = !(co_await bench.batches->commit(page, handle, 2, std::nullopt)); };
  bench.person.meanwhile = [&]() -> awaitable<void> {
    // Runs when the PIN is on its way to the token.
    boost::asio::post(bench.io, [&] {
      boost::asio::co_spawn(bench.io, bench.batches->lock({ErrorCode::user_cancelled, "locked", 0, {}}), boost::asio::detached);
    });
    co_return;
  };
  boost::asio::co_spawn(bench.io, commit(), boost::asio::detached);
  REQUIRE(until(bench.io, [&] { return failed; }));
  CHECK(bench.batches->overview().pins_kept == 0);
  // Nobody is logged in: a wrong PIN is seen.
  bench.person.meanwhile = {};
  bench.person.pin = "wrong-pin";
  CHECK(bench.commit(handle, 2).error().code == ErrorCode::pin_incorrect);
}

TEST_CASE("a lock wipes the login that is under way for a batch whose page has cancelled or closed it just before") {
  const ToldToken token;
  Bench bench({.policy = {.scope = PinScope::session}, .module = ToldToken::module});
  const bool close = GENERATE(false, true);
  CAPTURE(close);
  const std::string handle = bench.begin(2);
  bool failed = false, locked = false;
  std::size_t kept_after_lock = 99, logged_in_after_lock = 99;
  const auto commit = [&]() -> awaitable<void> { failed = !(co_await bench.batches->commit(page, handle, 2, std::nullopt)); };
  const auto lock = [&]() -> awaitable<void> {
    co_await bench.batches->lock({ErrorCode::user_cancelled, "locked", 0, {}});
    kept_after_lock = bench.batches->overview().pins_kept;
    logged_in_after_lock = bench.modules.states()[0].running ? 1 : 0;
    locked = true;
  };
  bench.person.meanwhile = [&]() -> awaitable<void> {
    token.says("login_ms 500");
    // Runs when the PIN is on its way to the token.
    boost::asio::post(bench.io, [&] {
      boost::asio::co_spawn(
          bench.io,
          [](Bench& under, const ToldToken& told) -> awaitable<void> {
            while (told.presented().empty() && under.modules.states()[0].in_call != "C_Login")
              co_await pause(under.io, std::chrono::milliseconds{1});
          }(bench, token),
          [&](std::exception_ptr) {
            REQUIRE((close ? bench.batches->close(page, handle) : bench.batches->cancel(page, handle)));
            boost::asio::co_spawn(bench.io, lock(), boost::asio::detached);
          });
    });
    co_return;
  };
  boost::asio::co_spawn(bench.io, commit(), boost::asio::detached);
  REQUIRE(until(bench.io, [&] { return failed && locked; }));
  CHECK(token.presented() == std::vector<std::string>{"user"});
  CHECK(kept_after_lock == 0);
  CHECK(logged_in_after_lock == 0);
  CHECK(bench.batches->overview().pins_kept == 0);
  CHECK_FALSE(bench.modules.states()[0].running);
}

TEST_CASE("a batch that runs is not cut by the limits of the PIN cache, not even when its host has to be started again") {
  Bench bench({.policy = {.max_signatures = 50}});
  constexpr std::size_t items = 600;
  const std::string handle = bench.begin(items);
  REQUIRE(bench.commit(handle, items));
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 100; }));
  REQUIRE(::kill(bench.modules.states()[0].process_id, SIGKILL) == 0);
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.size() == 1);
  CHECK(bench.results_seen == items);
}

TEST_CASE("at the end of a batch the PIN is wiped and the host that held it is ended") {
  Bench bench;
  const std::string handle = bench.begin(2);
  REQUIRE(bench.commit(handle, 2));
  const int host = bench.modules.states()[0].process_id;
  REQUIRE(host > 0);
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.batches->overview().pins_kept == 0);
  CHECK(until(bench.io, [&] { return ::kill(host, 0) != 0; }));
}

TEST_CASE("scope off asks for each signature") {
  Bench bench({.policy = {.scope = PinScope::off}});
  const std::string handle = bench.begin(3);
  std::set<int> hosts;  // the one that has signed is gone when the next signature is asked for
  bench.person.meanwhile = [&]() -> awaitable<void> {
    for (const int host : hosts) CHECK(::kill(host, 0) != 0);
    hosts.insert(bench.modules.states()[0].process_id);
    co_return;
  };
  REQUIRE(bench.commit(handle, 3));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  REQUIRE(bench.person.asked.size() == 3);
  CHECK_FALSE(bench.person.asked[0].consent_given);
  CHECK(bench.person.asked[1].consent_given);
  for (const ConsentRequest& request : bench.person.asked) CHECK(request.pin == ConsentRequest::Pin::ask);
  CHECK(hosts.size() == 3);
}

TEST_CASE("a key that always authenticates signs a batch with one PIN") {
  Bench bench({.always_authenticate = true});
  const std::string handle = bench.begin(10);
  REQUIRE(bench.commit(handle, 10));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.size() == 1);
  CHECK(bench.verified("9").indication == xades::Indication::total_passed);
}

TEST_CASE("a host that is killed in the middle is the agent's business, not the person's; nothing is signed twice") {
  Bench bench;
  constexpr std::size_t items = 600;
  const std::string handle = bench.begin(items);
  REQUIRE(bench.commit(handle, items));
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 100; }));
  const int host = bench.modules.states()[0].process_id;
  REQUIRE(::kill(host, SIGKILL) == 0);
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.size() == 1);
  CHECK(bench.collected.size() == items);
  CHECK(bench.results_seen == items);
  CHECK(bench.journaled("sha256:") == items);
  CHECK(bench.modules.states()[0].starts > 1);
}

TEST_CASE("a lock in the middle pauses; resuming asks for the PIN alone and signs only what is missing") {
  Bench bench;
  constexpr std::size_t items = 600;
  const std::string handle = bench.begin(items);
  REQUIRE(bench.commit(handle, items));
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 50; }));
  run(bench.io, bench.batches->lock({ErrorCode::user_cancelled, "the screen was locked", 0, {}}));
  REQUIRE(bench.reaches(handle, BatchState::paused));
  CHECK(bench.progress(handle).signed_count < items);
  CHECK(bench.progress(handle).error->detail == "the screen was locked");
  bool told_again = false;  // a page that is loaded again while the dialog of its resume is open
  bench.person.meanwhile = [&]() -> awaitable<void> { told_again = (co_await bench.batches->resume(page, handle)).has_value(); };
  REQUIRE(run(bench.io, bench.batches->resume(page, handle)));
  CHECK(told_again);
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.size() == 2);
  CHECK(bench.person.asked[1].consent_given);
  CHECK(bench.results_seen == items);
  CHECK(bench.journaled("sha256:") == items);
}

TEST_CASE("a lock that lets batches finish wipes what does not run at once, and the rest at the batch's end") {
  Bench bench({.policy = {.scope = PinScope::session}});
  const std::string before = bench.begin(1, {}, other_page);
  REQUIRE(bench.commit(before, 1, other_page));
  REQUIRE(until(bench.io, [&] { return bench.batches->progress(other_page, before)->state == BatchState::complete; }));
  constexpr std::size_t items = 600;
  const std::string handle = bench.begin(items);
  REQUIRE(bench.commit(handle, items));
  CHECK(bench.batches->overview().pins_kept == 2);
  const int host = bench.modules.states()[0].process_id;
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 50; }));
  run(bench.io, bench.batches->lock({ErrorCode::screen_locked, "the screen was locked", 0, {}}, OnLock::finish));
  CHECK(bench.batches->overview().pins_kept == 1);
  CHECK(bench.progress(handle).state == BatchState::running);
  SECTION("it ends, and then nobody is logged in") {
    REQUIRE(bench.collect_until(handle, BatchState::complete));
    CHECK(bench.results_seen == items);
    CHECK(bench.batches->overview().pins_kept == 0);
    CHECK(::kill(host, 0) != 0);
  }
  SECTION("a host that dies behind the lock gets the PIN again, without a dialog") {
    const auto asked = bench.person.asked.size();
    bench.away = base::Error{ErrorCode::screen_locked, "the screen is locked", 0, {}};
    REQUIRE(::kill(host, SIGKILL) == 0);
    REQUIRE(bench.collect_until(handle, BatchState::complete));
    CHECK(bench.person.asked.size() == asked);
    CHECK(bench.batches->overview().pins_kept == 0);
  }
  SECTION("one that waits for nothing but time stamps keeps no PIN") {
    REQUIRE(bench.collect_until(handle, BatchState::complete));
    boost::asio::steady_timer tsa_answers(bench.io, std::chrono::hours{1});
    bench.tsa_waits_for = &tsa_answers;
    const std::string stamped = bench.begin(1, {.level = xades::Level::b_t});
    REQUIRE(bench.commit(stamped, 1));
    REQUIRE(until(bench.io, [&] { return bench.stamps_asked == 1; }));
    REQUIRE(until(bench.io, [&] { return bench.progress(stamped).signed_count == 1; }));
    for (int i = 0; i < 100; ++i) bench.io.poll();  // past the end of its signing
    CHECK(bench.batches->overview().pins_kept == 1);
    run(bench.io, bench.batches->lock({ErrorCode::screen_locked, "the screen was locked", 0, {}}, OnLock::finish));
    CHECK(bench.batches->overview().pins_kept == 0);
    bench.tsa_waits_for = nullptr;
    tsa_answers.cancel();
    REQUIRE(bench.collect_until(stamped, BatchState::complete));
  }
  SECTION("a lock for sleep, then, pauses it") {
    run(bench.io, bench.batches->lock({ErrorCode::machine_asleep, "the machine went to sleep", 0, {}}));
    CHECK(::kill(host, 0) != 0);
    CHECK(bench.batches->overview().pins_kept == 0);
    REQUIRE(bench.reaches(handle, BatchState::paused));
    CHECK(bench.progress(handle).error->code == ErrorCode::machine_asleep);
  }
}

TEST_CASE("while nobody is there nobody is asked: the batch stays as it was") {
  Bench bench;
  bench.away = base::Error{ErrorCode::screen_locked, "the screen is locked", 0, {}};
  const std::string handle = bench.begin(2);
  CHECK(bench.commit(handle, 2).error().code == ErrorCode::screen_locked);
  CHECK(bench.progress(handle).state == BatchState::waiting);
  CHECK(run(bench.io, bench.batches->choose_certificate("asker", page, true, {})).error().code == ErrorCode::screen_locked);
  CHECK(bench.person.asked.empty());
  CHECK(bench.person.choices == 0);
  // A command that brings its PIN needs nobody.
  const std::string given = bench.begin(1);
  REQUIRE(
      run(bench.io, bench.batches->commit(page, given, 1, base::Secret::copy_of(base::as_bytes(SoftHsm::default_pin)).value())));
  REQUIRE(bench.reaches(given, BatchState::complete));
  // But not one that would be cut by sleep.
  bench.away = base::Error{ErrorCode::machine_asleep, "the machine goes to sleep", 0, {}};
  const std::string cut = bench.begin(1);
  const auto refused =
      run(bench.io, bench.batches->commit(page, cut, 1, base::Secret::copy_of(base::as_bytes(SoftHsm::default_pin)).value()));
  CHECK(refused.error().code == ErrorCode::machine_asleep);
  bench.away.reset();
  const auto committed = bench.commit(handle, 2);
  CAPTURE(committed ? "" : std::string(name(committed.error().code)) + committed.error().detail);
  REQUIRE(committed);
  CHECK(bench.collect_until(handle, BatchState::complete));
}

TEST_CASE("when a lock is done nothing of a login that was under way is left to undo") {
  const auto later = GENERATE(std::chrono::milliseconds{0}, std::chrono::milliseconds{1}, std::chrono::milliseconds{2},
                              std::chrono::milliseconds{4}, std::chrono::milliseconds{8}, std::chrono::milliseconds{16});
  CAPTURE(later.count());
  Bench bench({.policy = {.scope = PinScope::session}});
  const std::string handle = bench.begin(2);
  std::optional<ErrorCode> refused;
  bool committed = false;
  std::optional<int> host;  // when the lock is done
  const auto commit = [&]() -> awaitable<void> {
    const auto done = co_await bench.batches->commit(page, handle, 2, std::nullopt);
    if (!done) refused = done.error().code;
    committed = true;
  };
  const auto lock = [&]() -> awaitable<void> {
    boost::asio::steady_timer timer(bench.io, later);
    co_await timer.async_wait(boost::asio::use_awaitable);
    co_await bench.batches->lock({ErrorCode::machine_asleep, "the machine went to sleep", 0, {}});
    CHECK(bench.batches->overview().pins_kept == 0);
    host = bench.modules.states()[0].process_id;
  };
  bench.person.meanwhile = [&]() -> awaitable<void> {
    // Runs when the PIN is on its way to the token.
    boost::asio::post(bench.io, [&] { boost::asio::co_spawn(bench.io, lock(), boost::asio::detached); });
    co_return;
  };
  boost::asio::co_spawn(bench.io, commit(), boost::asio::detached);
  REQUIRE(until(bench.io, [&] { return committed && host; }));
  if (refused) CHECK(*refused == ErrorCode::machine_asleep);
  CHECK(bench.batches->overview().pins_kept == 0);
  CHECK(bench.modules.states()[0].process_id == *host);
}

TEST_CASE("a page that reads nothing stops the signing; reading lets it go on") {
  Bench bench({.limits = {.max_unacknowledged = 100}});
  const std::string handle = bench.begin(400);
  REQUIRE(bench.commit(handle, 400));
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).ready >= 100; }));
  CHECK(bench.progress(handle).signed_count == 100);
  CHECK(bench.batches->results(page, handle, 0, 1000)->size() == 100);
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.results_seen == 400);
}

TEST_CASE(
    "a page that has gone and does not come back in time pauses the batch; it resumes with a PIN alone, and nothing is signed "
    "twice") {
  constexpr std::size_t items = 500;
  Bench bench({.limits = {.max_unacknowledged = items, .wait_for_page = std::chrono::seconds{0}}});
  const std::string handle = begun_and_left(bench, items);
  REQUIRE(bench.reaches(handle, BatchState::paused));
  const std::size_t made = bench.progress(handle).signed_count;
  CHECK(bench.progress(handle).error->code == ErrorCode::batch_state);
  CHECK(made < items);
  CHECK(bench.journaled("sha256:") == made);
  CHECK(bench.batches->overview().pins_kept == 0);

  REQUIRE(bench.batches->listen(page, handle, reads));
  REQUIRE(run(bench.io, bench.batches->resume(page, handle)));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.size() == 2);
  CHECK(bench.person.asked[1].consent_given);
  CHECK(bench.results_seen == items);
  CHECK(bench.journaled("sha256:") == items);
}

TEST_CASE("a page that comes back in time finds its batch running") {
  constexpr std::size_t items = 400;
  Bench bench({.limits = {.max_unacknowledged = items, .wait_for_page = std::chrono::seconds{60}}});
  const std::string handle = begun_and_left(bench, items);
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count >= 200; }));
  REQUIRE(bench.batches->listen(page, handle, reads));
  REQUIRE(run(bench.io, bench.batches->resume(page, handle)));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.size() == 1);
  CHECK(bench.journaled("sha256:") == items);
}

TEST_CASE("a page that comes back while its batch is pausing for it lets it go on") {
  constexpr std::size_t items = 300;
  Bench bench({.limits = {.wait_for_page = std::chrono::seconds{0}}});
  const std::string handle = bench.begin(items);
  REQUIRE(bench.batches->listen(page, handle, reads));
  REQUIRE(bench.commit(handle, items));
  REQUIRE(bench.batches->listen(page, handle, {}));
  for (int i = 0; i < 1'000 && bench.progress(handle).state == BatchState::running; ++i) {
    bench.io.restart();
    bench.io.run_one_for(std::chrono::seconds{1});
    REQUIRE(bench.batches->listen(page, handle, reads));
    const auto progress = run(bench.io, bench.batches->resume(page, handle));
    REQUIRE(progress);
    CHECK(progress->state != BatchState::paused);
    REQUIRE(bench.batches->listen(page, handle, {}));
  }
  REQUIRE(bench.batches->listen(page, handle, reads));
  REQUIRE(run(bench.io, bench.batches->resume(page, handle)));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.journaled("sha256:") == items);
}

TEST_CASE("results stay until they are acknowledged and are the same when fetched again") {
  Bench bench;
  const std::string handle = bench.begin(20);
  REQUIRE(bench.commit(handle, 20));
  REQUIRE(bench.reaches(handle, BatchState::complete));
  const auto first = bench.batches->results(page, handle, 0, 100).value();
  REQUIRE(bench.batches->acknowledge(page, handle, 12));
  const auto again = bench.batches->results(page, handle, 0, 100).value();
  REQUIRE(again.size() == 8);
  CHECK(again[0].sequence == 13);
  CHECK(again[0].document == first[12].document);
  CHECK(bench.batches->results(other_page, handle, 0, 100).error().code == ErrorCode::batch_unknown);
}

TEST_CASE("cancelling stops before the next signature and keeps what was made") {
  Bench bench;
  const std::string handle = bench.begin(2'000, {}, page);
  REQUIRE(bench.commit(handle, 2'000));
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 50; }));
  REQUIRE(bench.batches->cancel(page, handle));
  bench.collect(handle);
  REQUIRE(until(bench.io, [&] { return bench.batches->overview().running == 0; }));
  bench.collect(handle);
  CHECK(bench.progress(handle).state == BatchState::cancelled);
  CHECK(bench.collected.size() >= 50);
  CHECK(bench.collected.size() < 2'000);
  CHECK(bench.collected.size() == bench.progress(handle).signed_count);
  CHECK(bench.batches->overview().pins_kept == 0);
}

TEST_CASE("with the TSA down the B-B signatures are delivered with the reason, and time-stamped later without the token") {
  Bench bench;
  bench.tsa_down = true;
  const std::string handle = bench.begin(5, {.level = xades::Level::b_t});
  REQUIRE(bench.commit(handle, 5));
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  REQUIRE(bench.collected.size() == 5);
  for (const auto& [id, result] : bench.collected) {
    CHECK(result.time_stamp_error->code == ErrorCode::time_stamp_failed);
    CHECK(bench.verified(id).level == xades::Level::b_b);
  }
  CHECK(bench.progress(handle).time_stamps_missing == 5);
  bench.tsa_down = false;
  const std::size_t asked = bench.person.asked.size();
  CHECK(bench.stamps_asked_anew == 0);
  CHECK(run(bench.io, bench.batches->retry_time_stamps(page, handle)).value() == 0);
  CHECK(bench.stamps_asked_anew == 1);
  bench.collect(handle);
  for (const auto& [id, result] : bench.collected) {
    CHECK_FALSE(result.time_stamp_error);
    CHECK(bench.verified(id).indication == xades::Indication::total_passed);
    CHECK(bench.verified(id).level == xades::Level::b_t);
  }
  CHECK(bench.person.asked.size() == asked);
  CHECK_FALSE(bench.modules.states()[0].running);
}

TEST_CASE("among several certificates the person chooses, once for each origin") {
  Bench bench({.with_ec = true});
  bench.person.chooses = 1;
  const auto first = run(bench.io, bench.batches->choose_certificate("test", page, false, {}));
  REQUIRE(first);
  CHECK(run(bench.io, bench.batches->choose_certificate("test", page, false, {}))->id() == first->id());
  CHECK(bench.person.choices == 1);
  CHECK(run(bench.io, bench.batches->choose_certificate("test", other_page, false, {})));
  CHECK(bench.person.choices == 2);
  bench.person.chooses = 0;
  CHECK(run(bench.io, bench.batches->choose_certificate("test", page, true, {}))->id() != first->id());
  bench.person.chooses = 9;
  CHECK(run(bench.io, bench.batches->choose_certificate("test", page, true, {})).error().code == ErrorCode::user_cancelled);
}

TEST_CASE("also the only certificate is told to a page only after the person said so") {
  Bench bench;
  bench.person.chooses = 9;
  CHECK(run(bench.io, bench.batches->choose_certificate("test", page, false, {})).error().code == ErrorCode::user_cancelled);
  CHECK(bench.remembered[page.text()].empty());
  bench.person.chooses = 0;
  CHECK(run(bench.io, bench.batches->choose_certificate("test", page, false, {})));
  CHECK(run(bench.io, bench.batches->choose_certificate("test", page, false, {})));
  CHECK(bench.person.choices == 2);
  CHECK(run(bench.io, bench.batches->choose_certificate("test", Origin::command_line(), false, {})));
  // A batch's own consent names the certificate: nothing else is asked.
  const std::string handle = bench.begin(1, {}, other_page);
  REQUIRE(bench.commit(handle, 1, other_page));
  CHECK(bench.person.choices == 2);
  CHECK(bench.remembered[other_page.text()].empty());
}

TEST_CASE("an expired certificate does not sign, and nobody is asked for its PIN") {
  Bench bench({.rsa_ends = -std::chrono::hours{1}});
  const std::string handle = bench.begin(1);
  CHECK(bench.commit(handle, 1).error().code == ErrorCode::certificate_expired);
  CHECK(bench.person.asked.empty());
}

TEST_CASE("a certificate that is for encryption alone does not sign") {
  Bench bench({.rsa_usage = demo::Subject::Usage::encryption_only});
  const std::string handle = bench.begin(1);
  CHECK(bench.commit(handle, 1).error().code == ErrorCode::certificate_unfit);
  CHECK(bench.person.asked.empty());
}

TEST_CASE("a command's own PIN signs without a dialog, also when the host has to be started again") {
  Bench bench;
  constexpr std::size_t items = 600;
  const std::string handle = bench.begin(items);
  auto pin = base::Secret::copy_of(base::as_bytes(SoftHsm::default_pin)).value();
  REQUIRE(run(bench.io, bench.batches->commit(page, handle, items, std::move(pin))));
  REQUIRE(until(bench.io, [&] { return bench.progress(handle).signed_count > 100; }));
  REQUIRE(::kill(bench.modules.states()[0].process_id, SIGKILL) == 0);
  REQUIRE(bench.collect_until(handle, BatchState::complete));
  CHECK(bench.person.asked.empty());
}

TEST_CASE("two origins at once wait for each other; each signs with its own PIN") {
  Bench bench;
  const std::string one = bench.begin(100);
  const std::string two = bench.begin(100, {}, other_page);
  bool second_runs = false;
  const auto commit_later = [&](Origin origin, std::string handle) -> awaitable<void> {
    second_runs = (co_await bench.batches->commit(std::move(origin), std::move(handle), 100, std::nullopt)).has_value();
  };
  boost::asio::co_spawn(bench.io, commit_later(page, one), boost::asio::detached);
  boost::asio::co_spawn(bench.io, commit_later(other_page, two), boost::asio::detached);
  REQUIRE(bench.reaches(one, BatchState::complete));
  REQUIRE(until(bench.io, [&] { return bench.batches->progress(other_page, two)->state == BatchState::complete; }));
  CHECK(second_runs);
  CHECK(bench.person.asked.size() == 2);
  for (const ConsentRequest& request : bench.person.asked) CHECK(request.pin == ConsentRequest::Pin::ask);
}

TEST_CASE("no more unfinished batches of one origin than the limit") {
  Bench bench;
  for (int i = 0; i < 8; ++i) REQUIRE(bench.batches->begin(page, 1000, {}));
  CHECK(bench.batches->begin(page, 1000, {}).error().code == ErrorCode::too_many);
  CHECK(bench.batches->begin(other_page, 1000, {}));
}

TEST_CASE("over the limit the oldest paused batch whose page has gone makes room, and no other") {
  Bench bench({.limits = {.max_batches_per_origin = 2, .wait_for_page = std::chrono::seconds{0}}});
  const std::string left = bench.begin(50), stays = bench.begin(50);
  for (const std::string& handle : {left, stays}) {
    REQUIRE(bench.batches->listen(page, handle, reads));
    REQUIRE(bench.commit(handle, 50));
    REQUIRE(bench.batches->listen(page, handle, {}));
    REQUIRE(bench.reaches(handle, BatchState::paused));
  }
  REQUIRE(bench.batches->listen(page, stays, reads));
  REQUIRE(bench.batches->begin(page, 1000, {}));
  CHECK(bench.batches->progress(page, left).error().code == ErrorCode::batch_unknown);
  CHECK(bench.progress(stays).state == BatchState::paused);
  CHECK(bench.batches->begin(page, 1000, {}).error().code == ErrorCode::too_many);
}
