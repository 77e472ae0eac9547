#include "base/secret.hpp"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace signet::base {
namespace {

constexpr std::size_t page = 4096;
static_assert(Secret::capacity <= page);

}  // namespace

void wipe(std::span<std::uint8_t> memory) { OPENSSL_cleanse(memory.data(), memory.size()); }

Result<Secret> Secret::make() {
  void* const memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return failure(ErrorCode::memory_not_lockable, "mmap", static_cast<std::uint64_t>(errno));
  Secret secret(static_cast<std::uint8_t*>(memory));
  if (mlock(memory, page) != 0) return failure(ErrorCode::memory_not_lockable, "mlock", static_cast<std::uint64_t>(errno));
  if (madvise(memory, page, MADV_DONTDUMP) != 0 || madvise(memory, page, MADV_WIPEONFORK) != 0)
    return failure(ErrorCode::memory_not_lockable, "madvise", static_cast<std::uint64_t>(errno));
  return secret;
}

Result<Secret> Secret::copy_of(BytesView value) {
  if (value.size() > capacity) return failure(ErrorCode::parameter_invalid, "longer than a secret may be");
  auto secret = make();
  if (!secret) return secret;
  std::ranges::copy(value, secret->data_);
  secret->size_ = value.size();
  return secret;
}

Secret::Secret(Secret&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  other.wipe();
  return *this;
}

Secret::~Secret() {
  if (data_ == nullptr) return;
  wipe();
  munmap(data_, page);
}

void Secret::resize(std::size_t size) { size_ = std::min(size, data_ == nullptr ? 0 : capacity); }

void Secret::wipe() {
  if (data_ != nullptr) base::wipe({data_, capacity});
  size_ = 0;
}

}  // namespace signet::base
