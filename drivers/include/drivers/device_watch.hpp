#pragma once

#include <functional>
#include <memory>

#include "drivers/devices.hpp"

namespace signet::drivers {

struct DeviceEvent {
  enum class What : std::uint8_t {
    usb_arrived,
    usb_left,
    reader_arrived,
    reader_left,  // its card, if it had one, has gone before: card_removed
    card_inserted,
    card_removed,
    card_changed,  // another program began or ended using it, or its ATR is known now
    pcsc_found,
    pcsc_lost,  // pcscd ended or cannot be asked; its readers have gone before
  };
  What what = What::usb_arrived;
  std::optional<UsbDevice> usb;    // of usb_…
  std::optional<Reader> reader{};  // of reader_… and card_…: as it is now, or was before it left
  bool operator==(const DeviceEvent&) const = default;
};

struct DeviceChange {
  std::vector<DeviceEvent> events;  // in the order in which they happened, of USB or of PC/SC
  Devices now;
};

// Sees what is plugged in and what goes, with libusb's hot-plug events and by waiting in SCardGetStatusChange: a thread for each,
// which sleep while nothing happens. A card that was swapped while nobody looked is seen by pcscd's count: as removed and
// inserted. pcscd may come and go; it is looked for again in growing pauses up to three seconds. No device is opened and no card
// is spoken to; a reader is connected to once, without its card, to ask which USB device it is.
class DeviceWatch {
 public:
  // Called on either of the two threads, never on both at once, first with what is there already. It must not block, nor call
  // stop(), nor throw: it would hand the change on to a thread of its owner's.
  using Report = std::function<void(const DeviceChange&)>;

  explicit DeviceWatch(Report report);
  ~DeviceWatch();                          // stop()
  DeviceWatch(const DeviceWatch&) = delete;  // owns threads
  DeviceWatch& operator=(const DeviceWatch&) = delete;

  Devices now() const;  // any thread
  // After it nothing is reported. Returns within moments: a call of PC/SC that does not end, as pcscd itself is stopped or hangs,
  // is left behind after a second with its thread, which ends when the call does. One thread.
  void stop();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace signet::drivers
