// SPDX-License-Identifier: Apache-2.0
#include "sim/study/elasticity.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace sim;

namespace {

study::ElasticityRequest request_for(const std::string& quantity, const std::string& only) {
  study::ElasticityRequest request;
  request.file = std::string(SOURCE_DIR) + "/scenarios/minimal.yaml";
  request.quantity = quantity;
  scenario::LoadOptions options;
  options.inputs = true;
  for (const scenario::Input& input : scenario::load(request.file, options).inputs)
    if (input.path.rfind(only, 0) == 0)
      request.inputs.push_back(input);
  return request;
}

} // namespace

TEST_CASE("a bill grows with its price, a step with nothing but its causes", "[threads]") {
  const auto price = study::elasticities(request_for("totals.cost_usd", "price.rental"));
  REQUIRE(price);
  REQUIRE(price->size() == 1);
  CHECK(price->at("price.rental") == Approx(1).margin(1e-9));

  const std::string step = "stages.pre-training.step_time_s";
  const std::string chip = "cluster.node.accelerator.";
  const auto causes = study::elasticities(request_for(step, chip));
  REQUIRE(causes);
  // Faster arithmetic and memory shorten a step, by no more than their share of it.
  double sum = 0;
  for (const std::string& key : {chip + "peak.bf16", chip + "memory_bandwidth"}) {
    REQUIRE(causes->contains(key));
    CHECK(causes->at(key) < 0);
    CHECK(causes->at(key) > -1);
    sum += causes->at(key);
  }
  CHECK(sum > -1);
  CHECK(causes->at(chip + "power") == 0);
  CHECK_FALSE(causes->contains(chip + "streaming_multiprocessors")); // a whole number
}
