#include "raw_loop.hpp"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <vector>

namespace signet::bench {
namespace {

void check(CK_RV ck_rv, const char* function) {
  if (ck_rv != CKR_OK) throw std::runtime_error(std::string(function) + ": CK_RV " + std::to_string(ck_rv));
}

double loop(const std::string& module, base::BytesView cka_id, std::string pin, bool context_login, std::size_t count) {
  void* const library = dlopen(module.c_str(), RTLD_NOW);
  if (library == nullptr) throw std::runtime_error(dlerror());
  CK_FUNCTION_LIST* p11 = nullptr;
  check(reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"))(&p11), "C_GetFunctionList");
  check(p11->C_Initialize(nullptr), "C_Initialize");
  std::array<CK_SLOT_ID, 16> slots{};
  CK_ULONG slot_count = slots.size();
  check(p11->C_GetSlotList(CK_TRUE, slots.data(), &slot_count), "C_GetSlotList");
  CK_SESSION_HANDLE session = 0;
  check(p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION, nullptr, nullptr, &session), "C_OpenSession");
  auto* const pin_bytes = reinterpret_cast<unsigned char*>(pin.data());
  check(p11->C_Login(session, CKU_USER, pin_bytes, pin.size()), "C_Login");
  CK_OBJECT_CLASS wanted = CKO_PRIVATE_KEY;
  std::vector<std::uint8_t> id(cka_id.begin(), cka_id.end());
  std::array<CK_ATTRIBUTE, 2> query{CK_ATTRIBUTE{CKA_CLASS, &wanted, sizeof wanted}, CK_ATTRIBUTE{CKA_ID, id.data(), id.size()}};
  check(p11->C_FindObjectsInit(session, query.data(), query.size()), "C_FindObjectsInit");
  CK_OBJECT_HANDLE key = 0;
  CK_ULONG found = 0;
  check(p11->C_FindObjects(session, &key, 1, &found), "C_FindObjects");
  check(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  if (found != 1) throw std::runtime_error("no such key");
  CK_KEY_TYPE type = 0;
  CK_ATTRIBUTE type_query{CKA_KEY_TYPE, &type, sizeof type};
  check(p11->C_GetAttributeValue(session, key, &type_query, 1), "C_GetAttributeValue");
  // DigestInfo of SHA-256 (RFC 8017 9.2) before the hash for RSA, the hash alone for ECDSA.
  std::vector<std::uint8_t> input(32);
  if (type == CKK_RSA)
    input = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  input.resize(type == CKK_RSA ? 51 : 32, 0x5A);
  CK_MECHANISM mechanism{type == CKK_RSA ? CKM_RSA_PKCS : CKM_ECDSA, nullptr, 0};
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    input.back() = static_cast<std::uint8_t>(i);
    std::array<unsigned char, 1024> signature{};
    CK_ULONG size = signature.size();
    check(p11->C_SignInit(session, &mechanism, key), "C_SignInit");
    if (context_login) check(p11->C_Login(session, CKU_CONTEXT_SPECIFIC, pin_bytes, pin.size()), "C_Login");
    check(p11->C_Sign(session, input.data(), input.size(), signature.data(), &size), "C_Sign");
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

std::chrono::duration<double> raw_loop(const std::string& module, base::BytesView cka_id, const std::string& pin,
                                       bool context_login, std::size_t count) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error("pipe");
  const pid_t child = fork();
  if (child == 0) {
    double seconds = -1;
    try {
      seconds = loop(module, cka_id, pin, context_login, count);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "raw loop: %s\n", error.what());
    }
    const bool written = write(ends[1], &seconds, sizeof seconds) == sizeof seconds;
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  double seconds = -1;
  const bool read_all = read(ends[0], &seconds, sizeof seconds) == sizeof seconds;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!read_all || seconds < 0) throw std::runtime_error("the raw loop failed");
  return std::chrono::duration<double>(seconds);
}

}  // namespace signet::bench
