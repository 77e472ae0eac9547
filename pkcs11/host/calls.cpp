#include "host/calls.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

namespace signet::pkcs11::host {
namespace {

CallPage* page = nullptr;
CK_FUNCTION_LIST of_the_module{}, list{};
bool listed = false;
thread_local bool waits_for_events = false;

constexpr bool sets_a_pin(std::uint32_t number) {
  return number == call_number("C_SetPIN") || number == call_number("C_InitPIN");
}

class Note {
 public:
  // Modules call themselves: what was noted before holds again, and while they set a PIN all along.
  explicit Note(std::uint32_t number)
      : place_(waits_for_events ? page->events : page->serving), before_(place_.load(std::memory_order_relaxed)) {
    if (!sets_a_pin(before_)) place_.store(number, std::memory_order_relaxed);
  }
  ~Note() { place_.store(before_, std::memory_order_relaxed); }
  Note(const Note&) = delete;  // one call
  Note& operator=(const Note&) = delete;

 private:
  std::atomic<std::uint32_t>& place_;
  std::uint32_t before_;
};

// A card whose PIN is being changed must not lose power or its program half-way: not even the agent's death ends this process
// in such a call, nor what is sent to every process where a session or the machine ends.
class OutlivesAgent {
 public:
  OutlivesAgent() : agent_(getppid()) {
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    for (std::size_t i = 0; i < asking.size(); ++i) sigaction(asking[i], &ignore, &before_[i]);
  }
  ~OutlivesAgent() {
    for (std::size_t i = 0; i < asking.size(); ++i) sigaction(asking[i], &before_[i], nullptr);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != agent_) _exit(1);  // it died meanwhile
  }
  OutlivesAgent(const OutlivesAgent&) = delete;  // one call
  OutlivesAgent& operator=(const OutlivesAgent&) = delete;

 private:
  static constexpr std::array asking{SIGTERM, SIGINT, SIGHUP};
  pid_t agent_;
  std::array<struct sigaction, asking.size()> before_{};
};

template <auto Member, std::uint32_t Number>
struct Noted;
template <class... Parameters, CK_RV (*CK_FUNCTION_LIST::*Member)(Parameters...), std::uint32_t Number>
struct Noted<Member, Number> {
  static CK_RV call(Parameters... parameters) {
    const Note note(Number);
    if constexpr (sets_a_pin(Number) || Number == call_number("C_Login")) page->presented.fetch_add(1, std::memory_order_relaxed);
    if constexpr (sets_a_pin(Number)) {
      const OutlivesAgent outlives;
      return (of_the_module.*Member)(parameters...);
    } else {
      return (of_the_module.*Member)(parameters...);
    }
  }
};

}  // namespace

bool map_call_page(int descriptor) {
  void* const memory = mmap(nullptr, call_page_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (memory == MAP_FAILED) return false;
  page = new (memory) CallPage{};
  return true;
}

CK_FUNCTION_LIST* noted(const CK_FUNCTION_LIST& of_module) {
  of_the_module = list = of_module;
#define SIGNET_NOTED(name) \
  if (list.name != nullptr) list.name = Noted<&CK_FUNCTION_LIST::name, call_number(#name)>::call
  SIGNET_NOTED(C_Initialize);
  SIGNET_NOTED(C_Finalize);
  SIGNET_NOTED(C_GetInfo);
  SIGNET_NOTED(C_GetSlotList);
  SIGNET_NOTED(C_GetSlotInfo);
  SIGNET_NOTED(C_GetTokenInfo);
  SIGNET_NOTED(C_GetMechanismList);
  SIGNET_NOTED(C_GetMechanismInfo);
  SIGNET_NOTED(C_InitPIN);
  SIGNET_NOTED(C_SetPIN);
  SIGNET_NOTED(C_OpenSession);
  SIGNET_NOTED(C_CloseSession);
  SIGNET_NOTED(C_CloseAllSessions);
  SIGNET_NOTED(C_GetSessionInfo);
  SIGNET_NOTED(C_Login);
  SIGNET_NOTED(C_Logout);
  SIGNET_NOTED(C_GetObjectSize);
  SIGNET_NOTED(C_GetAttributeValue);
  SIGNET_NOTED(C_FindObjectsInit);
  SIGNET_NOTED(C_FindObjects);
  SIGNET_NOTED(C_FindObjectsFinal);
  SIGNET_NOTED(C_SignInit);
  SIGNET_NOTED(C_Sign);
  SIGNET_NOTED(C_SignUpdate);
  SIGNET_NOTED(C_SignFinal);
  SIGNET_NOTED(C_SeedRandom);
  SIGNET_NOTED(C_GenerateRandom);
  SIGNET_NOTED(C_GetFunctionStatus);
  SIGNET_NOTED(C_CancelFunction);
  SIGNET_NOTED(C_WaitForSlotEvent);
#undef SIGNET_NOTED
  list.C_GetFunctionList = C_GetFunctionList;
  listed = true;
  return &list;
}

void note_as_events() { waits_for_events = true; }

void note_self_end(SelfEnd why) { page->self_end.store(static_cast<std::uint32_t>(why), std::memory_order_relaxed); }

}  // namespace signet::pkcs11::host

// The one symbol that this program shows to what it loads. libp11 takes its functions from the file that it is told to open,
// and the file of the empty name is the program itself.
extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** out) {
  using namespace signet::pkcs11::host;
  if (!listed) return CKR_GENERAL_ERROR;
  *out = &list;
  return CKR_OK;
}
