#pragma once

#include <openssl/types.h>

#include <cstddef>

namespace signet::pki {

// What one verification may still spend, in units of about a nanosecond: small input can ask for a great deal of work, be it walks
// through a large document or signatures by keys of any size. Shared by all that belongs to one verification; one thread.
class WorkBudget {
 public:
  // False when there was not so much left: what was asked for is not to be done, nor anything later.
  bool take(std::size_t units) {
    left_ = units > left_ ? 0 : left_ - units;
    return left_ != 0;
  }
  bool is_spent() const { return left_ == 0; }
  // For a further part of the same input that asks for work of its own. Nothing once it was spent.
  void add(std::size_t units) { left_ += left_ == 0 ? 0 : units; }

 private:
  std::size_t left_ = 1'500'000'000;
};

// One signature verified with that key over so many octets, by libcrypto.
std::size_t cost_of_verification(const EVP_PKEY* key, std::size_t octets);

}  // namespace signet::pki
