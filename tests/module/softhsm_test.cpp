#include "softhsm.hpp"

#include <openssl/ecdsa.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <map>

#include "lacking.hpp"
#include "memory_scan.hpp"
#include "pkcs11/modules.hpp"
#include "run.hpp"

using namespace signet;
using namespace signet::test;
using namespace boost::asio::experimental::awaitable_operators;
using base::DigestAlgorithm;
using base::ErrorCode;
using pkcs11::Key;
using pkcs11::Mechanism;
using pkcs11::SignedChunk;
using pkcs11::TokenHost;

namespace {

constexpr std::uint8_t rsa_2048 = 1, rsa_3072 = 2, p_256 = 3, p_384 = 4, p_521 = 5, always_p_256 = 6, always_rsa = 7;

// One token for all tests of this program: making its keys takes longer than the tests.
struct Token {
  SoftHsm hsm = SoftHsm::make();
  std::map<std::uint8_t, PrivateKey> keys;
  std::map<std::uint8_t, base::Bytes> certificates;

  Token() {
    keys[rsa_2048] = make_rsa(2048);
    keys[rsa_3072] = make_rsa(3072);
    keys[p_256] = make_ec("P-256");
    keys[p_384] = make_ec("P-384");
    keys[p_521] = make_ec("P-521");
    keys[always_p_256] = make_ec("P-256");
    keys[always_rsa] = make_rsa(2048);
    for (const auto& [id, key] : keys) {
      certificates[id] = self_signed(key.get(), "Key " + std::to_string(id));
      hsm.import(base::Bytes{id}, "key " + std::to_string(id), key.get(), certificates[id],
                 id >= always_p_256 ? Authentication::always : Authentication::at_login);
    }
  }
};

const Token& token() {
  static const Token one;
  one.hsm.use();
  return one;
}

base::Secret secret(std::string_view text) { return base::Secret::copy_of(base::as_bytes(text)).value(); }

pkcs11::HostOptions options() { return {.program = SIGNET_TOKEN_HOST, .module = SoftHsm::module}; }

template <class T>
T value_of(base::Result<T> result) {
  if (!result) FAIL(base::name(result.error().code) << ": " << result.error().detail);
  return std::move(*result);
}

SignedChunk whole(base::Result<SignedChunk> result) {
  auto chunk = value_of(std::move(result));
  if (chunk.error) FAIL(base::name(chunk.error->code) << ": " << chunk.error->detail);
  return chunk;
}

// A host with SoftHSM in it, and the slot of the token.
struct Host {
  boost::asio::io_context io;
  std::shared_ptr<TokenHost> host;
  pkcs11::Token in_slot;
  std::uint64_t slot = 0;

  Host() {
    token();
    host = value_of(run(io, TokenHost::start(options())));
    const auto tokens = value_of(run(io, host->tokens()));
    REQUIRE(tokens.size() == 1);
    in_slot = tokens.front();
    slot = in_slot.slot_id;
  }
  void login(std::string_view text = SoftHsm::default_pin) {
    const auto pin = secret(text);
    const auto login = value_of(run(io, host->login(in_slot, &pin)));
    if (login.error) FAIL(login.error->detail);
  }
  Key key(std::uint8_t id) { return value_of(run(io, host->key(slot, {id}))); }
};

std::vector<base::Digest> digests(std::size_t count, DigestAlgorithm algorithm = DigestAlgorithm::sha256) {
  std::vector<base::Digest> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(base::digest(algorithm, base::as_bytes("document " + std::to_string(i))));
  return out;
}

base::Bytes ecdsa_der(base::BytesView r_and_s) {
  const base::Owned<ECDSA_SIG, ECDSA_SIG_free> pair{ECDSA_SIG_new()};
  const auto half = r_and_s.size() / 2;
  ECDSA_SIG_set0(pair.get(), BN_bin2bn(r_and_s.data(), static_cast<int>(half), nullptr),
                 BN_bin2bn(r_and_s.data() + half, static_cast<int>(half), nullptr));
  unsigned char* out = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &out);
  base::Bytes der(out, out + size);
  OPENSSL_free(out);
  return der;
}

// By OpenSSL, which shares no code with the host's DigestInfo, PSS parameters and cutting of digests.
bool verified(EVP_PKEY* key, Mechanism mechanism, const base::Digest& digest, base::BytesView signature) {
  const base::Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context{EVP_PKEY_CTX_new(key, nullptr)};
  const EVP_MD* const md = EVP_get_digestbyname(std::string(base::name(digest.algorithm())).c_str());
  REQUIRE(EVP_PKEY_verify_init(context.get()) == 1);
  if (mechanism != Mechanism::ecdsa) {
    EVP_PKEY_CTX_set_rsa_padding(context.get(), mechanism == Mechanism::rsa_pkcs ? RSA_PKCS1_PADDING : RSA_PKCS1_PSS_PADDING);
  }
  REQUIRE(EVP_PKEY_CTX_set_signature_md(context.get(), md) == 1);
  if (mechanism == Mechanism::rsa_pkcs_pss) EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST);
  const base::Bytes der = mechanism == Mechanism::ecdsa ? ecdsa_der(signature) : base::Bytes(signature.begin(), signature.end());
  return EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.bytes().data(), digest.bytes().size()) == 1;
}

}  // namespace

TEST_CASE("a token and its certificates are listed without a PIN") {
  Host host;
  const auto tokens = value_of(run(host.io, host.host->tokens()));
  REQUIRE(tokens.size() == 1);
  CHECK(tokens[0].label == "signet-test");
  CHECK(tokens[0].manufacturer == "SoftHSM project");
  CHECK_FALSE(tokens[0].serial.empty());
  CHECK(tokens[0].login_required);
  CHECK_FALSE(tokens[0].protected_authentication_path);
  CHECK(tokens[0].pin_min == 4);
  CHECK(tokens[0].pin_max == 255);
  const auto certificates = value_of(run(host.io, host.host->certificates(host.slot)));
  REQUIRE(certificates.size() == token().keys.size());
  for (const auto& certificate : certificates) {
    REQUIRE(certificate.cka_id.size() == 1);
    CHECK(certificate.der == token().certificates.at(certificate.cka_id[0]));
    CHECK(certificate.label == "key " + std::to_string(certificate.cka_id[0]));
  }
}

TEST_CASE("listing while logged in disturbs neither the login nor a key that was found") {
  Host host;
  host.login();
  const Key key = host.key(p_256);
  for (int i = 0; i < 3; ++i) {
    CHECK(value_of(run(host.io, host.host->tokens())).size() == 1);
    CHECK(value_of(run(host.io, host.host->certificates(host.slot))).size() == token().keys.size());
    CHECK(whole(run(host.io, host.host->sign(key, Mechanism::ecdsa, digests(1), nullptr))).signatures.size() == 1);
  }
}

TEST_CASE("every mechanism with every digest makes a signature that OpenSSL accepts") {
  Host host;
  host.login();
  struct Case {
    std::uint8_t id;
    Mechanism mechanism;
    std::size_t size;
  };
  const auto [id, mechanism, size] = GENERATE(values<Case>({{rsa_2048, Mechanism::rsa_pkcs, 256},
                                                            {rsa_2048, Mechanism::rsa_pkcs_pss, 256},
                                                            {rsa_3072, Mechanism::rsa_pkcs, 384},
                                                            {rsa_3072, Mechanism::rsa_pkcs_pss, 384},
                                                            {p_256, Mechanism::ecdsa, 64},
                                                            {p_384, Mechanism::ecdsa, 96},
                                                            {p_521, Mechanism::ecdsa, 132}}));
  const Key key = host.key(id);
  CHECK((key.kind == pkcs11::KeyKind::ec) == (mechanism == Mechanism::ecdsa));
  CHECK(key.pss_offered == (mechanism != Mechanism::ecdsa));
  CHECK_FALSE(key.always_authenticate);
  std::vector<base::Digest> all;
  for (const auto algorithm : {DigestAlgorithm::sha256, DigestAlgorithm::sha384, DigestAlgorithm::sha512})
    all.push_back(base::digest(algorithm, base::as_bytes("a document")));
  const auto chunk = whole(run(host.io, host.host->sign(key, mechanism, all, nullptr)));
  REQUIRE(chunk.signatures.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(chunk.signatures[i].size() == size);
    CHECK(verified(token().keys.at(id).get(), mechanism, all[i], chunk.signatures[i]));
    CHECK_FALSE(verified(token().keys.at(id).get(), mechanism, all[(i + 1) % all.size()], chunk.signatures[i]));
  }
}

TEST_CASE("SHA-1 is not signed, nor a mechanism of another kind of key, and the host goes on") {
  Host host;
  host.login();
  const Key key = host.key(p_256);
  const auto sha1 = value_of(run(host.io, host.host->sign(key, Mechanism::ecdsa, digests(2, DigestAlgorithm::sha1), nullptr)));
  REQUIRE(sha1.error);
  CHECK(sha1.error->code == ErrorCode::mechanism_unsupported);
  const auto rsa = value_of(run(host.io, host.host->sign(key, Mechanism::rsa_pkcs, digests(1), nullptr)));
  REQUIRE(rsa.error);
  CHECK(rsa.error->code == ErrorCode::mechanism_unsupported);
  CHECK(whole(run(host.io, host.host->sign(key, Mechanism::ecdsa, digests(1), nullptr))).signatures.size() == 1);
  CHECK(whole(run(host.io, host.host->sign(key, Mechanism::ecdsa, {}, nullptr))).signatures.empty());
  const auto too_many = run(host.io, host.host->sign(key, Mechanism::ecdsa, digests(TokenHost::max_chunk + 1), nullptr));
  REQUIRE_FALSE(too_many);
  CHECK(too_many.error().code == ErrorCode::batch_too_large);
}

TEST_CASE("two chunks in flight come back in order, and two thousand signatures are right") {
  Host host;
  host.login();
  const Key key = host.key(p_256);
  const auto all = digests(2000);
  std::vector<base::Bytes> signatures(all.size());
  std::size_t next = 0;
  const auto lane = [&]() -> boost::asio::awaitable<void> {
    while (next < all.size()) {
      const std::size_t first = next;
      next = std::min(all.size(), first + 64);
      auto part = co_await host.host->sign(
          key, Mechanism::ecdsa,
          {all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(next)}, nullptr);
      if (!part || part->error) co_return;
      std::ranges::move(part->signatures, signatures.begin() + static_cast<std::ptrdiff_t>(first));
    }
  };
  run(host.io, lane() && lane());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!verified(token().keys.at(p_256).get(), Mechanism::ecdsa, all[i], signatures[i])) FAIL("signature " << i << " is wrong");
  }
}

TEST_CASE("a wrong PIN is refused and the right one is taken after it") {
  Host host;
  const auto wrong = secret("wrong-pin");
  const auto login = value_of(run(host.io, host.host->login(host.in_slot, &wrong)));
  REQUIRE(login.error);
  CHECK(login.error->code == ErrorCode::pin_incorrect);
  CHECK(login.error->origin == 0xA0);  // CKR_PIN_INCORRECT
  CHECK(login.token.pin_count_low);
  CHECK(host.host->alive());
  const auto empty = base::Secret::make().value();
  CHECK(run(host.io, host.host->login(host.in_slot, &empty)).error().code == ErrorCode::user_cancelled);
  host.login();
  CHECK_FALSE(value_of(run(host.io, host.host->tokens()))[0].pin_count_low);
}

TEST_CASE("a key is found after login only, and a CKA_ID that is not there is said") {
  Host host;
  CHECK(run(host.io, host.host->key(host.slot, {p_256})).error().code == ErrorCode::certificate_not_found);
  host.login();
  CHECK(host.key(p_256).number == host.key(p_256).number);
  CHECK(run(host.io, host.host->key(host.slot, {0x77})).error().code == ErrorCode::certificate_not_found);
  CHECK(run(host.io, host.host->key(host.slot, base::Bytes(300))).error().code == ErrorCode::certificate_not_found);
}

TEST_CASE("after logout nothing is signed, and a new login works") {
  Host host;
  host.login();
  const Key key = host.key(p_256);
  REQUIRE(run(host.io, host.host->logout(host.slot)));
  const auto chunk = value_of(run(host.io, host.host->sign(key, Mechanism::ecdsa, digests(1), nullptr)));
  REQUIRE(chunk.error);
  CHECK(chunk.error->origin == 0x101);  // CKR_USER_NOT_LOGGED_IN
  CHECK(chunk.signatures.empty());
  CHECK(run(host.io, host.host->logout(host.slot)));
  host.login();
  host.login();  // logs the first one out
  CHECK(whole(run(host.io, host.host->sign(host.key(p_256), Mechanism::ecdsa, digests(1), nullptr))).signatures.size() == 1);
}

TEST_CASE("an always-authenticate key signs a chunk with its PIN presented for each signature") {
  Host host;
  host.login();
  const auto id = GENERATE(always_p_256, always_rsa);
  const auto mechanism = id == always_p_256 ? Mechanism::ecdsa : Mechanism::rsa_pkcs;
  const Key key = host.key(id);
  CHECK(key.always_authenticate);
  const auto all = digests(5);

  const auto without = value_of(run(host.io, host.host->sign(key, mechanism, all, nullptr)));
  REQUIRE(without.error);
  CHECK(without.error->origin == 0x101);
  CHECK(host.host->alive());

  std::optional<base::Secret> pin = secret(SoftHsm::default_pin);
  auto call = host.host->sign(key, mechanism, all, &*pin);
  pin.reset();  // the call has its own
  const auto chunk = whole(run(host.io, std::move(call)));
  REQUIRE(chunk.signatures.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(verified(token().keys.at(id).get(), mechanism, all[i], chunk.signatures[i]));

  const auto wrong = secret("wrong-pin");
  const auto refused = value_of(run(host.io, host.host->sign(key, mechanism, all, &wrong)));
  REQUIRE(refused.error);
  CHECK(refused.error->code == ErrorCode::pin_incorrect);
  CHECK(refused.signatures.empty());
  CHECK_FALSE(host.host->alive());
}

TEST_CASE("a host killed in the middle of a chunk fails its calls, and the next use starts another") {
  token();
  boost::asio::io_context io;
  pkcs11::Modules modules(io.get_executor(), options(), {{"softhsm", SoftHsm::module}});
  CHECK_FALSE(modules.states()[0].running);
  const auto places = run(io, modules.tokens());
  REQUIRE(places.size() == 1);
  auto host = value_of(run(io, modules.host(0)));
  const auto slot = places[0].token.slot_id;
  const auto pin = secret(SoftHsm::default_pin);
  REQUIRE_FALSE(value_of(run(io, host->login(places[0].token, &pin))).error);
  const Key key = value_of(run(io, host->key(slot, {rsa_3072})));
  const int before = host->process_id();

  int ends = 0;
  modules.on_change([&](std::size_t module, pkcs11::Modules::Change) { ends += module == 0 ? 1 : 0; });
  const auto sign_and_kill = [&]() -> boost::asio::awaitable<base::Result<SignedChunk>> {
    auto call = host->sign(key, Mechanism::rsa_pkcs, digests(256), nullptr);
    kill(before, SIGKILL);
    co_return co_await std::move(call);
  };
  const auto [first, second] = run(io, host->sign(key, Mechanism::rsa_pkcs, digests(256), nullptr) && sign_and_kill());
  REQUIRE_FALSE(first);
  CHECK(first.error().code == ErrorCode::token_host_died);
  CHECK(first.error().detail.find("signal 9 while signing") != std::string::npos);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::token_host_died);
  CHECK_FALSE(host->alive());
  CHECK(run(io, host->tokens()).error().code == ErrorCode::token_host_died);
  CHECK(kill(before, 0) == -1);  // reaped
  CHECK(ends == 1);
  REQUIRE(modules.states()[0].last_error);
  CHECK(modules.states()[0].last_error->code == ErrorCode::token_host_died);

  host = value_of(run(io, modules.host(0)));
  CHECK(host->process_id() != before);
  CHECK(modules.states()[0].starts == 2);
  CHECK_FALSE(modules.states()[0].last_error);
  CHECK(run(io, modules.tokens()).size() == 1);
  run(io, modules.end_host(0));
  CHECK_FALSE(host->alive());
  CHECK_FALSE(modules.states()[0].running);
}

TEST_CASE("the same token through two modules is shown once, and a module that cannot start hides no other") {
  token();
  boost::asio::io_context io;
  pkcs11::Modules modules(io.get_executor(), options(),
                          {{"absent", "/no/such/module.so"}, {"softhsm", SoftHsm::module}, {"softhsm again", SoftHsm::module}});
  const auto places = run(io, modules.tokens());
  REQUIRE(places.size() == 1);
  CHECK(places[0].module == 1);
  const auto states = modules.states();
  REQUIRE(states[0].last_error);
  CHECK(states[0].last_error->code == ErrorCode::module_failed);
  CHECK(states[1].running);
  CHECK(states[2].running);
  run(io, modules.end_all());
  CHECK_FALSE(modules.states()[1].running);
}

TEST_CASE("hosts asked for at once start once for each module") {
  token();
  boost::asio::io_context io;
  pkcs11::Modules modules(io.get_executor(), options(), {{"a", SoftHsm::module}, {"b", SoftHsm::module}});
  const auto [a, b] = run(io, modules.host(0) && modules.host(1));
  REQUIRE((a && b));
  CHECK(*a != *b);
  run(io, modules.end_all());
  const auto [again, same] = run(io, modules.host(0) && modules.host(0));
  REQUIRE((again && same));
  CHECK(*again == *same);
  CHECK(modules.states()[0].starts == 2);
}

TEST_CASE("SoftHSM cannot wait for events, which is found out") {
  Host host;
  CHECK(until(host.io, [&] { return !host.host->waits_for_events(); }));
}

TEST_CASE("a host that is let go ends, with a call pending or with its executor gone") {
  token();
  int pid = 0;
  SECTION("the object goes before its call") {
    boost::asio::io_context io;
    auto host = value_of(run(io, TokenHost::start(options())));
    pid = host->process_id();
    auto call = host->tokens();
    host.reset();
    CHECK(run(io, std::move(call)).error().code == ErrorCode::token_host_died);
    CHECK(until(io, [&] { return kill(pid, 0) != 0; }));
  }
  SECTION("the executor goes while a call is pending") {
    boost::asio::io_context io;
    auto host = value_of(run(io, TokenHost::start(options())));
    pid = host->process_id();
    boost::asio::co_spawn(io, host->tokens(), [](std::exception_ptr, auto) {});
    io.restart();
    io.poll_one();
    host.reset();
  }
  SECTION("end is asked for twice") {
    boost::asio::io_context io;
    auto host = value_of(run(io, TokenHost::start(options())));
    pid = host->process_id();
    std::optional<base::Error> reason;
    host->on_end([&](base::Error error) { reason = error; });
    run(io, host->end() && host->end());
    REQUIRE(reason);
    run(io, host->end());
  }
  CHECK(kill(pid, 0) == -1);
}

TEST_CASE("neither the client, outside the caller's Secret, nor a host with SoftHSM keeps a copy of a PIN") {
  // Random digits made in locked memory: nowhere else in this program do they stand but through a fault.
  auto pin = base::Secret::make().value();
  pin.resize(16);
  RAND_bytes(pin.buffer().data(), 16);
  for (auto& byte : pin.buffer().first(16)) byte = static_cast<std::uint8_t>('0' + byte % 10);
  const auto key = make_ec("P-256");
  const SoftHsm hsm = SoftHsm::make(pin.bytes());
  hsm.import(base::Bytes{1}, "always", key.get(), {}, Authentication::always, pin.bytes());

  boost::asio::io_context io;
  auto host = value_of(run(io, TokenHost::start(options())));
  const pkcs11::Token in_slot = value_of(run(io, host->tokens())).at(0);
  const auto slot = in_slot.slot_id;
  REQUIRE_FALSE(value_of(run(io, host->login(in_slot, &pin))).error);
  const Key found = value_of(run(io, host->key(slot, {1})));
  CHECK(whole(run(io, host->sign(found, Mechanism::ecdsa, digests(20), &pin))).signatures.size() == 20);

  const auto needle = pin.bytes().first(8);
  const auto here = copies_in_memory(getpid(), needle);
  REQUIRE(here);
  CHECK(*here == 0);
  const base::Bytes planted(needle.begin(), needle.end());
  CHECK(CRYPTO_memcmp(planted.data(), needle.data(), needle.size()) ==
        0);                                                    // read before and after, or the optimiser leaves it out
  CHECK(copies_in_memory(getpid(), needle).value_or(0) == 1);  // the scan does find a copy where there is one
  CHECK(CRYPTO_memcmp(planted.data(), needle.data(), needle.size()) == 0);
  const auto there = copies_in_memory(host->process_id(), needle);
  if (!there) return lacking("only root can read a host's memory");
  CHECK(*there == 0);
  // The scan reads what is there.
  const std::string module = std::filesystem::canonical(SoftHsm::module);
  CHECK(copies_in_memory(host->process_id(), base::as_bytes(module)).value_or(0) > 0);
  run(io, host->end());
}
