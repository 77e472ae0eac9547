#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

#include "usb_bus.hpp"
#include "watched.hpp"

// In umockdev-wrapper: an unmodified libusb sees devices of umockdev's.

using namespace signet;
using namespace signet::drivers;
using What = DeviceEvent::What;
using test::Stick;
using Bus = test::UsbBus;

namespace {

const Stick reader{0x04e6, 0x5116, 2, "1-2"};
const Stick token{0x096e, 0x0807, 3, "1-3", "A1B2C3"};

bool has(const Devices& devices, UsbId id) { return std::ranges::find(devices.usb, id, &UsbDevice::id) != devices.usb.end(); }

}  // namespace

TEST_CASE("what is plugged in when the watch begins is told first; hubs are not") {
  Bus bus;
  bus.add(reader);
  bus.add(token);
  test::Watched watched;
  REQUIRE(watched.until(What::usb_arrived, 2));
  const Devices now = watched.now();
  CHECK_FALSE(now.usb_problem);
  REQUIRE(now.usb.size() == 2);
  const auto found = std::ranges::find(now.usb, UsbId{0x096e, 0x0807}, &UsbDevice::id);
  REQUIRE(found != now.usb.end());
  CHECK(*found == UsbDevice{.id = {0x096e, 0x0807}, .address = {1, 3}, .port = "1-3", .serial = "A1B2C3", .smart_card = true});
  CHECK(watched.watch.now().usb == now.usb);
}

TEST_CASE("what is plugged in and out is told") {
  Bus bus;
  bus.add(reader);
  test::Watched watched;
  REQUIRE(watched.until(What::usb_arrived));
  watched.forget();
  bus.add(token);
  REQUIRE(watched.until(What::usb_arrived));
  CHECK(watched.forget().front().usb->id == UsbId{0x096e, 0x0807});
  CHECK(has(watched.now(), {0x04e6, 0x5116}));
  bus.remove(token);
  REQUIRE(watched.until(What::usb_left));
  const auto left = watched.forget();
  CHECK(left.front().usb->id == UsbId{0x096e, 0x0807});
  CHECK(left.front().usb->serial == "A1B2C3");
  CHECK_FALSE(has(watched.now(), {0x096e, 0x0807}));
  bus.remove(reader);
  REQUIRE(watched.until(What::usb_left));
  CHECK(watched.now().usb.empty());
}

TEST_CASE("a token that is swapped faster than anybody looks has gone and another one come") {
  Bus bus;
  bus.add(token);
  std::mutex hold;
  test::Watched watched([&](const DeviceChange&) { const std::lock_guard wait(hold); });
  REQUIRE(watched.until(What::usb_arrived));
  {
    const std::lock_guard nobody_looks(hold);
    bus.remove(token);
    bus.add({0x096e, 0x0807, 5, "1-3", "A1B2C3"});
  }
  REQUIRE(watched.until([](const auto&, const Devices& now) { return now.usb.size() == 1 && now.usb[0].address.address == 5; }));
  CHECK(watched.count(What::usb_left) == 1);
  CHECK(watched.count(What::usb_arrived) == 2);
}

TEST_CASE("a serial number is made fit to be shown") {
  Bus bus;
  bus.add({0x096e, 0x0807, 3, "1-3", "A\\x1b[31mB" + std::string(300, 'x')});
  test::Watched watched;
  REQUIRE(watched.until(What::usb_arrived));
  const std::string serial = watched.now().usb.front().serial;
  CHECK(serial.size() <= 128);
  CHECK(serial.find('\x1b') == std::string::npos);
  CHECK(serial.starts_with("A"));
}

TEST_CASE("after stop nothing is reported, and it comes at once") {
  Bus bus;
  bus.add(reader);
  test::Watched watched;
  REQUIRE(watched.until(What::usb_arrived));
  const auto begin = std::chrono::steady_clock::now();
  watched.watch.stop();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(900));
  const std::size_t reports = watched.reports();
  bus.add(token);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // nothing can be waited for
  CHECK(watched.reports() == reports);
}

TEST_CASE("two hundred plug cycles are all told") {
  Bus bus;
  test::Watched watched;
  for (unsigned i = 0; i < 200; ++i) {
    const Stick stick{0x096e, 0x0807, 3 + i % 100, "1-3", "A1"};
    bus.add(stick);
    // libusb cannot read a device that has gone before it looks, and says nothing of it.
    REQUIRE(watched.until(What::usb_arrived, i + 1));
    bus.remove(stick);
  }
  CHECK(watched.until(What::usb_left, 200));
  CHECK(watched.count(What::usb_arrived) == 200);
  CHECK(watched.now().usb.empty());
}
