#include "signing/manifest.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace signet::signing {

using base::ErrorCode;
using base::failure;

base::Result<void> Manifest::add(const Item& item) {
  if (rows_.size() >= limits_.max_items)
    return failure(ErrorCode::batch_too_large, "at most " + std::to_string(limits_.max_items) + " items");
  if (item.id.empty() || item.id.size() > limits_.max_id_bytes || !base::is_utf8(item.id) ||
      std::ranges::any_of(item.id, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
    return failure(ErrorCode::parameter_invalid, "id");
  if (item.name.empty() || item.name.size() > limits_.max_name_bytes || !base::is_utf8(item.name))
    return failure(ErrorCode::parameter_invalid, "name");
  if (!ids_.emplace(item.id).second) return failure(ErrorCode::id_duplicate, "an id stands twice in the batch");
  rows_.push_back({static_cast<std::uint32_t>(texts_.size()), static_cast<std::uint16_t>(item.id.size()),
                   static_cast<std::uint16_t>(item.name.size()), item.digest.algorithm()});
  texts_ += item.id;
  texts_ += item.name;
  texts_ += base::as_text(item.digest.bytes());
  return {};
}

base::Result<void> Manifest::add_all(const std::vector<Item>& items) {
  const std::size_t rows = rows_.size();
  const std::size_t texts = texts_.size();
  for (const Item& item : items) {
    auto added = add(item);
    if (added) continue;
    for (std::size_t i = rows; i < rows_.size(); ++i) ids_.erase(std::string((*this)[i].id));
    rows_.resize(rows);
    texts_.resize(texts);
    return added;
  }
  return {};
}

Manifest::Item Manifest::operator[](std::size_t index) const {
  const Row& row = rows_.at(index);
  const std::string_view all = texts_;
  const std::string_view digest = all.substr(row.offset + row.id_size + row.name_size, base::size(row.algorithm));
  return {all.substr(row.offset, row.id_size), all.substr(row.offset + row.id_size, row.name_size),
          base::Digest::of_value(row.algorithm, base::as_bytes(digest)).value()};
}

const base::Digest& Manifest::seal() {
  ids_ = {};
  texts_.shrink_to_fit();
  rows_.shrink_to_fit();
  // Lengths go in front, so that no two lists give the same bytes.
  std::string lengths;
  for (const Row& row : rows_) {
    lengths += std::to_string(row.id_size) + ' ' + std::to_string(row.name_size) + ' ' + std::string(name(row.algorithm)) + '\n';
  }
  const base::Digest of_lengths = base::digest(base::DigestAlgorithm::sha256, base::as_bytes(lengths));
  const base::Digest of_texts = base::digest(base::DigestAlgorithm::sha256, base::as_bytes(texts_));
  hash_ = base::digest(base::DigestAlgorithm::sha256, base::as_bytes(std::string(base::as_text(of_lengths.bytes())) +
                                                                     std::string(base::as_text(of_texts.bytes()))));
  return hash_;
}

}  // namespace signet::signing
