#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <string_view>

namespace signet::test {

// Says that a test leaves something out, as this machine or user lacks what it takes; with CI=true that is a failure.
inline void lacking(const std::string& what) {
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string_view(ci) == "true") FAIL("with CI=true nothing is left out: " << what);
  WARN("left out: " << what);
}

}  // namespace signet::test
