#include "host/readers.hpp"

#include <unistd.h>
#include <winscard.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace signet::pkcs11::host {
namespace {

constexpr std::size_t slot_description_size = 64;
constexpr auto pcscd_answers = std::chrono::milliseconds(500);
constexpr unsigned pcscd_answers_within_s = 1;

// A client's connection to pcscd.
class Context {
 public:
  Context() { there_ = SCardEstablishContext(SCARD_SCOPE_SYSTEM, nullptr, nullptr, &context_) == SCARD_S_SUCCESS; }
  ~Context() {
    if (there_) SCardReleaseContext(context_);
  }
  Context(const Context&) = delete;  // owns a connection
  Context& operator=(const Context&) = delete;
  SCARDCONTEXT get() const { return context_; }

  std::vector<std::string> readers() const {
    DWORD size = 0;
    if (!there_ || SCardListReaders(context_, nullptr, nullptr, &size) != SCARD_S_SUCCESS) return {};
    std::string names(size, '\0');
    if (SCardListReaders(context_, nullptr, names.data(), &size) != SCARD_S_SUCCESS) return {};
    names.resize(size);
    std::vector<std::string> readers;
    // Names one after another, each with its 0; an empty one is the last.
    for (std::size_t at = 0; at < names.size() && names[at] != '\0'; at += readers.back().size() + 1)
      readers.emplace_back(&names[at]);
    return readers;
  }

 private:
  SCARDCONTEXT context_ = 0;
  bool there_ = false;
};

LONG connect(const Context& context, const std::string& reader, DWORD share, SCARDHANDLE& card) {
  DWORD protocol = 0;
  return SCardConnect(context.get(), reader.c_str(), share, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol);
}

// A module cuts the reader's name to what a slot's description holds, and may leave out the end.
bool names_reader(std::string_view slot, std::string_view reader) {
  constexpr std::size_t long_enough = 8;
  return slot == reader || (slot.size() > long_enough && reader.starts_with(slot));
}

std::string reader_of(std::string_view slot) {
  if (slot.empty()) return {};
  for (std::string& reader : Context().readers()) {
    if (slot == std::string_view(reader).substr(0, slot_description_size)) return std::move(reader);
  }
  return {};
}

}  // namespace

struct ReadersInUse::State {
  std::mutex mutex;
  std::condition_variable answered;
  unsigned asked = 0;
  std::set<std::string> readers;
};

ReadersInUse::ReadersInUse() : state_(std::make_shared<State>()) {}

void ReadersInUse::add(std::string slot) {
  {
    const std::lock_guard lock(state_->mutex);
    ++state_->asked;
  }
  std::thread([state = state_, slot = std::move(slot)] {
    std::string reader = reader_of(slot);
    const std::lock_guard lock(state->mutex);
    if (!reader.empty()) state->readers.insert(std::move(reader));
    --state->asked;
    state->answered.notify_all();
  }).detach();
}

bool ReadersInUse::any() const {
  const std::lock_guard lock(state_->mutex);
  return !state_->readers.empty();
}

std::set<std::string> ReadersInUse::all() const {
  std::unique_lock lock(state_->mutex);
  state_->answered.wait_for(lock, pcscd_answers, [&] { return state_->asked == 0; });
  return state_->readers;
}

bool card_is_held(std::span<const char* const> slots) {
  alarm(pcscd_answers_within_s);
  const Context context;
  std::vector<std::string> readers = context.readers();
  const auto is_meant = [&](const std::string& reader) {
    return std::ranges::any_of(slots, [&](const char* slot) { return names_reader(slot, reader); });
  };
  // Some modules have names of their own for their slots.
  if (std::ranges::any_of(readers, is_meant)) std::erase_if(readers, std::not_fn(is_meant));
  std::vector<std::string> shared;
  for (const std::string& reader : readers) {
    SCARD_READERSTATE state{};
    state.szReader = reader.c_str();
    if (SCardGetStatusChange(context.get(), 0, &state, 1) != SCARD_S_SUCCESS || (state.dwEventState & SCARD_STATE_PRESENT) == 0)
      continue;
    if ((state.dwEventState & SCARD_STATE_EXCLUSIVE) != 0) return true;
    if ((state.dwEventState & SCARD_STATE_INUSE) != 0) shared.push_back(reader);
  }
  alarm(0);
  for (const std::string& reader : shared) {
    SCARDHANDLE card = 0;
    // pcscd answers this when the transaction is over.
    const LONG answer = connect(context, reader, SCARD_SHARE_SHARED, card);
    if (answer == SCARD_E_SHARING_VIOLATION) return true;
    if (answer == SCARD_S_SUCCESS) SCardDisconnect(card, SCARD_LEAVE_CARD);
  }
  return false;
}

void reset_unless_shared(const std::string& reader) {
  const Context context;
  SCARDHANDLE card = 0;
  if (connect(context, reader, SCARD_SHARE_EXCLUSIVE, card) == SCARD_S_SUCCESS) SCardDisconnect(card, SCARD_RESET_CARD);
}

}  // namespace signet::pkcs11::host
