#include <catch2/catch.hpp>

#include "portal/metrics.hpp"

using signet::portal::Metrics;

TEST_CASE("counters add up by name and labels, and gauges are of the moment") {
  Metrics metrics;
  metrics.count("calls", {{"outcome", "good"}});
  metrics.count("calls", {{"outcome", "good"}}, 4);
  metrics.count("calls", {{"operation", "post"}, {"outcome", "bad"}});
  metrics.count("pages", {});
  CHECK(metrics.text({{"connections", 3}, {"half", 0.5}}) ==
        "# TYPE signet_portal_calls_total counter\n"
        "signet_portal_calls_total{operation=\"post\",outcome=\"bad\"} 1\n"
        "signet_portal_calls_total{outcome=\"good\"} 5\n"
        "# TYPE signet_portal_pages_total counter\n"
        "signet_portal_pages_total 1\n"
        "# TYPE signet_portal_connections gauge\n"
        "signet_portal_connections 3\n"
        "# TYPE signet_portal_half gauge\n"
        "signet_portal_half 0.5\n");
}

TEST_CASE("a label's value cannot end its line or its quotes") {
  Metrics metrics;
  metrics.count("calls", {{"outcome", "a\"} 1\nevil{b=\"\\"}});
  CHECK(metrics.text({}) ==
        "# TYPE signet_portal_calls_total counter\nsignet_portal_calls_total{outcome=\"a\\\"} 1 evil{b=\\\"\\\\\"} 1\n");
}
