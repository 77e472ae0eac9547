#pragma once

#include <map>
#include <string>
#include <string_view>

#include "signing/origin.hpp"

namespace signet::agent {

// The language that the pages of each origin said last, for their dialogs. Pages are of allowed origins only; still there is a
// limit, over which an origin is forgotten. One thread.
class PageLanguages {
 public:
  static constexpr std::size_t most_origins = 100;

  void told(const signing::Origin& origin, std::string_view language) {
    if (by_origin_.size() >= most_origins && !by_origin_.contains(origin.text())) by_origin_.erase(by_origin_.begin());
    by_origin_.insert_or_assign(origin.text(), std::string(language));
  }
  // Empty: it said none.
  std::string of(const signing::Origin& origin) const {
    const auto known = by_origin_.find(origin.text());
    return known == by_origin_.end() ? std::string{} : known->second;
  }
  std::size_t size() const { return by_origin_.size(); }

 private:
  std::map<std::string, std::string> by_origin_;
};

}  // namespace signet::agent
