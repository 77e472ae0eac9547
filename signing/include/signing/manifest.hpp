#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "base/digest.hpp"

namespace signet::signing {

struct ManifestLimits {
  std::size_t max_items = 100'000;
  std::size_t max_id_bytes = 64;
  std::size_t max_name_bytes = 256;
};

// What the person consents to: the items of a batch in their order, kept compactly (about 60 bytes and the texts an item).
// Not thread-safe. Views stay good while nothing is added.
class Manifest {
 public:
  struct Item {
    std::string_view id;
    std::string_view name;
    base::Digest digest;
  };

  explicit Manifest(ManifestLimits limits = {}) : limits_(limits) {}
  Manifest(const Manifest&) = delete;  // large
  Manifest& operator=(const Manifest&) = delete;

  // id_duplicate, batch_too_large, parameter_invalid (a text that is empty, too long, not UTF-8, or an id with control characters).
  base::Result<void> add(const Item& item);
  // All of them or, where one is wrong, none.
  base::Result<void> add_all(const std::vector<Item>& items);
  std::size_t size() const { return rows_.size(); }
  Item operator[](std::size_t index) const;

  // No more items: what only adding needs is let go, and the hash over all items (order, id, name, digest) is fixed.
  const base::Digest& seal();

 private:
  struct Row {
    std::uint32_t offset;
    std::uint16_t id_size;
    std::uint16_t name_size;
    base::DigestAlgorithm algorithm;
  };

  ManifestLimits limits_;
  std::string texts_;  // id, name and digest of each row, one after another
  std::vector<Row> rows_;
  std::unordered_set<std::string> ids_;  // only until sealed
  base::Digest hash_;
};

}  // namespace signet::signing
