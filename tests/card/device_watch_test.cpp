#include <reader.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <winscard.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "pcscd.hpp"
#include "watched.hpp"

// In with_card.sh --cards 2: a pcscd with two readers of vpcd's, each with a PIV card, and a folder /run of its own.

using namespace signet;
using namespace signet::drivers;
using namespace std::chrono_literals;
using What = DeviceEvent::What;
using Clock = std::chrono::steady_clock;
using test::eventually;
using test::Pcscd;
using test::reader_conf;

namespace {

// One line to a card's control socket; its answer is not looked at.
void card(int number, std::string line) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const char* const path = std::getenv(("SIGNET_CARD_CTL_" + std::to_string(number)).c_str());
  REQUIRE(path != nullptr);
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  line += '\n';
  REQUIRE(::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  char answer[4096];
  REQUIRE(::read(fd, answer, sizeof answer) > 0);
  ::close(fd);
}

// The test's own use of PC/SC.
class Client {
 public:
  Client() { REQUIRE(SCardEstablishContext(SCARD_SCOPE_SYSTEM, nullptr, nullptr, &context_) == SCARD_S_SUCCESS); }
  ~Client() { SCardReleaseContext(context_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  SCARDHANDLE connect(const std::string& reader, DWORD share) {
    SCARDHANDLE handle = 0;
    DWORD protocol = 0;
    LONG code = SCARD_S_SUCCESS;
    // A card that has just come is still switched on.
    REQUIRE(eventually([&] {
      code = SCardConnect(context_, reader.c_str(), share, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &handle, &protocol);
      return code == SCARD_S_SUCCESS;
    }));
    return handle;
  }
  // Until pcscd says so, as nobody else may be looking.
  bool sees_card(const std::string& reader, bool there) {
    return eventually([&] {
      SCARD_READERSTATE state{};
      state.szReader = reader.c_str();
      return SCardGetStatusChange(context_, 0, &state, 1) == SCARD_S_SUCCESS &&
             ((state.dwEventState & SCARD_STATE_PRESENT) != 0) == there;
    });
  }

 private:
  SCARDCONTEXT context_ = 0;
};

std::size_t cards(const Devices& devices) {
  return static_cast<std::size_t>(
      std::ranges::count_if(devices.readers, [](const Reader& one) { return one.has_card && !one.atr.empty(); }));
}

bool both_there(const std::vector<DeviceEvent>&, const Devices& now) { return cards(now) == 2; }

// Both cards in, and the watch has said so.
void settle(test::Watched& watched) {
  card(1, "insert");
  card(2, "insert");
  REQUIRE(watched.until(both_there));
  watched.forget();
}

}  // namespace

TEST_CASE("readers and cards that are there already are told first, with their answers to reset") {
  test::Watched watched;
  REQUIRE(watched.until(both_there));
  const auto seen = watched.forget();
  CHECK(seen.front().what == What::pcsc_found);
  CHECK(std::ranges::count(seen, What::reader_arrived, &DeviceEvent::what) == 2);
  CHECK(std::ranges::count(seen, What::card_inserted, &DeviceEvent::what) == 2);
  for (const Reader& reader : watched.now().readers) {
    CHECK(base::hex(reader.atr).starts_with("3b850180738001c0"));
    CHECK(reader.use == Reader::Use::none);
    CHECK_FALSE(reader.mute);
    CHECK_FALSE(reader.usb);  // vpcd is no USB device, and does not say that it were
  }
  CHECK_FALSE(watched.now().pcsc_problem);
}

TEST_CASE("a card that is pulled and put in again is told, and only its own reader's") {
  test::Watched watched;
  settle(watched);
  card(1, "remove");
  REQUIRE(watched.until(What::card_removed));
  auto seen = watched.forget();
  REQUIRE(seen.size() == 1);
  CHECK_FALSE(seen[0].reader->atr.empty());  // which card has gone
  const std::string reader = seen[0].reader->name;
  CHECK(cards(watched.now()) == 1);
  card(1, "insert");
  REQUIRE(watched.until(both_there));
  seen = watched.forget();
  CHECK(seen[0].what == What::card_inserted);
  CHECK(seen[0].reader->name == reader);
  CHECK(std::ranges::count(seen, What::card_removed, &DeviceEvent::what) == 0);
}

TEST_CASE("a card that was swapped while nobody looked was removed and inserted") {
  std::mutex hold;
  test::Watched watched([&](const DeviceChange&) { const std::lock_guard wait(hold); });
  settle(watched);
  Client client;
  const std::string first = watched.now().readers[0].name;
  const std::string second = watched.now().readers[1].name;
  {
    const std::unique_lock nobody_looks(hold);
    card(2, "remove");  // the watch wakes up, and is held up while it tells that
    REQUIRE(watched.until(What::card_removed));
    card(1, "remove");
    REQUIRE(client.sees_card(first, false));
    card(1, "insert");
    REQUIRE(client.sees_card(first, true));
    watched.forget();
  }
  REQUIRE(watched.until(What::card_inserted));
  const auto seen = watched.forget();
  REQUIRE(seen.size() >= 2);
  CHECK(seen[0].what == What::card_removed);
  CHECK(seen[0].reader->name == first);
  CHECK(seen[1].what == What::card_inserted);
  CHECK(seen[1].reader->name == first);
  CHECK(static_cast<std::uint16_t>(seen[1].reader->changes - seen[0].reader->changes) == 2);
  settle(watched);
}

TEST_CASE("that a program uses a card is told; that it resets the card is no swap") {
  test::Watched watched;
  settle(watched);
  const std::string name = watched.now().readers[0].name;
  const auto use_is = [&](Reader::Use use) {
    return watched.until([&](const auto&, const Devices& now) { return now.readers.size() == 2 && now.readers[0].use == use; });
  };
  Client client;
  SCARDHANDLE handle = client.connect(name, SCARD_SHARE_SHARED);
  CHECK(use_is(Reader::Use::shared));
  DWORD protocol = 0;
  CHECK(SCardReconnect(handle, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_UNPOWER_CARD, &protocol) == SCARD_S_SUCCESS);
  SCardDisconnect(handle, SCARD_RESET_CARD);
  CHECK(use_is(Reader::Use::none));
  handle = client.connect(name, SCARD_SHARE_EXCLUSIVE);
  CHECK(use_is(Reader::Use::exclusive));
  SCardDisconnect(handle, SCARD_LEAVE_CARD);
  CHECK(use_is(Reader::Use::none));
  CHECK(watched.count(What::card_removed) == 0);
  CHECK(watched.count(What::card_inserted) == 0);
  CHECK(watched.count(What::card_changed) >= 4);
}

TEST_CASE("pcscd may be killed and started again") {
  test::Watched watched;
  settle(watched);
  Pcscd::kill();
  REQUIRE(watched.until(What::pcsc_lost));
  auto seen = watched.forget();
  CHECK(std::ranges::count(seen, What::card_removed, &DeviceEvent::what) == 2);
  CHECK(std::ranges::count(seen, What::reader_left, &DeviceEvent::what) == 2);
  CHECK(seen.back().what == What::pcsc_lost);
  CHECK(watched.now().readers.empty());
  REQUIRE(watched.now().pcsc_problem);
  CHECK(watched.now().pcsc_problem->detail.starts_with("PC/SC: "));

  // While it is away it is looked for, with pauses. What it is that is wrong may still change once.
  REQUIRE(watched.until([](const auto&, const Devices& now) {
    return now.pcsc_problem->origin == static_cast<std::uint32_t>(SCARD_E_NO_SERVICE);
  }));
  const double before = test::processor_ms();
  const std::size_t reports = watched.reports();
  std::this_thread::sleep_for(1500ms);
  CHECK(test::processor_ms() - before < 100);
  CHECK(watched.reports() == reports);

  Pcscd::start();
  REQUIRE(watched.until(both_there));
  seen = watched.forget();
  CHECK(seen.front().what == What::pcsc_found);
  CHECK_FALSE(watched.now().pcsc_problem);
  card(1, "remove");
  CHECK(watched.until(What::card_removed));
  card(1, "insert");
  CHECK(watched.until(both_there));
}

TEST_CASE("a watch may begin before pcscd does, and has then lost nothing") {
  Pcscd::kill();
  {
    test::Watched watched;
    REQUIRE(watched.until([](const auto&, const Devices& now) { return now.pcsc_problem.has_value(); }));
    CHECK(watched.count(What::pcsc_lost) == 0);
    Pcscd::start();
    REQUIRE(watched.until(both_there));
    CHECK(watched.count(What::pcsc_found) == 1);
  }
}

TEST_CASE("a reader tells which USB device it is, where its driver does") {
  Pcscd::kill();
  const auto conf = reader_conf / "usb";
  std::ofstream(conf) << "FRIENDLYNAME \"USB Reader\"\nDEVICENAME 3:17\nLIBPATH " SIGNET_USB_READER_DRIVER "\nCHANNELID 0x1\n";
  test::Watched watched;
  Pcscd::start();
  REQUIRE(watched.until(What::reader_arrived, 3));
  const Devices now = watched.now();
  const auto reader = std::ranges::find_if(now.readers, [](const Reader& one) { return one.name.starts_with("USB Reader"); });
  REQUIRE(reader != now.readers.end());
  CHECK_FALSE(reader->has_card);
  CHECK(reader->usb == UsbAddress{3, 17});
  std::filesystem::remove(conf);
  Pcscd::kill();
  REQUIRE(watched.until(What::reader_left, 3));
  Pcscd::start();
  REQUIRE(watched.until(both_there));
  CHECK(watched.now().readers.size() == 2);
}

TEST_CASE("an idle watch sleeps") {
  test::Watched watched;
  settle(watched);
  std::this_thread::sleep_for(500ms);  // what comes after the last event
  const double before = test::processor_ms();
  const std::size_t reports = watched.reports();
  std::this_thread::sleep_for(2s);
  CHECK(test::processor_ms() - before < 40);
  CHECK(watched.reports() == reports);
}

TEST_CASE("stop comes at once, while something is waited for and while pcscd is away") {
  const auto stop_takes = [](test::Watched& watched) {
    const auto begin = Clock::now();
    watched.watch.stop();
    return Clock::now() - begin;
  };
  for (int i = 0; i < 20; ++i) {
    test::Watched watched;
    if (i % 2 == 0) REQUIRE(watched.until(both_there));
    CHECK(stop_takes(watched) < 900ms);
  }
  Pcscd::kill();
  {
    test::Watched watched;
    REQUIRE(watched.until([](const auto&, const Devices& now) { return now.pcsc_problem.has_value(); }));
    CHECK(stop_takes(watched) < 900ms);
  }
  Pcscd::start();
}

TEST_CASE("a pcscd that hangs does not hold up the end") {
  test::Watched watched;
  settle(watched);
  const pid_t pid = Pcscd::running();
  REQUIRE(::kill(pid, SIGSTOP) == 0);
  const auto begin = Clock::now();
  watched.watch.stop();
  CHECK(Clock::now() - begin < 3s);
  const std::size_t reports = watched.reports();
  REQUIRE(::kill(pid, SIGCONT) == 0);
  card(1, "remove");
  Client client;
  CHECK(eventually([&] { return client.sees_card(watched.now().readers[0].name, false); }));
  CHECK(watched.reports() == reports);  // the thread that was left behind says nothing
  card(1, "insert");
}
