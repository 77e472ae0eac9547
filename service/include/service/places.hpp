#pragma once

#include <cstddef>
#include <map>
#include <memory>

namespace signet::service {

// So many at once. What take() gives holds a place until it goes, however that happens, and may outlive this object; null: none
// is left. One thread.
class Places {
 public:
  explicit Places(std::size_t most) : left_(std::make_shared<std::size_t>(most)) {}

  std::shared_ptr<void> take() {
    if (*left_ == 0) return nullptr;
    --*left_;
    return {left_.get(), [left = left_](void*) { ++*left; }};
  }

 private:
  std::shared_ptr<std::size_t> left_;
};

// So many at once for each key; keys that hold none take no room.
template <class Key>
class PlacesOf {
 public:
  explicit PlacesOf(std::size_t most) : most_(most) {}

  std::shared_ptr<void> take(const Key& key) {
    std::size_t& held = (*held_)[key];
    if (held >= most_) return nullptr;
    ++held;
    return {&held, [all = held_, key](void*) {
              if (--all->at(key) == 0) all->erase(key);
            }};
  }

 private:
  std::size_t most_;
  std::shared_ptr<std::map<Key, std::size_t>> held_ = std::make_shared<std::map<Key, std::size_t>>();
};

}  // namespace signet::service
