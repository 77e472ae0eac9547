#pragma once

#include <expected>
#include <string>
#include <utility>

#include "base/error.hpp"

namespace signet::base {

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> failure(ErrorCode code, std::string detail = {}, std::uint64_t origin = 0) {
  return std::unexpected(Error{code, std::move(detail), origin, {}});
}

// Hands an error on to a caller with another value type.
template <class T>
std::unexpected<Error> failure_of(Result<T>& result) {
  return std::unexpected(std::move(result.error()));
}

}  // namespace signet::base
