#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "drivers/device_watch.hpp"

namespace signet::drivers {

// What both watches have seen. Any thread. A thread that was left behind may outlive the DeviceWatch: shared.
class Board {
 public:
  explicit Board(DeviceWatch::Report report) : report_(std::move(report)) {}

  // Reports if the part that `change` writes has become another one. `change` answers what happened.
  void update(const std::function<std::vector<DeviceEvent>(Devices&)>& change);
  Devices now() const;
  void close();  // nothing is reported any more

 private:
  std::mutex reporting_;  // held while report_ runs, so that changes arrive in the order in which they happened
  DeviceWatch::Report report_;
  mutable std::mutex guard_;  // of now_
  Devices now_;
};

// Tells a thread to end, and whether it did.
class Ending {
 public:
  bool asked() const;
  void ask();
  void done();  // by the thread, at its end
  // True: it was asked meanwhile.
  bool wait_asked(std::chrono::milliseconds time) const;
  bool wait_done(std::chrono::milliseconds time) const;

 private:
  mutable std::mutex guard_;
  mutable std::condition_variable changed_;
  bool asked_ = false;
  bool done_ = false;
};

class UsbWatch {
 public:
  explicit UsbWatch(std::shared_ptr<Board> board);
  ~UsbWatch();
  UsbWatch(const UsbWatch&) = delete;  // owns a thread
  UsbWatch& operator=(const UsbWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

class ReaderWatch {
 public:
  explicit ReaderWatch(std::shared_ptr<Board> board);
  ~ReaderWatch();
  ReaderWatch(const ReaderWatch&) = delete;  // owns a thread
  ReaderWatch& operator=(const ReaderWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace signet::drivers
