// SPDX-License-Identifier: Apache-2.0
#include "sim/study/resources.hpp"

#include "sim/report/uncertainty_writer.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <cmath>
#include <string>
#include <vector>

using namespace sim;

namespace {

scenario::Loaded loaded_with(const std::vector<std::string>& sets) {
  scenario::LoadOptions options;
  options.sets = sets;
  return scenario::load(std::string(SOURCE_DIR) + "/scenarios/minimal.yaml", options);
}

report::ResourceEffects effects_of(const std::vector<std::string>& sets) {
  const auto effects = study::resource_effects(loaded_with(sets), {});
  REQUIRE(effects);
  return *effects;
}

const report::ResourceEffect& named(const report::ResourceEffects& effects,
                                    const std::string& name) {
  for (const report::ResourceEffect& effect : effects.effects)
    if (effect.resource == name)
      return effect;
  FAIL("no resource " << name);
  return effects.effects.front();
}

// Everything but arithmetic takes next to no time.
const std::vector<std::string> all_compute = {
    "cluster.node.accelerator.memory_bandwidth=3.35e6 GB/s",
    "cluster.node.accelerator.scale_up_bandwidth=4.5e7 GB/s",
    "cluster.node.accelerator.kernels.launch_gap=0 s",
    "cluster.fabric.scale_up_latency=0 s",
    "cluster.fabric.leaf_latency=0 s",
    "cluster.fabric.tier_latency=0 s",
    "stack.synchronisation=0 s",
    "cluster.node.nic.bandwidth=5e7 GB/s",
    "cluster.fabric.link_bandwidth=5e7 GB/s"};

} // namespace

TEST_CASE("ten percent more of a price is ten percent of a rent, and no time", "[threads]") {
  const report::ResourceEffects effects = effects_of({});
  const report::ResourceEffect& price = named(effects, "price");
  REQUIRE(price.cost_percent);
  CHECK(*price.cost_percent == Approx(10).epsilon(1e-12));
  CHECK(*price.hours_percent == 0);
  // Time is money: at a rent, all else moves both alike, but for the number of GPUs.
  for (const char* name : {"compute", "HBM bandwidth", "NVLink (scale-up)", "NICs"}) {
    const report::ResourceEffect& effect = named(effects, name);
    REQUIRE(effect.hours_percent);
    CHECK(*effect.cost_percent == Approx(*effect.hours_percent).margin(1e-9));
    CHECK(*effect.hours_percent <= 0.01);
    CHECK(*effect.hours_percent >= 100 * (1 / 1.1 - 1) - 0.01);
  }
  CHECK(*named(effects, "failure rate").hours_percent == 0);
  CHECK(effects.binding_limit == "compute");
}

TEST_CASE("a run of nothing but arithmetic has the elasticity of 1 / compute", "[threads]") {
  const report::ResourceEffects effects = effects_of(all_compute);
  CHECK(*named(effects, "compute").hours_percent == Approx(100 * (1 / 1.1 - 1)).margin(0.25));
  CHECK(std::abs(*named(effects, "HBM bandwidth").hours_percent) < 0.1);
  CHECK(std::abs(*named(effects, "NICs").hours_percent) < 0.1);
  // Twice the GPUs have half the work: hours by 1 / 1.1, dollars by nothing.
  CHECK(*named(effects, "number of GPUs").hours_percent == Approx(100 * (1 / 1.1 - 1)).margin(0.5));
  CHECK(std::abs(*named(effects, "number of GPUs").cost_percent) < 0.6);
  CHECK(effects.binding_limit == "compute");
}

TEST_CASE("the binding limit is what there is least of", "[threads]") {
  CHECK(effects_of({"cluster.node.nic.bandwidth=1 GB/s", "cluster.fabric.link_bandwidth=1 GB/s"})
            .binding_limit == "NICs");
  CHECK(effects_of({"cluster.node.accelerator.scale_up_bandwidth=5 GB/s"}).binding_limit ==
        "NVLink (scale-up)");
  CHECK(effects_of({"cluster.node.accelerator.memory_bandwidth=100 GB/s"}).binding_limit ==
        "HBM bandwidth");
}

TEST_CASE("a scenario of probes alone has no hours that could change", "[threads]") {
  const scenario::Loaded loaded =
      scenario::load_text("name: probes\n"
                          "cluster: {node: hgx-h100, nodes: 1, fabric: rail-optimized-400g}\n"
                          "model: llama-3.1-8b\n"
                          "stack: megatron-core\n"
                          "stages: []\n"
                          "price: {rental: 2.50 USD/GPU-hour}\n"
                          "probes: [{name: k, matrix_multiply: {m: 1024, n: 1024, k: 1024}}]\n",
                          "probes.yaml");
  const auto effects = study::resource_effects(loaded, {});
  REQUIRE(effects);
  for (const report::ResourceEffect& effect : effects->effects)
    CHECK_FALSE(effect.hours_percent);
}

TEST_CASE("failures cost hours in proportion to their rate", "[threads]") {
  const report::ResourceEffects effects =
      effects_of({"reliability.extends=none", "reliability.failures=2e-4 failures/GPU-hour",
                  "reliability.restart=1 h", "checkpoint.storage_bandwidth=100 GB/s"});
  const report::ResourceEffect& failures = named(effects, "failure rate");
  REQUIRE(failures.hours_percent);
  // 64 GPUs: a failure each 78 h costs 1 h and some lost work. Ten percent more of 1.3 to 1.6 %.
  CHECK(*failures.hours_percent > 0.08);
  CHECK(*failures.hours_percent < 0.25);
}

TEST_CASE("elasticities as text and as JSON") {
  const report::ResourceEffects effects{
      {{"compute", -8.5, -8.5}, {"price", 0.0, 10.0}, {"x", {}, {}}}, "compute"};
  const std::string text = report::resources_text(effects);
  CHECK(text.find("-8.50%") != std::string::npos);
  CHECK(text.find("+10.00%") != std::string::npos);
  CHECK(text.find("binding limit: compute") != std::string::npos);
  const nlohmann::ordered_json json = report::to_json(effects);
  CHECK(json["binding_limit"] == "compute");
  CHECK(json["resources"][0]["hours_percent"] == -8.5);
  CHECK_FALSE(json["resources"][2].contains("hours_percent"));
}
