#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <set>

#include "../net/running.hpp"
#include "demo/pki.hpp"
#include "page.hpp"
#include "signing/batch.hpp"
#include "softhsm.hpp"
#include "web_bridge/control_server.hpp"
#include "web_bridge/native_server.hpp"

namespace signet::test {

using namespace signet::web_bridge;
using boost::asio::awaitable;

inline base::Time clock_now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

// A person who answers dialogs as told, or lets them stand open until told.
class Person : public signing::Dialog {
 public:
  explicit Person(boost::asio::any_io_executor executor)
      : told_(std::move(executor), boost::asio::steady_timer::time_point::max()) {}

  enum class Mood : std::uint8_t { agrees, cancels, thinks } mood = Mood::agrees;
  std::string pin = SoftHsm::default_pin;
  std::size_t asked = 0;
  xades::Statements last_statements;  // that consent was asked for

  void decide(Mood how) {
    mood = how;
    told_.cancel();
  }
  awaitable<base::Result<signing::ConsentAnswer>> consent(signing::ConsentRequest request, WaitingCallback waiting) override {
    ++asked;
    last_statements = request.statements;
    if (waiting) waiting({request.consent_given ? signing::Waiting::For::pin : signing::Waiting::For::consent, clock_now()});
    while (mood == Mood::thinks) co_await told_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (mood == Mood::cancels) co_return base::failure(base::ErrorCode::user_cancelled, "no");
    signing::ConsentAnswer answer;
    if (request.pin == signing::ConsentRequest::Pin::ask) answer.pin = base::Secret::copy_of(base::as_bytes(pin)).value();
    co_return answer;
  }
  awaitable<base::Result<signing::PinEntry>> enter_pins(signing::PinEntryRequest, WaitingCallback) override {
    co_return base::failure(base::ErrorCode::user_cancelled, "nobody asks here");
  }
  awaitable<base::Result<std::size_t>> choose(signing::Asker, signing::Origin, std::vector<signing::SigningCertificate>,
                                              WaitingCallback waiting) override {
    ++asked;
    if (waiting) waiting({signing::Waiting::For::certificate, clock_now()});
    while (mood == Mood::thinks) co_await told_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (mood == Mood::cancels) co_return base::failure(base::ErrorCode::user_cancelled, "no");
    co_return 0U;
  }
  void close(const signing::Asker&) override {}

 private:
  boost::asio::steady_timer told_;
};

inline awaitable<base::Result<std::string>> answered(base::Result<std::string> result) { co_return result; }

enum class WithToken : std::uint8_t { no, yes };

struct BenchOptions {
  WithToken token = WithToken::no;
  NativeLimits limits = {};
  std::vector<uid_t> users = {::getuid()};
  NativeOptions::TimeStamps time_stamps = NativeOptions::TimeStamps::none;
  signing::SigningLimits signing = {};
};

// The bridge as the agent wires it, on a thread of its own: everything real but the person and, without a token, the token.
class Bench {
 public:
  explicit Bench(BenchOptions options = {}) {
    auto& io = context.io();
    std::vector<pkcs11::ModuleOptions> modules_wanted;
    if (options.token == WithToken::yes) {
      hsm.emplace(SoftHsm::make());
      authority.emplace("Test CA", clock_now());
      for (std::uint8_t i = 1; i <= 2; ++i) {
        identities.push_back(authority->issue({.common_name = i == 1 ? "Ana \"A\" Ș" : "Ion",
                                               .serial_number = "2000000000001",
                                               .key_type = pki::KeyType::ec_p256}));
        hsm->import(base::Bytes{i}, "key", identities.back().key.get(), identities.back().certificate.der());
      }
      modules_wanted.push_back({.name = "softhsm", .path = SoftHsm::module});
    }
    journal.emplace(signing::Journal::open(folder / "journal").value());
    modules.emplace(io.get_executor(), pkcs11::HostOptions{.program = SIGNET_TOKEN_HOST, .module = {}}, modules_wanted);
    person.emplace(io.get_executor());
    signing::SigningPorts ports{*modules, *person, *journal, clock_now, {}, {}, {}, {}, {}};
    ports.time_stamp = [](base::Digest) -> awaitable<base::Result<pki::TimeStampToken>> {
      co_return base::failure(base::ErrorCode::time_stamp_failed, "TSA: \"down\"");
    };
    ports.remembered_certificate = [this](const signing::Origin& origin) { return remembered[origin.text()]; };
    ports.remember_certificate = [this](const signing::Origin& origin, const std::string& id) { remembered[origin.text()] = id; };
    batches.emplace(io.get_executor(), std::move(ports), signing::PinPolicy{.scope = signing::PinScope::session},
                    options.signing);

    NativeOptions native;
    native.version = "0.1.0";
    native.time_stamps = options.time_stamps;
    native.limits = options.limits;
    native.on_event = [this](std::string_view event, const EventFields& fields) {
      std::string line(event);
      for (const auto& [name, value] : fields) {
        if (name == "code") line += ' ' + value;
      }
      events.insert(line);
    };
    native.on_language = [this](const signing::Origin& origin, std::string_view language) {
      languages.push_back(origin.text() + ' ' + std::string(language));
    };
    ControlPorts control;
    control.status = []() -> awaitable<base::Result<std::string>> { co_return R"({"version":"0.1.0"})"; };
    control.tokens = []() -> awaitable<base::Result<std::string>> { throw std::runtime_error("a defect"); };
    control.certificates = [this]() { return signing::list_certificates(*modules, clock_now()); };
    control.environment = [this](std::uint64_t, ControlPorts::Variables variables) {
      environments.push_back(std::move(variables));
    };
    control.lock = [this]() -> awaitable<base::Result<void>> {
      ++locks;
      co_return base::Result<void>{};
    };
    control.restart = [this](std::string module) -> awaitable<base::Result<void>> {
      if (module != "softhsm") co_return base::failure(base::ErrorCode::parameter_invalid, "module");
      restarted.push_back(std::move(module));
      co_return base::Result<void>{};
    };
    const auto set_pin = [this](std::string_view what, std::string_view token, const std::optional<signing::GivenPins>& given) {
      std::string line(what);
      line += ' ' + std::string(token);
      if (given)
        line += ' ' + std::string(base::as_text(given->old_secret.bytes())) + ' ' +
                std::string(base::as_text(given->new_pin.bytes()));
      pins_set.push_back(line);
    };
    control.pin_change = [set_pin](signing::Asker, std::string token, std::optional<signing::GivenPins> given,
                                   signing::Dialog::WaitingCallback waiting) -> awaitable<base::Result<std::string>> {
      set_pin("change", token, given);
      waiting({signing::Waiting::For::pin, clock_now()});
      return answered(R"({"label":"token"})");
    };
    control.pin_unblock = [set_pin](signing::Asker, std::string token, std::optional<signing::GivenPins> given,
                                    signing::Dialog::WaitingCallback) -> awaitable<base::Result<std::string>> {
      set_pin("unblock", token, given);
      return answered(base::failure(base::ErrorCode::puk_incorrect, "C_SetPIN"));
    };
    control.origins = [] { return base::Result<std::string>(R"({"origins":["https://sign.example"]})"); };
    face.emplace(io.get_executor(), *batches, std::move(control), std::move(native));

    NativeServerOptions server;
    server.policy = {{signing::Origin::parse(allowed_origin).value(), signing::Origin::parse("http://localhost:8080").value()},
                     options.users};
    server.ports.assign(20, 0);  // a port that is free on one address may be in use on the other
    server.http.close_timeout = std::chrono::milliseconds(500);
    page_server.emplace(io.get_executor(), *face, std::move(server));
    port = page_server->start().value();
    control_path = folder / "run" / "control.sock";
    control_server.emplace(io.get_executor(), *face, ControlServerOptions{control_path, {}});
    REQUIRE(control_server->start());
    context.start();
  }
  ~Bench() {
    context.on_thread([&] { person->decide(Person::Mood::cancels); });
    context.await(page_server->stop());
    context.await(control_server->stop());
    context.await(batches->stop());
    context.await(modules->end_all());
    context.join();
    std::filesystem::remove_all(folder);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  bool happened(const std::string& event) {
    return eventually([&] { return context.on_thread([&] { return events.contains(event); }); });
  }
  bool connections_come_to(std::size_t wanted) {
    return eventually([&] { return context.on_thread([&] { return face->connections(); }) == wanted; });
  }
  void person_decides(Person::Mood mood) {
    context.on_thread([&] { person->decide(mood); });
  }
  static bool eventually(auto condition) {
    for (int i = 0; i < 2000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  std::filesystem::path folder = [] {
    char name[] = "/tmp/signet-bridge-XXXXXX";
    return std::filesystem::path(::mkdtemp(name));
  }();
  RunningContext context;
  std::optional<SoftHsm> hsm;
  std::optional<demo::Authority> authority;
  std::vector<demo::Identity> identities;
  std::map<std::string, std::string> remembered;
  std::set<std::string> events;
  std::vector<std::string> languages;
  std::vector<ControlPorts::Variables> environments;
  int locks = 0;
  std::vector<std::string> restarted;
  std::vector<std::string> pins_set;  // what came to the ports
  std::optional<Person> person;
  std::optional<signing::Journal> journal;
  std::optional<pkcs11::Modules> modules;
  std::optional<signing::Batches> batches;
  std::optional<NativeFace> face;
  std::optional<NativeServer> page_server;
  std::optional<ControlServer> control_server;
  std::filesystem::path control_path;
  std::uint16_t port = 0;
};

// base64 of the SHA-256 of a text.
inline std::string digest_of(std::string_view text) {
  return base::base64(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(text)).bytes());
}

inline json::array items(std::size_t first, std::size_t count) {
  json::array list;
  for (std::size_t i = first; i < first + count; ++i) {
    const std::string text = std::to_string(i);
    list.push_back(json::object{{"id", text}, {"digest", digest_of(text)}, {"name", "file-" + text + ".pdf"}});
  }
  return list;
}

inline std::string begin_batch(Messages& page, std::size_t count, json::object params = {{"purpose", "test"}}) {
  const json::object begun = page.ask("batch.begin", std::move(params));
  const std::string batch(begun.at("result").at("batch").as_string());
  std::size_t part = 0;
  for (std::size_t first = 0; first < count; first += 5000)
    page.ask("batch.items",
             {{"batch", batch}, {"part", part++}, {"items", items(first, std::min<std::size_t>(5000, count - first))}});
  return batch;
}

}  // namespace signet::test
