#pragma once

#include <umockdev.h>

#include <catch2/catch.hpp>
#include <string>

#include "base/bytes.hpp"
#include "base/owned.hpp"

namespace signet::test {

struct Stick {
  unsigned vendor, product;
  unsigned address;
  std::string port = "1-1";
  std::string serial = {};
  unsigned device_class = 0;
};

inline std::string hex(std::initializer_list<unsigned> bytes) {
  base::Bytes out;
  for (const unsigned byte : bytes) out.push_back(static_cast<std::uint8_t>(byte));
  return base::hex(out);
}

// A USB bus of umockdev's, with a hub. Programs in umockdev-wrapper see it; libudev and libusb are told what comes and goes.
class UsbBus {
 public:
  UsbBus() { add({0x1d6b, 2, 1, "usb1", "", 9}); }

  void add(const Stick& stick) {
    const std::string address = std::to_string(1000 + stick.address).substr(1);
    const auto number = [](unsigned value) { return base::hex(base::Bytes{std::uint8_t(value >> 8), std::uint8_t(value)}); };
    const std::string descriptors = hex({18, 1, 0, 2, stick.device_class, 0, 0, 8, stick.vendor & 0xFFu, stick.vendor >> 8,
                                         stick.product & 0xFFu, stick.product >> 8, 0, 1, 1, 2, 3, 1}) +
                                    hex({9, 2, 18, 0, 1, 1, 0, 0x80, 50}) + hex({9, 4, 0, 0, 0, 11, 0, 0, 0});
    const std::string text =
        "P: " + path(stick) + "\nN: bus/usb/001/" + address + "\nE: BUSNUM=001\nE: DEVNUM=" + address +
        "\nE: DEVNAME=/dev/bus/usb/001/" + address +
        "\nE: DEVTYPE=usb_device\nE: DRIVER=usb\nE: SUBSYSTEM=usb\nA: bConfigurationValue=1\\n\nA: busnum=1\\n"
        "\nA: devnum=" +
        std::to_string(stick.address) + "\\n\nA: idVendor=" + number(stick.vendor) +
        "\\n\nA: idProduct=" + number(stick.product) + "\\n\nA: speed=12\\n\nA: bNumConfigurations=1\\n\n" +
        (stick.serial.empty() ? "" : "A: serial=" + stick.serial + "\\n\n") + "H: descriptors=" + descriptors + "\n\n" +
        (stick.device_class == 9 ? "" : "P: " + path(stick) + interface + "\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\nA: bInterfaceNumber=00\\n\n\n");
    GError* error = nullptr;
    INFO(text);
    REQUIRE(umockdev_testbed_add_from_string(bed_.get(), text.c_str(), &error));
  }
  void remove(const Stick& stick) {
    for (const std::string& gone : {"/sys" + path(stick) + interface, "/sys" + path(stick)}) {
      umockdev_testbed_uevent(bed_.get(), gone.c_str(), "remove");
      umockdev_testbed_remove_device(bed_.get(), gone.c_str());
    }
  }

 private:
  static constexpr const char* interface = "/interface:1.0";
  static std::string path(const Stick& stick) { return stick.port == "usb1" ? "/devices/usb1" : "/devices/usb1/" + stick.port; }
  base::Owned<UMockdevTestbed, g_object_unref> bed_{umockdev_testbed_new()};
};

}  // namespace signet::test
