#include "raw_token.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace signet::bench {
namespace {

bool token_is_there(const CK_FUNCTION_LIST& p11) {
  std::array<CK_SLOT_ID, 16> slots{};
  CK_ULONG count = slots.size();
  if (p11.C_GetSlotList(CK_TRUE, slots.data(), &count) != CKR_OK) return false;
  CK_TOKEN_INFO info{};
  CK_SLOT_INFO reader{};
  for (std::size_t i = 0; i < count; ++i)
    if (p11.C_GetTokenInfo(slots[i], &info) == CKR_OK && p11.C_GetSlotInfo(slots[i], &reader) == CKR_OK) return true;
  return false;
}

}  // namespace

int watch_token_by_hand(const std::string& module) {
  void* const library = dlopen(module.c_str(), RTLD_NOW);
  if (library == nullptr) return 1;
  CK_FUNCTION_LIST* p11 = nullptr;
  if (reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"))(&p11) != CKR_OK) return 1;
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  if (p11->C_Initialize(&arguments) != CKR_OK) return 1;
  for (char told = 0;;) {
    const char now = token_is_there(*p11) ? '1' : '0';
    if (now != told) {
      const std::array<char, 2> line{now, '\n'};
      if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return 1;
      told = now;
    }
    CK_SLOT_ID slot = 0;
    const CK_RV ck_rv = p11->C_WaitForSlotEvent(0, &slot, nullptr);
    // A module that cannot wait is asked again and again, as often as a program that wants to be quick would.
    if (ck_rv != CKR_OK) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

RawToken::RawToken(const std::string& module) : module_(module) { start(); }

RawToken::~RawToken() { end(); }

void RawToken::start() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  id_ = fork();
  if (id_ < 0) throw std::runtime_error("fork");
  if (id_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    execl("/proc/self/exe", "signet-bench", "--raw-token", module_.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  lines_ = ends[0];
}

void RawToken::end() {
  kill(id_, SIGKILL);
  waitpid(id_, nullptr, 0);
  close(lines_);
}

void RawToken::wait_until(bool present) {
  constexpr unsigned longest_s = 60;
  alarm(longest_s);
  for (std::array<char, 2> line{}; line[0] != (present ? '1' : '0');) {
    if (read(lines_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
      throw std::runtime_error("the raw token ended");
  }
  alarm(0);
}

void RawToken::kill_and_start() {
  end();
  start();
}

}  // namespace signet::bench
