#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/catalogue.hpp"

namespace signet::drivers {

// Bus and address, as in /dev/bus/usb: another one each time that something is plugged in.
struct UsbAddress {
  std::uint8_t bus = 0;
  std::uint8_t address = 0;
  auto operator<=>(const UsbAddress&) const = default;
};

struct UsbDevice {
  UsbId id;
  UsbAddress address;
  std::string port;    // where it is plugged in: "1-2.3"
  std::string serial;  // made fit to be shown; empty: it has none
  bool smart_card = false;  // one of its interfaces is of USB's class for smart cards (CCID): pcscd should show it as a reader
  bool operator==(const UsbDevice&) const = default;
};

// A PC/SC reader; a USB token is one that its card never leaves.
struct Reader {
  // Which programs use the card, as pcscd tells it: our own token hosts are among them.
  enum class Use : std::uint8_t { none, shared, exclusive };

  std::string name;  // pcscd's, as it is needed to ask for it; not fit to be shown
  bool has_card = false;
  bool mute = false;  // the card does not answer: upside down, or broken
  base::Bytes atr;    // empty without a card, and while it starts
  Use use = Use::none;
  // How often a card came or went, modulo 2^16, since pcscd knows the reader.
  std::uint16_t changes = 0;
  // Of the device that the reader is, where its driver tells it (libccid does).
  std::optional<UsbAddress> usb;
  bool operator==(const Reader&) const = default;
};

// What is plugged in. A value.
struct Devices {
  std::vector<UsbDevice> usb;  // hubs are left out
  std::vector<Reader> readers;
  // Why a list may be wrong: nothing of USB, or pcscd, can be asked.
  std::optional<base::Error> usb_problem, pcsc_problem;
  bool operator==(const Devices&) const = default;
};

// Something that may be a token: a USB device, a reader, or a reader that is a USB device.
struct Device {
  std::optional<UsbDevice> usb;
  std::optional<Reader> reader;
};

// Each reader once, with its USB device where that is known, then all other USB devices.
std::vector<Device> joined(const Devices& devices);

}  // namespace signet::drivers
