#include <sys/mount.h>

#include <algorithm>

#include "drivers/choice.hpp"
#include "pcscd.hpp"
#include "usb_bus.hpp"
#include "watched.hpp"

// In with_card.sh and umockdev-wrapper: pcscd sees readers of umockdev's come and go, by udev as real ones, with a driver of
// ours.

using namespace signet;
using namespace signet::drivers;
using test::Pcscd;
using What = DeviceEvent::What;

namespace {

// pcscd looks for drivers in this folder alone; hidden, it is only for the processes of the bench.
void install_driver() {
  const std::filesystem::path drivers = "/usr/lib/pcsc/drivers";
  REQUIRE(std::getenv("SIGNET_CARD_CTL") != nullptr);  // in a mount namespace of its own
  REQUIRE(::mount("tmpfs", drivers.c_str(), "tmpfs", 0, nullptr) == 0);
  const auto contents = drivers / "test.bundle" / "Contents";
  std::filesystem::create_directories(contents / "Linux");
  std::filesystem::copy_file(SIGNET_USB_READER_DRIVER, contents / "Linux" / "driver.so");
  const auto list = [](const std::string& key, const std::string& value) {
    return "<key>" + key + "</key><array><string>" + value + "</string></array>\n";
  };
  std::ofstream(contents / "Info.plist")
      << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>\n"
         "<key>CFBundleExecutable</key><string>driver.so</string>\n<key>ifdCapabilities</key><string>0x00000000</string>\n"
      << list("ifdVendorID", "0x04E6") << list("ifdProductID", "0x5116") << list("ifdFriendlyName", "Test Reader")
      << "</dict></plist>\n";
}

const test::Stick reader{0x04e6, 0x5116, 17, "1-2"};
const test::Stick token{0x096e, 0x0807, 18, "1-3"};

}  // namespace

TEST_CASE("a reader that is plugged in and out while nothing else happens is told, and is one device with its USB device") {
  Pcscd::kill();
  install_driver();
  test::UsbBus bus;
  Pcscd::start("/run/signet-card/none");
  test::Watched watched;
  REQUIRE(watched.until(What::pcsc_found));
  CHECK(watched.now().readers.empty());
  for (int i = 0; i < 5; ++i) {
    INFO(i);
    watched.forget();
    bus.add(reader);
    bus.add(token);
    REQUIRE(watched.until(What::reader_arrived));
    REQUIRE(watched.until(What::usb_arrived, 2));
    const Devices now = watched.now();
    REQUIRE(now.readers.size() == 1);
    CHECK(now.readers[0].name.starts_with("Test Reader"));
    CHECK_FALSE(now.readers[0].has_card);
    const auto all = joined(now);
    REQUIRE(all.size() == 2);
    REQUIRE(all[0].usb);
    CHECK(all[0].usb->id == UsbId{0x04e6, 0x5116});
    CHECK(all[0].reader);
    CHECK_FALSE(all[1].reader);
    bus.remove(reader);
    bus.remove(token);
    REQUIRE(watched.until(What::reader_left));
    REQUIRE(watched.until(What::usb_left, 2));
    CHECK(watched.now().readers.empty());
    CHECK(watched.now().usb.empty());
  }
  CHECK_FALSE(watched.now().pcsc_problem);
}
