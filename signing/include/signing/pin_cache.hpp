#pragma once

#include <map>
#include <optional>
#include <set>

#include "base/secret.hpp"
#include "base/time.hpp"
#include "signing/origin.hpp"

namespace signet::signing {

enum class PinScope : std::uint8_t { off, batch, session };

// What becomes of a running batch when the screen is locked.
enum class OnLock : std::uint8_t {
  pause,   // as by any other wish to lock
  finish,  // it is signed to its end with the PIN that it has; then that is wiped, whatever its scope
};

struct PinPolicy {
  PinScope scope = PinScope::batch;
  std::chrono::seconds idle{600};
  std::chrono::seconds max_age{3600};
  std::size_t max_signatures = 10'000;  // after which it ends; never within a manifest
};

// Whose PIN it is: never used for another token, key, origin or user.
struct PinOwner {
  std::string token_serial;
  base::Bytes cka_id;
  Origin origin;
  std::uint32_t user = 0;
  auto operator<=>(const PinOwner&) const = default;
};

// PINs that tokens have accepted, in locked memory. It only keeps: logging out and ending hosts is its owner's duty, so every
// wiping function says what it wiped. One thread.
class PinCache {
 public:
  explicit PinCache(PinPolicy policy) : policy_(policy) {}
  const PinPolicy& policy() const { return policy_; }

  void keep(const PinOwner& owner, base::Secret pin, base::Time now);
  const base::Secret* find(const PinOwner& owner) const;
  void used(const PinOwner& owner, std::size_t signatures, base::Time now);

  bool wipe(const PinOwner& owner);
  // But for those that are in use.
  std::vector<PinOwner> wipe_all(const std::set<PinOwner>& in_use = {});
  std::vector<PinOwner> wipe_token(std::string_view serial);
  // Those whose time or number of signatures is over, but not those that are in use: limits never cut a manifest.
  std::vector<PinOwner> wipe_expired(base::Time now, const std::set<PinOwner>& in_use = {});
  std::optional<base::Time> until(const PinOwner& owner) const;
  std::optional<base::Time> next_expiry() const;
  std::size_t size() const { return entries_.size(); }
  std::set<std::string> token_serials() const;  // of those that are kept

 private:
  struct Entry {
    base::Secret pin;
    base::Time kept;
    base::Time last_used;
    std::size_t signatures = 0;
  };
  base::Time expiry(const Entry& entry) const;
  PinPolicy policy_;
  std::map<PinOwner, Entry> entries_;
};

}  // namespace signet::signing
