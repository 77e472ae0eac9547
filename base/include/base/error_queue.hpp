#pragma once

#include <openssl/err.h>

namespace signet::base {

// Leaves OpenSSL's error queue, which belongs to the thread, as it was found: what failed here is said in a Result or a
// report, and a leftover entry would be taken for the failure of whoever looks next.
class ErrorQueue {
 public:
  ErrorQueue() { ERR_set_mark(); }
  ErrorQueue(const ErrorQueue&) = delete;  // the mark is the thread's
  ErrorQueue& operator=(const ErrorQueue&) = delete;
  ~ErrorQueue() { ERR_pop_to_mark(); }
};

}  // namespace signet::base
