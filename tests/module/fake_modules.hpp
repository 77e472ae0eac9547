#pragma once

#include <catch2/catch.hpp>

#include "pkcs11/modules.hpp"
#include "run.hpp"

// The modules of modules/, loaded as the agent loads them, with limits of a second.
namespace signet::test {

constexpr std::uint64_t slot = 7;
// Whom a PIN is for: the token of modules/fake_token.c.
inline const pkcs11::Token fake_token = [] {
  pkcs11::Token token;
  token.slot_id = slot;
  token.label = "Fake token";
  token.manufacturer = "Fakes";
  token.serial = "F-0001";
  return token;
}();
constexpr const char* right_pin = "1234";

inline std::string module_path(const std::string& fault) { return SIGNET_FAKE_MODULES "/" + fault + ".so"; }

inline pkcs11::HostOptions options(const std::string& fault = {}) {
  using std::chrono::seconds;
  return {.program = SIGNET_TOKEN_HOST,
          .module = module_path(fault),
          .load_timeout = seconds(3),  // a process has to begin, on a machine that is not quiet
          .call_timeout = seconds(1),
          .list_timeout = seconds(1),
          .login_timeout = seconds(1),
          .sign_timeout = seconds(1)};
}

inline base::Secret secret(std::string_view text) { return base::Secret::copy_of(base::as_bytes(text)).value(); }

template <class T>
T value_of(base::Result<T> result) {
  if (!result) FAIL(base::name(result.error().code) << ": " << result.error().detail);
  return std::move(*result);
}

inline std::vector<base::Digest> digests(std::size_t count) {
  return std::vector<base::Digest>(count, base::digest(base::DigestAlgorithm::sha256, base::as_bytes("a document")));
}

// One module and its hosts, as the agent has them.
struct Agent {
  boost::asio::io_context io;
  pkcs11::Modules modules;

  explicit Agent(const std::string& fault, const pkcs11::HostOptions& host_options = options(), pkcs11::FaultPolicy faults = {})
      : modules(io.get_executor(), host_options, {{fault, module_path(fault)}}, faults) {}
  std::shared_ptr<pkcs11::TokenHost> host() { return value_of(run(io, modules.host(0))); }
  void login(pkcs11::TokenHost& host) {
    const auto pin = secret(right_pin);
    const auto login = value_of(run(io, host.login(fake_token, &pin)));
    if (login.error) FAIL(login.error->detail);
  }
  pkcs11::Key key(pkcs11::TokenHost& host, std::uint8_t id = 1) { return value_of(run(io, host.key(slot, {id}))); }
  base::Result<pkcs11::SignedChunk> sign(pkcs11::TokenHost& host, std::size_t count = 1) {
    return run(io, host.sign(key(host), pkcs11::Mechanism::rsa_pkcs, digests(count), nullptr));
  }
};

inline bool mentions(const base::Error& error, const std::string& text) { return error.detail.find(text) != std::string::npos; }

}  // namespace signet::test
