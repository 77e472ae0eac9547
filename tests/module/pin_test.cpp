#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "call_log.hpp"
#include "lacking.hpp"
#include "memory_scan.hpp"
#include "pkcs11/modules.hpp"
#include "run.hpp"
#include "softhsm.hpp"

using namespace signet;
using namespace signet::test;
using base::ErrorCode;
using pkcs11::HostPurpose;
using pkcs11::TokenHost;
using pkcs11::UnblockWay;

namespace {

base::Secret secret(std::string_view text) { return base::Secret::copy_of(base::as_bytes(text)).value(); }

template <class T>
T value_of(base::Result<T> result) {
  if (!result) FAIL(base::name(result.error().code) << ": " << result.error().detail);
  return std::move(*result);
}

// A host with a module in it.
struct Host {
  boost::asio::io_context io;
  std::shared_ptr<TokenHost> host;
  pkcs11::Token token;

  explicit Host(const std::string& module, HostPurpose purpose = HostPurpose::serves) {
    host = value_of(run(io, TokenHost::start({.program = SIGNET_TOKEN_HOST, .module = module, .purpose = purpose})));
    const auto tokens = value_of(run(io, host->tokens()));
    REQUIRE(tokens.size() == 1);
    token = tokens.front();
  }
  base::Result<TokenHost::Login> change(std::string_view old_pin, std::string_view new_pin) {
    const auto one = secret(old_pin), two = secret(new_pin);
    return run(io, host->change_pin(token, &one, &two));
  }
  base::Result<TokenHost::Login> unblock(UnblockWay way, std::string_view puk, std::string_view new_pin) {
    const auto one = secret(puk), two = secret(new_pin);
    return run(io, host->unblock_pin(token, way, &one, &two));
  }
  bool opens(std::string_view text) {
    const auto pin = secret(text);
    const auto login = value_of(run(io, host->login(token, &pin)));
    return !login.error;
  }
};

std::optional<ErrorCode> code_of(const base::Result<TokenHost::Login>& result) {
  if (!result) return result.error().code;
  return result->error ? std::optional(result->error->code) : std::nullopt;
}

std::string fake(const std::string& name) { return SIGNET_FAKE_MODULES "/" + name + ".so"; }

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a PIN is changed, and the keys stay") {
  const auto key = make_ec("P-256");
  const SoftHsm hsm = SoftHsm::make();
  hsm.import(base::Bytes{1}, "key", key.get());
  Host host(SoftHsm::module);
  CHECK(code_of(host.change(SoftHsm::default_pin, "another-pin")) == std::nullopt);
  CHECK_FALSE(host.opens(SoftHsm::default_pin));
  CHECK(host.opens("another-pin"));
  CHECK(run(host.io, host.host->key(host.token.slot_id, {1})));
}

TEST_CASE("a wrong old PIN changes nothing") {
  const SoftHsm hsm = SoftHsm::make();
  Host host(SoftHsm::module);
  const auto refused = host.change("wrong-pin", "another-pin");
  CHECK(code_of(refused) == ErrorCode::pin_incorrect);
  CHECK(refused->token.pin_count_low);
  CHECK(host.opens(SoftHsm::default_pin));
  CHECK_FALSE(host.opens("another-pin"));
}

TEST_CASE("an SO PIN sets a new PIN, and the keys stay") {
  const auto key = make_ec("P-256");
  const SoftHsm hsm = SoftHsm::make();
  hsm.import(base::Bytes{1}, "key", key.get());
  Host host(SoftHsm::module);
  CHECK(value_of(run(host.io, host.host->tokens())).front().unblock == std::nullopt);  // a module does not say
  CHECK(code_of(host.unblock(UnblockWay::so_pin, "wrong-so-pin", "another-pin")) == ErrorCode::puk_incorrect);
  CHECK(host.opens(SoftHsm::default_pin));
  CHECK(code_of(host.unblock(UnblockWay::so_pin, SoftHsm::so_pin, "another-pin")) == std::nullopt);
  CHECK_FALSE(host.opens(SoftHsm::default_pin));
  CHECK(host.opens("another-pin"));
  CHECK(run(host.io, host.host->key(host.token.slot_id, {1})));
}

TEST_CASE("a PIN of a wrong length, and an empty one, is not presented") {
  const test::CallLog log;
  Host host(fake("sets_pins"));
  CHECK(code_of(host.change("1234", "123")) == ErrorCode::pin_length);
  CHECK(code_of(host.change("1234", "123456789")) == ErrorCode::pin_length);
  CHECK(code_of(host.change("123", "12345")) == ErrorCode::pin_length);
  CHECK(code_of(host.change("", "12345")) == ErrorCode::user_cancelled);
  CHECK(code_of(host.change("1234", "")) == ErrorCode::user_cancelled);
  CHECK(code_of(host.change(std::string(200, '1'), std::string(200, '2'))) == ErrorCode::pin_length);
  CHECK(code_of(host.unblock(UnblockWay::so_pin, "so-pin", "123")) == ErrorCode::pin_length);
  CHECK(code_of(host.unblock(UnblockWay::so_pin, "", "12345")) == ErrorCode::user_cancelled);
  const auto one = secret("1234");
  CHECK(code_of(run(host.io, host.host->change_pin(host.token, &one, nullptr))) == ErrorCode::user_cancelled);
  CHECK(log.lines().empty());
  CHECK(host.host->alive());
}

TEST_CASE("a PIN is presented by a login first, and a wrong one goes no further") {
  const test::CallLog log;
  Host host(fake("sets_pins"));
  CHECK(code_of(host.change("9999", "12345")) == ErrorCode::pin_incorrect);
  CHECK(log.lines() == Lines{"user"});
  CHECK(code_of(host.change("1234", "12345")) == std::nullopt);
  CHECK(log.lines() == Lines{"user", "user", "set-pin by user"});
}

TEST_CASE("a PUK is presented without a login and in a host that was started for it") {
  const test::CallLog log;
  {
    Host host(fake("sets_pins"));
    CHECK(code_of(host.unblock(UnblockWay::puk, "puk", "12345")) == ErrorCode::token_failed);
    CHECK(log.lines().empty());
  }
  Host host(fake("sets_pins"), HostPurpose::unblocks_pins);
  CHECK(code_of(host.unblock(UnblockWay::puk, "wrong", "12345")) == ErrorCode::puk_incorrect);
  CHECK(code_of(host.unblock(UnblockWay::puk, "lock", "12345")) == ErrorCode::puk_locked);
  CHECK(code_of(host.unblock(UnblockWay::puk, "puk", "12345")) == std::nullopt);
  CHECK(log.lines() == Lines{"set-pin by nobody", "set-pin by nobody", "set-pin by nobody"});
}

TEST_CASE("an SO PIN is presented by the SO's login, once, and C_InitToken is never called") {
  const test::CallLog log;
  Host host(fake("sets_pins"));
  CHECK(code_of(host.unblock(UnblockWay::so_pin, "wrong", "12345")) == ErrorCode::puk_incorrect);
  CHECK(code_of(host.unblock(UnblockWay::so_pin, "so-pin", "12345")) == std::nullopt);
  CHECK(code_of(host.unblock(UnblockWay::vendor_tool, "so-pin", "12345")) == ErrorCode::mechanism_unsupported);
  CHECK(log.lines() == Lines{"so", "so", "init-pin by so"});
}

TEST_CASE("a PIN, a PUK or an SO PIN is for the token that was shown, and for none that is in its slot since") {
  const test::CallLog log;
  const std::filesystem::path told = std::filesystem::temp_directory_path() / ("signet-told-" + std::to_string(getpid()));
  const SoftHsm hsm = SoftHsm::make();
  ::setenv("TOLD_TOKEN", told.c_str(), 1);
  // What is not fit to be shown is the same token all the same.
  std::ofstream(told) << "serial \xC3(\n";
  Host host(fake("told_softhsm"));
  CHECK(host.token.serial == "\xEF\xBF\xBD(");
  CHECK(host.opens(SoftHsm::default_pin));
  CHECK(log.lines() == Lines{"user"});
  std::ofstream(told) << "serial 4711\n";
  const auto pin = secret(SoftHsm::default_pin);
  CHECK(code_of(run(host.io, host.host->login(host.token, &pin))) == ErrorCode::token_removed);
  CHECK(code_of(host.change(SoftHsm::default_pin, "another-pin")) == ErrorCode::token_removed);
  CHECK(code_of(host.unblock(UnblockWay::so_pin, SoftHsm::so_pin, "another-pin")) == ErrorCode::token_removed);
  CHECK(log.lines() == Lines{"user"});
  // Another of the same card's PINs is another token.
  for (std::string* text : {&host.token.label, &host.token.manufacturer}) {
    host.token = value_of(run(host.io, host.host->tokens())).at(0);
    *text += " (sig)";
    CHECK(code_of(run(host.io, host.host->login(host.token, &pin))) == ErrorCode::token_removed);
  }
  host.token = value_of(run(host.io, host.host->tokens())).at(0);
  CHECK(log.lines() == Lines{"user"});
  CHECK(host.opens(SoftHsm::default_pin));
  ::unsetenv("TOLD_TOKEN");
  std::filesystem::remove(told);
}

TEST_CASE("a new PIN that the token does not take is not called a wrong one") {
  const test::CallLog log;
  Host host(fake("sets_pins"), HostPurpose::unblocks_pins);
  CHECK(code_of(host.change("1234", "xxxxx")) == ErrorCode::pin_unfit);
  CHECK(code_of(host.unblock(UnblockWay::so_pin, "so-pin", "xxxxx")) == ErrorCode::pin_unfit);
  CHECK(code_of(host.unblock(UnblockWay::puk, "puk", "xxxxx")) == ErrorCode::pin_unfit);
}

TEST_CASE("an SO PIN that the token does not take is a wrong one, whatever it calls it") {
  const test::CallLog log;
  Host host(fake("sets_pins"));
  CHECK(code_of(host.unblock(UnblockWay::so_pin, "xxxxxx", "12345")) == ErrorCode::puk_incorrect);
  CHECK(log.lines() == Lines{"so"});
}

TEST_CASE("a module without the functions says so, and nothing is presented") {
  const test::CallLog log;
  Host host(fake("good"), HostPurpose::unblocks_pins);
  CHECK(code_of(host.change("1234", "12345")) == ErrorCode::mechanism_unsupported);
  CHECK(code_of(host.unblock(UnblockWay::puk, "puk", "12345")) == ErrorCode::mechanism_unsupported);
  CHECK(code_of(host.unblock(UnblockWay::so_pin, "so-pin", "12345")) == ErrorCode::mechanism_unsupported);
  CHECK(log.lines().empty());
}

TEST_CASE("a host that dies while it sets a PIN leaves the outcome unknown, and nothing is repeated") {
  const test::CallLog log;
  {
    Host host(fake("crash_in_set_pin"));
    const auto lost = host.change("1234", "12345");
    CHECK(code_of(lost) == ErrorCode::pin_unknown);
    CHECK(lost.error().detail.find("while changing the PIN") != std::string::npos);
    CHECK(log.lines() == Lines{"user"});
    // Whoever asks this host again presents nothing.
    CHECK(code_of(host.change("1234", "12345")) == ErrorCode::token_host_died);
  }
  Host host(fake("crash_in_set_pin"), HostPurpose::unblocks_pins);
  CHECK(code_of(host.unblock(UnblockWay::puk, "puk", "12345")) == ErrorCode::pin_unknown);
  CHECK(log.lines() == Lines{"user"});
}

TEST_CASE("a PIN pad is given no PIN") {
  const test::CallLog log;
  Host host(fake("pin_pad"), HostPurpose::unblocks_pins);
  CHECK(code_of(run(host.io, host.host->change_pin(host.token, nullptr, nullptr))) == std::nullopt);
  CHECK(code_of(run(host.io, host.host->unblock_pin(host.token, UnblockWay::so_pin, nullptr, nullptr))) == std::nullopt);
  CHECK(code_of(run(host.io, host.host->unblock_pin(host.token, UnblockWay::puk, nullptr, nullptr))) == std::nullopt);
  CHECK(log.lines() ==
        Lines{"user at the pad", "set-pin at the pad", "so at the pad", "init-pin at the pad", "set-pin at the pad"});
}

TEST_CASE("a host apart is not ended with the others") {
  const test::CallLog log;
  boost::asio::io_context io;
  pkcs11::Modules modules(io.get_executor(), {.program = SIGNET_TOKEN_HOST, .module = {}}, {{"fake", fake("sets_pins")}});
  const auto ordinary = value_of(run(io, modules.host(0)));
  const auto apart = value_of(run(io, modules.start_apart(0, HostPurpose::serves)));
  CHECK(ordinary->alive());
  run(io, modules.end_all());
  CHECK_FALSE(ordinary->alive());
  CHECK(apart->alive());
  const auto old_pin = secret("1234"), new_pin = secret("12345");
  const auto token = value_of(run(io, apart->tokens())).at(0);
  CHECK_FALSE(value_of(run(io, apart->change_pin(token, &old_pin, &new_pin))).error);
  run(io, apart->end());
}

TEST_CASE("no PIN is left in the memory of the agent or of the host") {
  // Random bytes: a copy cannot be taken for anything else.
  auto old_pin = base::Secret::make().value(), new_pin = base::Secret::make().value();
  for (base::Secret* pin : {&old_pin, &new_pin}) {
    REQUIRE(RAND_bytes(pin->buffer().data(), 32) == 1);
    for (std::uint8_t& byte : pin->buffer().first(32)) byte |= 1;
    pin->resize(32);
  }
  const SoftHsm hsm = SoftHsm::make(old_pin.bytes());
  Host host(SoftHsm::module);
  REQUIRE(code_of(run(host.io, host.host->change_pin(host.token, &old_pin, &new_pin))) == std::nullopt);
  for (const base::Secret* pin : {&old_pin, &new_pin}) {
    const auto needle = pin->bytes().first(8);
    CHECK(copies_in_memory(getpid(), needle).value_or(1) == 0);
    const base::Bytes planted(needle.begin(), needle.end());
    CHECK(CRYPTO_memcmp(planted.data(), needle.data(), needle.size()) == 0);
    CHECK(copies_in_memory(getpid(), needle).value_or(0) == 1);  // the scan does find a copy where there is one
    CHECK(CRYPTO_memcmp(planted.data(), needle.data(), needle.size()) == 0);
    const auto there = copies_in_memory(host.host->process_id(), needle);
    if (!there) return lacking("only root can read a host's memory");
    CHECK(*there == 0);
  }
}
