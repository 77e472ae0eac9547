#include "drivers/device_watch.hpp"

#include "watch.hpp"

namespace signet::drivers {

void Board::update(const std::function<std::vector<DeviceEvent>(Devices&)>& change) {
  const std::lock_guard reporting(reporting_);
  DeviceChange seen;
  bool changed = false;
  {
    const std::lock_guard lock(guard_);
    seen.now = now_;
    seen.events = change(seen.now);
    changed = seen.now != now_;
    now_ = seen.now;
  }
  if (report_ && (changed || !seen.events.empty())) report_(seen);
}

Devices Board::now() const {
  const std::lock_guard lock(guard_);
  return now_;
}

void Board::close() {
  const std::lock_guard reporting(reporting_);
  report_ = {};
}

bool Ending::asked() const {
  const std::lock_guard lock(guard_);
  return asked_;
}

void Ending::ask() {
  const std::lock_guard lock(guard_);
  asked_ = true;
  changed_.notify_all();
}

void Ending::done() {
  const std::lock_guard lock(guard_);
  done_ = true;
  changed_.notify_all();
}

bool Ending::wait_asked(std::chrono::milliseconds time) const {
  std::unique_lock lock(guard_);
  return changed_.wait_for(lock, time, [&] { return asked_; });
}

bool Ending::wait_done(std::chrono::milliseconds time) const {
  std::unique_lock lock(guard_);
  return changed_.wait_for(lock, time, [&] { return done_; });
}

class DeviceWatch::Implementation {
 public:
  explicit Implementation(Report report)
      : board(std::make_shared<Board>(std::move(report))),
        usb(std::make_unique<UsbWatch>(board)),
        readers(std::make_unique<ReaderWatch>(board)) {}

  std::shared_ptr<Board> board;
  std::unique_ptr<UsbWatch> usb;
  std::unique_ptr<ReaderWatch> readers;
};

DeviceWatch::DeviceWatch(Report report) : implementation_(new Implementation(std::move(report))) {}
DeviceWatch::~DeviceWatch() { stop(); }
Devices DeviceWatch::now() const { return implementation_->board->now(); }

void DeviceWatch::stop() {
  implementation_->board->close();
  implementation_->usb.reset();
  implementation_->readers.reset();
}

}  // namespace signet::drivers
