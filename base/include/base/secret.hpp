#pragma once

#include "base/bytes.hpp"

namespace signet::base {

// A PIN or PUK: in pages of its own that are locked (never swapped), kept out of core dumps, empty in a forked child, and
// zeroed when it ends. Move-only; never printed, compared or turned into a std::string. One thread at a time.
class Secret {
 public:
  static constexpr std::size_t capacity = 256;

  // An empty one to be filled in place. memory_not_lockable if the pages cannot be locked: then nothing may be kept.
  static Result<Secret> make();
  // parameter_invalid if longer than the capacity.
  static Result<Secret> copy_of(BytesView value);

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;  // one copy, so that wiping it wipes all
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  BytesView bytes() const { return {data_, size_}; }
  bool empty() const { return size_ == 0; }
  // For reading into: the whole capacity; then say how much was filled.
  std::span<std::uint8_t> buffer() { return {data_, data_ == nullptr ? 0 : capacity}; }
  void resize(std::size_t size);
  void wipe();

 private:
  explicit Secret(std::uint8_t* data) : data_(data) {}
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Zeroes memory in a way that the compiler keeps.
void wipe(std::span<std::uint8_t> memory);

}  // namespace signet::base
