#pragma once

#include <string>

#include "process.hpp"

namespace signet::bench {

// What a program of its own would do by hand: loads the module, C_Initialize, and then, for good, C_WaitForSlotEvent,
// C_GetSlotList, C_GetTokenInfo and C_GetSlotInfo, which is what a listing tells. A line on stdout whenever there is a token
// ("1") or none ("0") and it was otherwise before. Run as `signet-bench --raw-token MODULE`, so that it is as new a process as a
// token host.
int watch_token_by_hand(const std::string& module);

// Such a process, killed with the object.
class RawToken {
 public:
  explicit RawToken(const std::string& module);
  ~RawToken();
  RawToken(const RawToken&) = delete;  // owns a process
  RawToken& operator=(const RawToken&) = delete;

  // Reads on until the process says so. Ends the program after a minute without.
  void wait_until(bool present);
  // SIGKILL, and the same from the beginning.
  void kill_and_start();

 private:
  void start();
  void end();
  std::string module_;
  pid_t id_ = -1;
  int lines_ = -1;
};

}  // namespace signet::bench
