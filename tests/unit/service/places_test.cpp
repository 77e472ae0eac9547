#include "service/places.hpp"

#include <catch2/catch.hpp>
#include <optional>

using namespace signet;

TEST_CASE("so many places are given, and each comes back however its holder ends") {
  std::optional<service::Places> places(std::in_place, 2U);
  auto first = places->take();
  CHECK(first);
  const auto fails = [&] {
    const auto second = places->take();
    CHECK(second);
    CHECK_FALSE(places->take());
    throw std::runtime_error("failed");
  };
  CHECK_THROWS(fails());
  auto second = places->take();
  CHECK(second);
  first.reset();
  CHECK(places->take());
  places.reset();
  second.reset();  // later than what gave it
}
