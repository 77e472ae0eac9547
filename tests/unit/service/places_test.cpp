#include "service/places.hpp"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

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

TEST_CASE("each key has places of its own, which come back") {
  std::optional<service::PlacesOf<std::string>> places(std::in_place, 2U);
  std::vector<std::shared_ptr<void>> held{places->take("a"), places->take("a")};
  CHECK(held[0]);
  CHECK(held[1]);
  CHECK_FALSE(places->take("a"));
  CHECK(places->take("b"));
  held.pop_back();
  held.push_back(places->take("a"));
  CHECK(held.back());
  held.clear();
  CHECK(places->take("a"));
  const auto late = places->take("a");
  places.reset();
}
