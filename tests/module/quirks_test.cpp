#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "call_log.hpp"
#include "pkcs11/modules.hpp"
#include "run.hpp"
#include "softhsm.hpp"

// What the catalogue knows of a token goes before what its module says.
using namespace signet;
using namespace signet::test;
using base::ErrorCode;
using pkcs11::Key;
using pkcs11::Mechanism;
using pkcs11::Token;
using pkcs11::TokenHost;
using pkcs11::TokenQuirks;
using pkcs11::UnblockWay;

namespace {

base::Secret secret(std::string_view text) { return base::Secret::copy_of(base::as_bytes(text)).value(); }

template <class T>
T value_of(base::Result<T> result) {
  if (!result) FAIL(base::name(result.error().code) << ": " << result.error().detail);
  return std::move(*result);
}

std::string fake(const std::string& name) { return SIGNET_FAKE_MODULES "/" + name + ".so"; }

struct Host {
  boost::asio::io_context io;
  std::shared_ptr<TokenHost> host;
  pkcs11::Token token;

  explicit Host(const std::string& module) {
    host = value_of(run(io, TokenHost::start({.program = SIGNET_TOKEN_HOST, .module = module})));
    token = value_of(run(io, host->tokens())).at(0);
  }
  pkcs11::Token with(const TokenQuirks& quirks) const {
    pkcs11::Token known = token;
    known.quirks = quirks;
    return known;
  }
  std::optional<ErrorCode> login(std::string_view text, const TokenQuirks& quirks = {}) {
    const auto pin = secret(text);
    const auto login = value_of(run(io, host->login(with(quirks), &pin)));
    return login.error ? std::optional(login.error->code) : std::nullopt;
  }
  std::optional<ErrorCode> change(std::string_view old_pin, std::string_view new_pin, const TokenQuirks& quirks) {
    const auto one = secret(old_pin), two = secret(new_pin);
    const auto done = value_of(run(io, host->change_pin(with(quirks), &one, &two)));
    return done.error ? std::optional(done.error->code) : std::nullopt;
  }
  Key key(std::uint8_t id, const TokenQuirks& quirks = {}) { return value_of(run(io, host->key(token.slot_id, {id}, quirks))); }
  pkcs11::SignedChunk sign(const Key& key, Mechanism mechanism, std::string_view context_pin = {}) {
    const std::vector<base::Digest> digests(3, base::digest(base::DigestAlgorithm::sha256, {}));
    const auto pin = secret(context_pin.empty() ? "0000" : context_pin);
    return value_of(run(io, host->sign(key, mechanism, digests, context_pin.empty() ? nullptr : &pin)));
  }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a key that wants the PIN for each signature, and does not say so, is given it where that is known") {
  const test::CallLog log;
  {
    Host host(fake("hides_always_authenticate"));
    REQUIRE_FALSE(host.login("1234"));
    const Key key = host.key(2);
    CHECK_FALSE(key.always_authenticate);
    const auto refused = host.sign(key, Mechanism::rsa_pkcs, "1234");
    CHECK(refused.signatures.empty());
    CHECK(refused.error);
  }
  Host host(fake("hides_always_authenticate"));
  REQUIRE_FALSE(host.login("1234"));
  const Key key = host.key(2, {.always_authenticate = true});
  CHECK(key.always_authenticate);
  CHECK(host.sign(key, Mechanism::rsa_pkcs, "1234").signatures.size() == 3);
  CHECK(log.lines() == Lines{"user", "user", "context", "context", "context"});
}

TEST_CASE("a key that says so wrongly is given no PIN") {
  const test::CallLog log;
  Host host(fake("good"));
  REQUIRE_FALSE(host.login("1234"));
  CHECK(host.key(2).always_authenticate);
  const Key key = host.key(2, {.always_authenticate = false});
  CHECK_FALSE(key.always_authenticate);
  CHECK(host.sign(key, Mechanism::rsa_pkcs).signatures.size() == 3);
  CHECK(log.lines() == Lines{"user"});
}

TEST_CASE("a mechanism that is known not to work is neither offered nor tried") {
  const auto rsa = make_rsa(2048);
  const SoftHsm hsm = SoftHsm::make();
  hsm.import(base::Bytes{1}, "key", rsa.get());
  Host host(SoftHsm::module);
  REQUIRE_FALSE(host.login(SoftHsm::default_pin));
  const Key as_the_module_says = host.key(1);
  CHECK(as_the_module_says.pss_offered);
  CHECK(host.sign(as_the_module_says, Mechanism::rsa_pkcs_pss).signatures.size() == 3);
  const Key key = host.key(1, {.mechanisms = {Mechanism::rsa_pkcs}});
  CHECK_FALSE(key.pss_offered);
  const auto refused = host.sign(key, Mechanism::rsa_pkcs_pss);
  CHECK(refused.error->code == ErrorCode::mechanism_unsupported);
  CHECK(refused.signatures.empty());
  CHECK(host.host->alive());
  CHECK(host.sign(key, Mechanism::rsa_pkcs).signatures.size() == 3);
  const Key pss_alone = host.key(1, {.mechanisms = {Mechanism::rsa_pkcs_pss}});
  CHECK(host.sign(pss_alone, Mechanism::rsa_pkcs).error->code == ErrorCode::mechanism_unsupported);
  CHECK(host.sign(pss_alone, Mechanism::rsa_pkcs_pss).signatures.size() == 3);
}

TEST_CASE("a PIN of a length that the token's cannot have is not presented: as its module says, and before that as is known") {
  const test::CallLog log;
  Host host(fake("sets_pins"));  // 4 to 8
  CHECK(host.login("123") == ErrorCode::pin_length);
  CHECK(host.login("123456789") == ErrorCode::pin_length);
  CHECK(host.login("1234", {.pin_min = 6}) == ErrorCode::pin_length);
  CHECK(host.login("12345678", {.pin_max = 6}) == ErrorCode::pin_length);
  CHECK(host.change("1234", "12345", {.pin_min = 6}) == ErrorCode::pin_length);
  CHECK(host.change("1234", "12345", {.pin_min = 5}) == ErrorCode::pin_length);
  CHECK(host.change("1234", "1234567", {.pin_max = 6}) == ErrorCode::pin_length);
  CHECK(log.lines().empty());
  CHECK(host.login("99999999999", {.pin_max = 12}) == ErrorCode::pin_length);  // the module's own refusal
  CHECK(log.lines() == Lines{"user"});
  CHECK(host.change("1234", "123", {.pin_min = 3}) == std::nullopt);
  CHECK(host.host->alive());
}

TEST_CASE("what is known is put into each token that is told of; the configuration's word on unblocking goes before it") {
  boost::asio::io_context io;
  pkcs11::Modules modules(
      io.get_executor(), {.program = SIGNET_TOKEN_HOST, .module = {}},
      {{.name = "one", .path = fake("good")}, {.name = "two", .path = fake("sets_pins"), .unblock = UnblockWay::so_pin}});
  std::vector<std::size_t> asked;
  modules.hook({.know_better = [&](std::size_t module, Token& token) {
    asked.push_back(module);
    token.unblock = UnblockWay::puk;
    token.vendor_tool = "tool";
    token.quirks.pin_min = 6;
  }});
  const auto host = value_of(run(io, modules.host(0)));
  const Token first = value_of(run(io, host->tokens())).at(0);
  CHECK(first.unblock == UnblockWay::puk);
  CHECK(first.vendor_tool == "tool");
  CHECK(first.pin_min == 6);
  CHECK(first.pin_max == 8);
  const auto apart = value_of(run(io, modules.start_apart(1, pkcs11::HostPurpose::serves)));
  CHECK(value_of(run(io, apart->tokens())).at(0).unblock == UnblockWay::so_pin);
  CHECK(asked == std::vector<std::size_t>{0, 1});
  run(io, apart->end());
  run(io, modules.end_all());
}
