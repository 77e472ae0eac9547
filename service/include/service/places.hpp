#pragma once

#include <cstddef>
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

}  // namespace signet::service
