#pragma once

#include <string_view>

#include "net/http_server.hpp"

namespace signet::portal {

// The header's value where it is there once; else empty.
inline std::string_view only(const net::HttpRequest& request, std::string_view header) {
  const auto values = request.all(header);
  return values.size() == 1 ? values.front() : std::string_view{};
}

}  // namespace signet::portal
