#include <reader.h>
#include <winscard.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "watch.hpp"

namespace signet::drivers {
namespace {

using std::chrono::milliseconds;
using What = DeviceEvent::What;

constexpr const char* plug_and_play = "\\\\?PnP?\\Notification";  // the name that pcscd tells by that the readers are others
constexpr std::size_t max_readers = 16;       // PCSCLITE_MAX_READERS_CONTEXTS; one more is asked for than there may be
constexpr std::size_t max_names = 64 * 1024;  // bytes of all readers' names
constexpr milliseconds first_pause{100}, longest_pause{3'000};  // while there is no pcscd
constexpr milliseconds first_wait{1'000}, longest_wait{60'000};
constexpr milliseconds starting_wait{250};  // for the ATR of a card that is being switched on
constexpr unsigned starting_tries = 20;
constexpr milliseconds unknown_pause{50};
constexpr milliseconds cancel_again{10}, left_behind_after{1'000};

struct Watched {
  Reader reader;
  DWORD state = SCARD_STATE_UNAWARE;
  unsigned starting = 0;  // how often its card had no ATR yet
  bool usb_asked = false;
};

base::Error pcsc_failed(LONG code) {
  return {
      base::ErrorCode::token_failed, std::string("PC/SC: ") + pcsc_stringify_error(code), static_cast<std::uint32_t>(code), {}};
}

Reader::Use use_of(DWORD state) {
  if ((state & SCARD_STATE_EXCLUSIVE) != 0) return Reader::Use::exclusive;
  return (state & SCARD_STATE_INUSE) != 0 ? Reader::Use::shared : Reader::Use::none;
}

SCARD_READERSTATE asked(const char* reader, DWORD known) {
  SCARD_READERSTATE state{};
  state.szReader = reader;
  state.dwCurrentState = known;
  return state;
}

// What happened between two looks at the same reader.
void tell_card(const Reader& before, const Reader& now, std::vector<DeviceEvent>& events) {
  // An ATR that became known is the same card's; pcscd counts each coming and going.
  const bool another = before.changes != now.changes || (!before.atr.empty() && !now.atr.empty() && before.atr != now.atr);
  if (before.has_card && (!now.has_card || another)) events.push_back({What::card_removed, {}, before});
  if (now.has_card && (!before.has_card || another)) {
    events.push_back({What::card_inserted, {}, now});
  } else if (now.has_card && before != now) {
    events.push_back({What::card_changed, {}, now});
  }
}

std::vector<DeviceEvent> differences(const std::vector<Reader>& before, const std::vector<Reader>& now) {
  std::vector<DeviceEvent> events;
  for (const Reader& reader : before) {
    if (std::ranges::find(now, reader.name, &Reader::name) != now.end()) continue;
    if (reader.has_card) events.push_back({What::card_removed, {}, reader});
    events.push_back({What::reader_left, {}, reader});
  }
  for (const Reader& reader : now) {
    const auto known = std::ranges::find(before, reader.name, &Reader::name);
    if (known != before.end()) {
      tell_card(*known, reader, events);
      continue;
    }
    events.push_back({What::reader_arrived, {}, reader});
    if (reader.has_card) events.push_back({What::card_inserted, {}, reader});
  }
  return events;
}

}  // namespace

struct ReaderWatch::State {
  std::shared_ptr<Board> board;
  Ending ending;
  std::mutex context_guard{};
  std::optional<SCARDCONTEXT> context{};  // written by the thread, read by who cancels

  std::map<std::string, Watched> readers{};
  DWORD plug_and_play_state = SCARD_STATE_UNAWARE;
  milliseconds wait = first_wait;

  void tell_readers() {
    board->update([&](Devices& devices) {
      std::vector<Reader> now;
      for (const auto& [name, watched] : readers) now.push_back(watched.reader);
      auto events = differences(devices.readers, now);
      devices.readers = std::move(now);
      return events;
    });
  }

  void tell_found() {
    board->update([](Devices& devices) -> std::vector<DeviceEvent> {
      devices.pcsc_problem.reset();
      return {{What::pcsc_found, {}}};
    });
  }

  // The first time that pcscd is not there, it has not been lost.
  void tell_lost(LONG code, bool was_there) {
    readers.clear();
    board->update([&](Devices& devices) {
      auto events = differences(devices.readers, {});
      devices.readers.clear();
      devices.pcsc_problem = pcsc_failed(code);
      if (was_there) events.push_back({What::pcsc_lost, {}});
      return events;
    });
  }

  void run() {
    milliseconds pause = first_pause;
    while (!ending.asked()) {
      SCARDCONTEXT made = 0;
      LONG code = SCardEstablishContext(SCARD_SCOPE_SYSTEM, nullptr, nullptr, &made);
      if (code == SCARD_S_SUCCESS) {
        set_context(made);
        bool served = false;
        code = serve(made, served);
        set_context({});
        SCardReleaseContext(made);
        if (ending.asked()) break;
        tell_lost(code, served);
        if (served) pause = first_pause;
      } else {
        tell_lost(code, false);
      }
      ending.wait_asked(pause);
      pause = std::min(2 * pause, longest_pause);
    }
    ending.done();
  }

  void set_context(std::optional<SCARDCONTEXT> value) {
    const std::lock_guard lock(context_guard);
    context = value;
  }

  // Until pcscd fails or the end is asked for. `served`: it answered at least once.
  LONG serve(SCARDCONTEXT with, bool& served) {
    readers.clear();
    plug_and_play_state = SCARD_STATE_UNAWARE;
    wait = first_wait;
    while (!ending.asked()) {
      if (const LONG code = list(with); code != SCARD_S_SUCCESS) return code;
      if (!std::exchange(served, true)) tell_found();
      if (const LONG code = look(with); code != SCARD_S_SUCCESS) return code;
    }
    return SCARD_E_CANCELLED;
  }

  // Which readers there are.
  LONG list(SCARDCONTEXT with) {
    DWORD size = 0;
    LONG code = SCardListReaders(with, nullptr, nullptr, &size);
    std::string names(std::min<std::size_t>(size, max_names), '\0');
    if (code == SCARD_S_SUCCESS) {
      size = names.size();
      code = SCardListReaders(with, nullptr, names.data(), &size);
    }
    if (code == SCARD_E_INSUFFICIENT_BUFFER) return SCARD_S_SUCCESS;  // others meanwhile: the next turn sees them
    if (code != SCARD_S_SUCCESS && code != SCARD_E_NO_READERS_AVAILABLE) return code;
    if (code != SCARD_S_SUCCESS) size = 0;
    std::map<std::string, Watched> now;
    std::string_view rest(names.data(), std::min<std::size_t>(size, names.size()));
    while (!rest.empty() && rest.front() != '\0' && now.size() < max_readers) {
      const std::string name(rest.substr(0, rest.find('\0')));
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
      const auto known = readers.find(name);
      Watched& watched = now[name];
      if (known != readers.end()) watched = std::move(known->second);
      watched.reader.name = name;
    }
    if (now.size() != readers.size()) wait = first_wait;
    readers = std::move(now);
    return SCARD_S_SUCCESS;
  }

  // Waits until something has changed, or for some time. What comes after the readers were listed and before pcscd is asked to
  // wait is not told by pcscd before 2.3: then the next listing sees it, after a second where something has just happened.
  LONG look(SCARDCONTEXT with) {
    std::vector<SCARD_READERSTATE> states;
    bool starting = false;
    for (auto& [name, watched] : readers) {
      states.push_back(asked(name.c_str(), watched.state));
      starting = starting || (watched.starting > 0 && watched.starting < starting_tries);
    }
    states.push_back(asked(plug_and_play, plug_and_play_state));
    const milliseconds time = starting ? starting_wait : wait;
    LONG code = SCardGetStatusChange(with, static_cast<DWORD>(time.count()), states.data(), static_cast<DWORD>(states.size()));
    if (code == SCARD_E_UNKNOWN_READER) {  // it went after it was listed
      ending.wait_asked(unknown_pause);
      return SCARD_S_SUCCESS;
    }
    if (code == SCARD_E_CANCELLED) return SCARD_S_SUCCESS;
    if (code != SCARD_S_SUCCESS && code != SCARD_E_TIMEOUT) return code;
    wait = code == SCARD_E_TIMEOUT && !starting ? std::min(2 * wait, longest_wait) : first_wait;
    plug_and_play_state = states.back().dwEventState & ~DWORD{SCARD_STATE_CHANGED};
    bool unknown = false;
    std::size_t i = 0;
    for (auto& [name, watched] : readers) unknown = take(states[i++], watched, with) || unknown;
    std::erase_if(readers, [](const auto& one) { return (one.second.state & SCARD_STATE_UNKNOWN) != 0; });
    tell_readers();
    if (unknown) ending.wait_asked(unknown_pause);
    return SCARD_S_SUCCESS;
  }

  // True: pcscd does not know the reader any more.
  bool take(const SCARD_READERSTATE& state, Watched& watched, SCARDCONTEXT with) {
    watched.state = state.dwEventState & ~DWORD{SCARD_STATE_CHANGED};
    if ((watched.state & SCARD_STATE_UNKNOWN) != 0) return true;
    Reader& reader = watched.reader;
    reader.has_card = (watched.state & SCARD_STATE_PRESENT) != 0;
    reader.mute = (watched.state & SCARD_STATE_MUTE) != 0;
    reader.use = use_of(watched.state);
    reader.changes = static_cast<std::uint16_t>(watched.state >> 16);
    const std::size_t size = std::min<std::size_t>({state.cbAtr, sizeof state.rgbAtr, max_atr_size});
    reader.atr.assign(state.rgbAtr, state.rgbAtr + (reader.has_card ? size : 0));
    watched.starting = reader.has_card && !reader.mute && reader.atr.empty() ? watched.starting + 1 : 0;
    // pcscd would have a connection wait for the end of another program's transaction.
    if (!watched.usb_asked && reader.use == Reader::Use::none) {
      watched.usb_asked = true;
      reader.usb = usb_of(with, reader.name);
    }
    return false;
  }

  // PC/SC part 3: 0x0020 for USB, then bus and address. Connecting without the card neither switches it on nor resets it.
  std::optional<UsbAddress> usb_of(SCARDCONTEXT with, const std::string& reader) {
    SCARDHANDLE handle = 0;
    DWORD protocol = 0;
    if (SCardConnect(with, reader.c_str(), SCARD_SHARE_DIRECT, 0, &handle, &protocol) != SCARD_S_SUCCESS) return {};
    std::uint8_t value[16]{};
    DWORD size = sizeof value;
    const LONG code = SCardGetAttrib(handle, SCARD_ATTR_CHANNEL_ID, value, &size);
    SCardDisconnect(handle, SCARD_LEAVE_CARD);
    std::uint32_t channel = 0;
    if (code != SCARD_S_SUCCESS || size < sizeof channel || size > sizeof value) return {};
    std::memcpy(&channel, value, sizeof channel);
    if (channel >> 16 != 0x0020) return {};
    return UsbAddress{static_cast<std::uint8_t>(channel >> 8), static_cast<std::uint8_t>(channel)};
  }

  // Until the thread has ended: SCardCancel does nothing while nobody waits.
  void cancel() {
    do {
      const std::lock_guard lock(context_guard);
      if (context) SCardCancel(*context);
    } while (!ending.wait_done(cancel_again));
  }
};

ReaderWatch::ReaderWatch(std::shared_ptr<Board> board) : state_(new State{.board = std::move(board), .ending = {}}) {
  thread_ = std::thread([state = state_] { state->run(); });
}

ReaderWatch::~ReaderWatch() {
  state_->ending.ask();
  // SCardCancel asks pcscd, too, and would hang with it.
  std::thread canceller([state = state_] { state->cancel(); });
  if (state_->ending.wait_done(left_behind_after)) {
    canceller.join();
    thread_.join();
  } else {
    canceller.detach();
    thread_.detach();
  }
}

}  // namespace signet::drivers
