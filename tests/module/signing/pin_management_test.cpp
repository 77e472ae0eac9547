#include "signing/pin_management.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "demo/pki.hpp"
#include "run.hpp"
#include "softhsm.hpp"

using namespace signet;
using namespace signet::signing;
using base::ErrorCode;
using boost::asio::awaitable;
using test::run;
using test::SoftHsm;
using test::until;
using Task = PinEntryRequest::Task;
using LastTry = PinEntryRequest::LastTry;

namespace {

base::Time clock_now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }
const Origin page = Origin::parse("https://sign.example").value();

// A person who types what they are told, and remembers what was asked.
class Typist : public Dialog {
 public:
  std::string pin = SoftHsm::default_pin, old_secret = SoftHsm::default_pin, new_pin = "another-pin";
  bool cancels = false;
  std::vector<PinEntryRequest> asked;
  std::size_t consents = 0;
  std::function<awaitable<void>()> meanwhile;
  std::vector<Asker> closed;

  awaitable<base::Result<ConsentAnswer>> consent(ConsentRequest request, WaitingCallback) override {
    ++consents;
    if (meanwhile) co_await meanwhile();
    ConsentAnswer answer;
    if (request.pin == ConsentRequest::Pin::ask) answer.pin = base::Secret::copy_of(base::as_bytes(pin)).value();
    co_return answer;
  }
  awaitable<base::Result<PinEntry>> enter_pins(PinEntryRequest request, WaitingCallback waiting) override {
    asked.push_back(request);
    if (waiting) waiting({Waiting::For::pin, clock_now()});
    if (meanwhile) co_await meanwhile();
    if (cancels) co_return base::failure(ErrorCode::user_cancelled);
    co_return PinEntry{base::Secret::copy_of(base::as_bytes(old_secret)).value(),
                       base::Secret::copy_of(base::as_bytes(new_pin)).value()};
  }
  awaitable<base::Result<std::size_t>> choose(Asker, Origin, std::vector<SigningCertificate>, WaitingCallback) override {
    co_return 0U;
  }
  void close(const Asker& asker) override { closed.push_back(asker); }
};

struct Bench {
  boost::asio::io_context io{1};
  SoftHsm hsm = SoftHsm::make();
  Typist person;
  std::filesystem::path journal_file = hsm.folder() / "journal";
  Journal journal = Journal::open(journal_file).value();
  pkcs11::Modules modules;
  std::unique_ptr<Batches> batches;
  std::unique_ptr<PinManagement> pins;

  explicit Bench(std::optional<pkcs11::UnblockWay> way = pkcs11::UnblockWay::so_pin, const std::string& module = SoftHsm::module)
      : modules(io.get_executor(), {.program = SIGNET_TOKEN_HOST, .module = {}},
                {{.name = "softhsm", .path = module, .unblock = way}}) {
    demo::Authority authority{"Test CA", clock_now()};
    const demo::Identity signer = authority.issue({.common_name = "Ana", .key_type = pki::KeyType::ec_p256});
    hsm.import(base::Bytes{1}, "key", signer.key.get(), signer.certificate.der());
    SigningPorts ports{modules, person, journal, clock_now, {}, {}, {}, {}, {}};
    batches =
        std::make_unique<Batches>(io.get_executor(), std::move(ports), PinPolicy{.scope = PinScope::session}, SigningLimits{});
    pins = std::make_unique<PinManagement>(io.get_executor(), PinPorts{modules, person, journal, *batches, clock_now});
  }
  ~Bench() {
    run(io, batches->stop());
    run(io, pins->stop());
    run(io, modules.end_all());
  }
  base::Result<pkcs11::Token> change(std::string token = {}) { return run(io, pins->change("me", std::move(token), {}, {})); }
  base::Result<pkcs11::Token> unblock() { return run(io, pins->unblock("me", {}, {}, {})); }
  std::string begin(std::size_t items = 1) {
    const std::string handle = batches->begin(page, 1000, {.purpose = "test"}).value();
    for (std::size_t i = 0; i < items; ++i) {
      const std::string name = std::to_string(i);
      REQUIRE(batches->add(page, handle, i, {{name, name, base::digest(base::DigestAlgorithm::sha256, base::as_bytes(name))}}));
    }
    return handle;
  }
  base::Result<SigningCertificate> sign() {
    const std::string handle = begin();
    auto done = run(io, batches->commit(page, handle, 1, std::nullopt));
    if (done) REQUIRE(until(io, [&] { return batches->progress(page, handle)->state == BatchState::complete; }));
    return done;
  }
  std::string journaled() const {
    std::ifstream in(journal_file);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
};

awaitable<void> commit_into(std::optional<base::Result<SigningCertificate>>& result, Bench& bench, std::string handle) {
  result = co_await bench.batches->commit(page, handle, 1, std::nullopt);
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a PIN is changed: the old one is wrong then, the new one signs") {
  Bench bench;
  const auto token = bench.change();
  REQUIRE(token);
  CHECK(token->label == "signet-test");
  REQUIRE(bench.person.asked.size() == 1);
  const PinEntryRequest& asked = bench.person.asked.front();
  CHECK(asked.task == Task::change);
  CHECK(asked.token_label == "signet-test");
  CHECK(asked.token_serial == token->serial);
  CHECK(asked.pin_min == 4);
  CHECK(asked.pin_max == 255);
  CHECK(asked.last_try == LastTry::no);
  CHECK(bench.sign().error().code == ErrorCode::pin_incorrect);
  bench.person.pin = "another-pin";
  CHECK(bench.sign());
  CHECK(contains(bench.journaled(), " pin-changed origin=command-line token="));
  for (const std::string& secret : {std::string(SoftHsm::default_pin), std::string("another-pin"), token->serial})
    CHECK_FALSE(contains(bench.journaled(), secret));
}

TEST_CASE("a PIN that was kept is wiped when it is changed, and nobody is logged in any more") {
  Bench bench;
  REQUIRE(bench.sign());
  CHECK(bench.batches->overview().pins_kept == 1);
  REQUIRE(bench.change());
  CHECK(bench.batches->overview().pins_kept == 0);
  bench.person.pin = "another-pin";
  REQUIRE(bench.sign());
  CHECK(bench.person.consents == 2);
  CHECK_FALSE(contains(bench.journaled(), "pin-refused"));
}

TEST_CASE("a wrong old PIN is told and changes nothing") {
  Bench bench;
  bench.person.old_secret = "wrong-pin";
  CHECK(bench.change().error().code == ErrorCode::pin_incorrect);
  CHECK(bench.person.asked.size() == 1);
  CHECK(contains(bench.journaled(), " pin-refused "));
  CHECK(bench.sign());
}

TEST_CASE("who cancels, or types nothing, changes nothing, and a kept PIN stays kept") {
  Bench bench;
  REQUIRE(bench.sign());
  bench.person.cancels = true;
  CHECK(bench.change().error().code == ErrorCode::user_cancelled);
  bench.person.cancels = false;
  bench.person.new_pin.clear();
  CHECK(bench.change().error().code == ErrorCode::user_cancelled);
  bench.person.old_secret.clear();
  CHECK(bench.unblock().error().code == ErrorCode::user_cancelled);
  CHECK(bench.batches->overview().pins_kept == 1);
  CHECK(bench.sign());
}

TEST_CASE("an SO PIN unblocks, and a wrong one is followed by a question whether to go on") {
  Bench bench;
  bench.person.old_secret = "wrong-so-pin";
  CHECK(bench.unblock().error().code == ErrorCode::puk_incorrect);
  CHECK(bench.person.asked.back().task == Task::unblock_by_so_pin);
  CHECK(bench.person.asked.back().last_try == LastTry::no);
  CHECK(contains(bench.journaled(), " puk-refused "));
  bench.person.old_secret = SoftHsm::so_pin;
  REQUIRE(bench.unblock());
  CHECK(bench.person.asked.back().last_try != LastTry::no);
  bench.person.pin = "another-pin";
  CHECK(bench.sign());
  CHECK(contains(bench.journaled(), " pin-unblocked "));
  REQUIRE(bench.unblock());
  CHECK(bench.person.asked.back().last_try == LastTry::no);
}

TEST_CASE("what a command brings is not used for what may be the last try") {
  Bench bench;
  const auto given = [] {
    return GivenPins{base::Secret::copy_of(base::as_bytes("wrong-so-pin")).value(),
                     base::Secret::copy_of(base::as_bytes("another-pin")).value()};
  };
  CHECK(run(bench.io, bench.pins->unblock("me", {}, given(), {})).error().code == ErrorCode::puk_incorrect);
  CHECK(run(bench.io, bench.pins->unblock("me", {}, given(), {})).error().code == ErrorCode::user_cancelled);
  CHECK(bench.person.asked.empty());
  CHECK(run(bench.io, bench.pins->change("me", {},
                                         GivenPins{base::Secret::copy_of(base::as_bytes(SoftHsm::default_pin)).value(),
                                                   base::Secret::copy_of(base::as_bytes("another-pin")).value()},
                                         {})));
}

TEST_CASE("where it is not known what became of a PUK, the next may be the last") {
  Bench bench(pkcs11::UnblockWay::so_pin, SIGNET_FAKE_MODULES "/crash_in_set_pin.so");
  bench.person.old_secret = "1234";
  bench.person.new_pin = "12345";
  // Of a PIN the token tells how many tries are left.
  CHECK(bench.change().error().code == ErrorCode::pin_unknown);
  CHECK(bench.unblock().error().code == ErrorCode::pin_unknown);
  CHECK(bench.person.asked.back().last_try == LastTry::no);
  CHECK(bench.unblock().error().code == ErrorCode::pin_unknown);
  CHECK(bench.person.asked.back().last_try == LastTry::perhaps);
}

TEST_CASE("where nobody says how a token is unblocked, nobody is asked for a PUK or SO PIN, and none is tried") {
  Bench bench({});
  const auto unknown = bench.unblock();
  CHECK(unknown.error().code == ErrorCode::unblock_unknown);
  CHECK(contains(unknown.error().detail, "modules.unblock"));
  GivenPins given{base::Secret::copy_of(base::as_bytes(SoftHsm::so_pin)).value(),
                  base::Secret::copy_of(base::as_bytes("another-pin")).value()};
  CHECK(run(bench.io, bench.pins->unblock("me", {}, std::move(given), {})).error().code == ErrorCode::unblock_unknown);
  bench.modules.hook({.know_better = [](std::size_t, pkcs11::Token& token) { token.vendor_tool = "Card Manager"; }});
  CHECK(contains(bench.unblock().error().detail, "Card Manager"));
  CHECK(bench.person.asked.empty());
  CHECK(bench.sign());  // with the PIN that it had
}

TEST_CASE("what only the vendor's program does is not tried either, and the catalogue's word is taken") {
  Bench bench({});
  std::optional<pkcs11::UnblockWay> way = pkcs11::UnblockWay::vendor_tool;
  bench.modules.hook({.know_better = [&](std::size_t, pkcs11::Token& token) {
    token.unblock = way;
    token.vendor_tool = "Card Manager";
  }});
  CHECK(bench.unblock().error().code == ErrorCode::mechanism_unsupported);
  CHECK(contains(bench.unblock().error().detail, "Card Manager"));
  CHECK(bench.person.asked.empty());
  way = pkcs11::UnblockWay::so_pin;
  bench.person.old_secret = SoftHsm::so_pin;
  CHECK(bench.unblock());
}

TEST_CASE("the lengths that are known of a PIN are those of the dialog, and what does not have them is not presented") {
  Bench bench;
  bench.modules.hook({.know_better = [](std::size_t, pkcs11::Token& token) { token.quirks.pin_min = 20; }});
  CHECK(bench.change().error().code == ErrorCode::pin_length);
  CHECK(bench.person.asked.front().pin_min == 20);
  CHECK(bench.sign().error().code == ErrorCode::pin_length);
  CHECK_FALSE(contains(bench.journaled(), "pin-refused"));
}

TEST_CASE("nobody is asked for a PIN where the mechanism is known not to work") {
  Bench bench;  // with an EC key
  bench.modules.hook(
      {.know_better = [](std::size_t, pkcs11::Token& token) { token.quirks.mechanisms = {pkcs11::Mechanism::rsa_pkcs}; }});
  CHECK(bench.sign().error().code == ErrorCode::mechanism_unsupported);
  CHECK(bench.person.consents == 0);
}

TEST_CASE("a token is chosen by serial number or label") {
  Bench bench;
  bench.person.cancels = true;
  CHECK(bench.change("nobody").error().code == ErrorCode::no_token);
  CHECK(bench.person.asked.empty());
  CHECK(bench.change("signet-test").error().code == ErrorCode::user_cancelled);
  CHECK(bench.change(bench.person.asked.front().token_serial).error().code == ErrorCode::user_cancelled);
}

TEST_CASE("while a batch uses the token its PIN is not changed, and a batch waits while it is") {
  Bench bench;
  std::optional<base::Result<pkcs11::Token>> changed;
  bench.person.meanwhile = [&]() -> awaitable<void> { changed = co_await bench.pins->change("me", {}, {}, {}); };
  const std::string handle = bench.begin();
  REQUIRE(run(bench.io, bench.batches->commit(page, handle, 1, std::nullopt)));
  REQUIRE(changed);
  CHECK(changed->error().code == ErrorCode::card_busy);
  CHECK(bench.person.asked.empty());
  REQUIRE(until(bench.io, [&] { return bench.batches->progress(page, handle)->state == BatchState::complete; }));

  std::optional<base::Result<SigningCertificate>> signed_late;
  bench.person.meanwhile = [&]() -> awaitable<void> {
    bench.person.meanwhile = {};
    const std::string late = bench.begin();
    boost::asio::co_spawn(bench.io, commit_into(signed_late, bench, late), boost::asio::detached);
    co_return;
  };
  const std::size_t consents = bench.person.consents;
  bench.person.pin = "another-pin";
  REQUIRE(bench.change());
  CHECK(until(bench.io, [&] { return signed_late.has_value(); }));
  if (!*signed_late) FAIL(signed_late->error().detail);
  CHECK(bench.person.consents == consents + 1);
  CHECK_FALSE(contains(bench.journaled(), "pin-refused"));
}

TEST_CASE("while the screen is locked or the machine goes to sleep nobody is asked, and nothing is presented") {
  Bench bench;
  std::optional<base::Error> why = base::Error{ErrorCode::screen_locked, "the screen is locked", 0, {}};
  PinManagement pins(bench.io.get_executor(),
                     {bench.modules, bench.person, bench.journal, *bench.batches, clock_now, [&] { return why; }});
  const auto given = [](const char* old_secret, const char* new_pin) {
    return GivenPins{base::Secret::copy_of(base::as_bytes(old_secret)).value(),
                     base::Secret::copy_of(base::as_bytes(new_pin)).value()};
  };
  CHECK(run(bench.io, pins.change("me", {}, {}, {})).error().code == ErrorCode::screen_locked);
  CHECK(run(bench.io, pins.unblock("me", {}, {}, {})).error().code == ErrorCode::screen_locked);
  CHECK(bench.person.asked.empty());
  // A script needs no screen.
  CHECK(run(bench.io, pins.change("me", {}, given(SoftHsm::default_pin, "another-pin"), {})));
  why->code = ErrorCode::machine_asleep;
  CHECK(run(bench.io, pins.change("me", {}, given("another-pin", "a-third-pin"), {})).error().code == ErrorCode::machine_asleep);
  // It begins while the dialog is open.
  bench.person.old_secret = "another-pin";
  bench.person.new_pin = "a-third-pin";
  for (const ErrorCode code : {ErrorCode::screen_locked, ErrorCode::machine_asleep}) {
    why.reset();
    bench.person.meanwhile = [&]() -> awaitable<void> {
      why = base::Error{code, "meanwhile", 0, {}};
      co_return;
    };
    CHECK(run(bench.io, pins.change("me", {}, {}, {})).error().code == code);
  }
  bench.person.meanwhile = {};
  bench.person.pin = "another-pin";
  CHECK(bench.sign());
  CHECK_FALSE(contains(bench.journaled(), "pin-refused"));
}

TEST_CASE("a lock closes the dialog and says why, whatever the dialog answers") {
  Bench bench;
  bench.person.meanwhile = [&]() -> awaitable<void> {
    bench.pins->lock({ErrorCode::screen_locked, "the screen was locked", 0, {}});
    co_return;
  };
  CHECK(bench.change().error().code == ErrorCode::screen_locked);
  bench.person.cancels = true;
  CHECK(bench.unblock().error().code == ErrorCode::screen_locked);
  CHECK(bench.person.closed == std::vector<Asker>{"me", "me"});
  bench.person.meanwhile = {};
  bench.person.cancels = false;
  CHECK(bench.sign());  // the PIN is as it was
}

TEST_CASE("a stop closes the dialog, and nothing is presented after it") {
  Bench bench;
  bench.person.meanwhile = [&]() -> awaitable<void> { co_await bench.pins->stop(); };
  CHECK(bench.change().error().code == ErrorCode::agent_not_running);
  CHECK(bench.person.closed == std::vector<Asker>{"me"});
  CHECK(bench.sign());
}
