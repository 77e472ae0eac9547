#include <libusb.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <span>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "watch.hpp"

namespace signet::drivers {
namespace {

using What = DeviceEvent::What;

constexpr std::size_t max_devices = 512;
constexpr std::size_t max_serial = 128;  // bytes: USB's strings are at most 126 UTF-16 units, and these are shown to people
constexpr auto pause_after_error = std::chrono::seconds(1);

// "1-2.3", as sysfs calls it; empty for what is not plugged into a port.
std::string port_of(libusb_device* device) {
  std::array<std::uint8_t, 8> ports{};  // USB 3: at most seven hubs in a row
  const int count = libusb_get_port_numbers(device, ports.data(), static_cast<int>(ports.size()));
  if (count <= 0) return {};
  std::string port = std::to_string(libusb_get_bus_number(device));
  for (int i = 0; i < count; ++i) port += (i == 0 ? '-' : '.') + std::to_string(ports[static_cast<std::size_t>(i)]);
  return port;
}

// The kernel has read it when the device was plugged in: asking the device would want rights to open it, and wake it up.
std::string serial_of(const std::string& port) {
  if (port.empty()) return {};
  std::ifstream in("/sys/bus/usb/devices/" + port + "/serial", std::ios::binary);
  std::array<char, 4 * max_serial> text{};
  in.read(text.data(), text.size());
  std::string_view read(text.data(), static_cast<std::size_t>(in.gcount()));
  return base::shown(read.substr(0, read.find('\n')), max_serial);
}

// From what the kernel has read of it: nothing is opened. A device that says so is a reader, whether somebody knows it or not.
bool has_smart_card_interface(libusb_device* device) {
  libusb_config_descriptor* read = nullptr;
  if (libusb_get_config_descriptor(device, 0, &read) != 0) return false;
  const base::Owned<libusb_config_descriptor, libusb_free_config_descriptor> configuration(read);
  const std::span interfaces(read->interface, read->bNumInterfaces);
  return std::ranges::any_of(interfaces, [](const libusb_interface& interface) {
    return interface.num_altsetting > 0 && interface.altsetting[0].bInterfaceClass == LIBUSB_CLASS_SMART_CARD;
  });
}

std::optional<UsbDevice> described(libusb_device* device) {
  libusb_device_descriptor descriptor{};
  if (libusb_get_device_descriptor(device, &descriptor) != 0 || descriptor.bDeviceClass == LIBUSB_CLASS_HUB) return {};
  UsbDevice out{.id = {descriptor.idVendor, descriptor.idProduct},
                .address = {libusb_get_bus_number(device), libusb_get_device_address(device)},
                .port = port_of(device),
                .serial = {},
                .smart_card = has_smart_card_interface(device)};
  out.serial = serial_of(out.port);
  return out;
}

base::Error usb_failed(int code) {
  return {base::ErrorCode::internal, std::string("libusb: ") + libusb_error_name(code), static_cast<std::uint64_t>(-code), {}};
}

}  // namespace

struct UsbWatch::State {
  std::shared_ptr<Board> board;
  Ending ending;
  base::Owned<libusb_context, libusb_exit> context;
  std::vector<DeviceEvent> seen{};  // by the callback, until it has returned: libusb allows little in it

  static int on_event(libusb_context*, libusb_device* device, libusb_hotplug_event event, void* state) {
    const bool arrived = event == LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED;
    if (auto usb = described(device))
      static_cast<State*>(state)->seen.push_back({arrived ? What::usb_arrived : What::usb_left, std::move(*usb)});
    return 0;
  }

  void tell(std::optional<base::Error> problem) {
    board->update([&](Devices& devices) {
      devices.usb_problem = std::move(problem);
      std::vector<DeviceEvent> events;
      for (DeviceEvent& event : std::exchange(seen, {})) {
        const auto known = std::ranges::find(devices.usb, event.usb->address, &UsbDevice::address);
        const bool was_there = known != devices.usb.end();
        if (event.what == What::usb_left) {
          if (!was_there) continue;
          event.usb = *known;  // its serial number is not in sysfs any more
          devices.usb.erase(known);
        } else {
          // libusb may tell of a device both as one that is there and as one that comes.
          if ((was_there && *known == *event.usb) || devices.usb.size() == max_devices) continue;
          if (was_there) devices.usb.erase(known);
          devices.usb.push_back(*event.usb);
        }
        events.push_back(std::move(event));
      }
      return events;
    });
  }

  std::optional<base::Error> begin() {
    if (libusb_has_capability(LIBUSB_CAP_HAS_HOTPLUG) == 0) return usb_failed(LIBUSB_ERROR_NOT_SUPPORTED);
    const int code = libusb_hotplug_register_callback(
        context.get(), LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, LIBUSB_HOTPLUG_ENUMERATE,
        LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, &State::on_event, this, nullptr);
    if (code != 0) return usb_failed(code);
    return {};
  }

  void run(int opened) {
    const auto problem = opened == 0 ? begin() : usb_failed(opened);
    tell(problem);
    while (!problem && !ending.asked()) {
      const int code = libusb_handle_events_completed(context.get(), nullptr);
      const bool failed = code != 0 && code != LIBUSB_ERROR_INTERRUPTED && code != LIBUSB_ERROR_TIMEOUT;
      tell(failed ? std::optional(usb_failed(code)) : std::nullopt);
      if (failed) ending.wait_asked(pause_after_error);
    }
  }
};

UsbWatch::UsbWatch(std::shared_ptr<Board> board) : state_(new State{.board = std::move(board), .ending = {}, .context = {}}) {
  libusb_context* made = nullptr;
  const int opened = libusb_init(&made);
  state_->context.reset(made);
  thread_ = std::thread([state = state_, opened] { state->run(opened); });
}

UsbWatch::~UsbWatch() {
  state_->ending.ask();
  // What is interrupted before it waits does not wait.
  if (state_->context != nullptr) libusb_interrupt_event_handler(state_->context.get());
  thread_.join();
}

}  // namespace signet::drivers
