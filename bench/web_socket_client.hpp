#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "xades/types.hpp"

namespace signet::bench {

struct BatchRun {
  std::chrono::duration<double> time{};  // from the answer to batch.commit to the last result
  std::size_t results = 0;
  std::size_t without_time_stamp = 0;
};

// A page that hands over `items` hashes, acknowledges what comes and keeps nothing. `tick` is called now and then.
BatchRun run_batch(std::uint16_t port, const std::string& origin, const std::string& certificate, std::size_t items,
                   xades::Level level, const std::function<void()>& tick = {});

// A page that waits for tokens to come and go. Each wait ends the program after a minute without an event.
class TokenEvents {
 public:
  TokenEvents(std::uint16_t port, const std::string& origin);
  ~TokenEvents();
  // Reads on until the agent says that there is a token, or that there is none.
  void wait_until(bool present);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace signet::bench
