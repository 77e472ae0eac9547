#include "signing/pin_cache.hpp"

#include <catch2/catch.hpp>

using namespace signet;
using namespace signet::signing;
using namespace std::chrono_literals;

namespace {

const base::Time start = base::from_rfc3339("2026-11-22T10:00:00Z").value();
const Origin page = Origin::parse("https://sign.example").value();
const PinOwner owner{"serial-1", {0x01}, page, 1000};

base::Secret pin() { return base::Secret::copy_of(base::as_bytes("1234")).value(); }

}  // namespace

TEST_CASE("a PIN is found for its token, key, origin and user alone") {
  PinCache cache({});
  cache.keep(owner, pin(), start);
  CHECK(base::as_text(cache.find(owner)->bytes()) == "1234");
  CHECK(cache.find({"serial-2", {0x01}, page, 1000}) == nullptr);
  CHECK(cache.find({"serial-1", {0x02}, page, 1000}) == nullptr);
  CHECK(cache.find({"serial-1", {0x01}, Origin::command_line(), 1000}) == nullptr);
  CHECK(cache.find({"serial-1", {0x01}, page, 1001}) == nullptr);
}

TEST_CASE("a PIN ends when it was not used for long, when it is old, and after so many signatures") {
  PinCache cache({.scope = PinScope::session, .idle = 60s, .max_age = 300s, .max_signatures = 10});
  cache.keep(owner, pin(), start);
  CHECK(cache.wipe_expired(start + 59s).empty());
  cache.used(owner, 1, start + 59s);
  CHECK(cache.wipe_expired(start + 118s).empty());
  SECTION("idle") { CHECK(cache.wipe_expired(start + 119s) == std::vector{owner}); }
  SECTION("age, although used") {
    for (auto at = 100s; at < 300s; at += 50s) cache.used(owner, 1, start + at);
    CHECK(cache.wipe_expired(start + 299s).empty());
    CHECK(cache.wipe_expired(start + 300s) == std::vector{owner});
  }
  SECTION("signatures") {
    cache.used(owner, 9, start + 60s);
    CHECK(cache.wipe_expired(start + 60s) == std::vector{owner});
  }
  SECTION("but not while it is in use") { CHECK(cache.wipe_expired(start + 1000s, {owner}).empty()); }
}

TEST_CASE("wiping says whose PINs are gone") {
  PinCache cache({});
  const PinOwner second{"serial-2", {0x01}, page, 1000};
  cache.keep(owner, pin(), start);
  cache.keep(second, pin(), start);
  CHECK(cache.wipe_token("serial-1") == std::vector{owner});
  CHECK(cache.find(owner) == nullptr);
  CHECK(cache.wipe_all() == std::vector{second});
  CHECK(cache.size() == 0);
  CHECK_FALSE(cache.next_expiry());
}

TEST_CASE("a PIN says until when it is kept") {
  PinCache cache({.scope = PinScope::session, .idle = 60s, .max_age = 100s});
  CHECK_FALSE(cache.until(owner));
  cache.keep(owner, pin(), start);
  CHECK(cache.until(owner) == start + 60s);
  cache.used(owner, 1, start + 50s);
  CHECK(cache.until(owner) == start + 100s);
}
