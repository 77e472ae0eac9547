#include "signing/pin_cache.hpp"

#include <algorithm>

namespace signet::signing {

base::Time PinCache::expiry(const Entry& entry) const {
  return std::min(entry.kept + policy_.max_age, entry.last_used + policy_.idle);
}

void PinCache::keep(const PinOwner& owner, base::Secret pin, base::Time now) {
  entries_.insert_or_assign(owner, Entry{std::move(pin), now, now, 0});
}

const base::Secret* PinCache::find(const PinOwner& owner) const {
  const auto entry = entries_.find(owner);
  return entry == entries_.end() ? nullptr : &entry->second.pin;
}

void PinCache::used(const PinOwner& owner, std::size_t signatures, base::Time now) {
  const auto entry = entries_.find(owner);
  if (entry == entries_.end()) return;
  entry->second.last_used = now;
  entry->second.signatures += signatures;
}

bool PinCache::wipe(const PinOwner& owner) { return entries_.erase(owner) != 0; }

std::vector<PinOwner> PinCache::wipe_all(const std::set<PinOwner>& in_use) {
  std::vector<PinOwner> wiped;
  std::erase_if(entries_, [&](const auto& row) {
    if (in_use.contains(row.first)) return false;
    wiped.push_back(row.first);
    return true;
  });
  return wiped;
}

std::vector<PinOwner> PinCache::wipe_token(std::string_view serial) {
  std::vector<PinOwner> wiped;
  std::erase_if(entries_, [&](const auto& row) {
    if (row.first.token_serial != serial) return false;
    wiped.push_back(row.first);
    return true;
  });
  return wiped;
}

std::vector<PinOwner> PinCache::wipe_expired(base::Time now, const std::set<PinOwner>& in_use) {
  std::vector<PinOwner> wiped;
  std::erase_if(entries_, [&](const auto& row) {
    if (in_use.contains(row.first)) return false;
    if (expiry(row.second) > now && row.second.signatures < policy_.max_signatures) return false;
    wiped.push_back(row.first);
    return true;
  });
  return wiped;
}

std::optional<base::Time> PinCache::until(const PinOwner& owner) const {
  const auto entry = entries_.find(owner);
  return entry == entries_.end() ? std::nullopt : std::optional(expiry(entry->second));
}

std::optional<base::Time> PinCache::next_expiry() const {
  std::optional<base::Time> next;
  for (const auto& [owner, entry] : entries_) next = std::min(next.value_or(base::Time::max()), expiry(entry));
  return next;
}

std::set<std::string> PinCache::token_serials() const {
  std::set<std::string> serials;
  for (const auto& [owner, entry] : entries_) serials.insert(owner.token_serial);
  return serials;
}

}  // namespace signet::signing
