// SPDX-License-Identifier: Apache-2.0
// What must hold between two runs, whatever the figures are.
#include "sim/hardware/power.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/scenario/load.hpp"
#include "sim/simulate.hpp"

#include <catch2/catch.hpp>

using namespace sim;

namespace {

const std::string base = R"(
name: small
cluster:
  node:
    extends: hgx-h100
  nodes: 4
  fabric: rail-optimized-400g
model: llama-3.1-8b
stack: megatron-core
parallelism: {tensor: 2, pipeline: 2}
stages: [{name: train, kind: pretraining, steps: 100, sequence_length: 4096, batch: 128}]
price: {rental: 2 USD/GPU-hour}
)";

Result run(const std::vector<std::string>& sets = {}) {
  scenario::LoadOptions options;
  options.sets = sets;
  return simulate(scenario::load_text(base, "small.yaml", options));
}

} // namespace

TEST_CASE("the same run twice gives the same bytes") {
  CHECK(report::write_json(run()) == report::write_json(run()));
}

TEST_CASE("price times three: cost times three, hours the same") {
  const Result one = run(), three = run({"price.rental=6 USD/GPU-hour"});
  CHECK(three.bill.total / one.bill.total == Approx(3).epsilon(1e-12));
  CHECK(three.run.wall == one.run.wall);
}

TEST_CASE("steps times three: wall clock times three") {
  CHECK(run({"stages.train.steps=300"}).run.wall == 3 * run().run.wall);
}

TEST_CASE("all latencies and synchronisation zero, all rates times two: half the time") {
  std::vector<std::string> still{"cluster.fabric.scale_up_latency=0 s",
                                 "cluster.fabric.leaf_latency=0 s",
                                 "cluster.fabric.tier_latency=0 s",
                                 "stack.synchronisation=0 s",
                                 "cluster.node.accelerator.kernels.launch_gap=0 s",
                                 "cluster.node.accelerator.collectives.nvls_latency=0 s"};
  // No latency in the table of the library of collectives, and rates by which it takes Simple and
  // NVLS, which move what the links do.
  const std::string table = "cluster.node.accelerator.collectives.tuning.";
  const std::string none = "{ll: 0 s, ll128: 0 s, simple: 0 s}";
  for (const char* latencies : {"base", "scale_up", "network"})
    still.push_back(table + latencies + "={ring: " + none + ", tree: " + none +
                    ", collnet: 0 s, nvls: 0 s, nvls_tree: 0 s}");
  still.push_back(table + "network_overhead=0 s");
  for (const char* rates : {"ll", "channel_ring_ll128", "channel_tree", "channel_tree_ll128"})
    still.push_back(table + rates + "={one: 1 MB/s, two: 1 MB/s, more: 1 MB/s}");
  std::vector<std::string> twice = still;
  for (const char* set :
       {"cluster.node.accelerator.peak={bf16: 1978.8 TFLOP/s}",
        "cluster.node.accelerator.special_function_peak=7.8 TFLOP/s",
        "cluster.node.accelerator.memory_bandwidth=6700 GB/s",
        "cluster.node.accelerator.scale_up_bandwidth=900 GB/s",
        "cluster.node.pcie.bandwidth=128 GB/s",
        "cluster.node.accelerator.collectives.nvls_search_rate=120 GB/s",
        "cluster.node.nic.bandwidth=100 GB/s", "cluster.fabric.link_bandwidth=100 GB/s"})
    twice.push_back(set);
  std::vector<std::string> once = still;
  once.push_back("cluster.node.accelerator.peak={bf16: 989.4 TFLOP/s}");
  CHECK(run(once).run.stages[0].step_time / run(twice).run.stages[0].step_time ==
        Approx(2).epsilon(1e-9));
}

TEST_CASE("twice the replicas at the same batch for each leave the passes alone") {
  // Nothing runs beside them: gradients and parameters of more replicas would travel longer.
  const std::vector<std::string> apart{"stack.overlap.data_gradients=false",
                                       "stack.overlap.data_parameters=false"};
  std::vector<std::string> larger = apart;
  larger.insert(larger.end(), {"cluster.nodes=8", "stages.train.batch=256"});
  const Result one = run(apart), two = run(larger);
  const auto& a = one.run.stages[0].step;
  const auto& b = two.run.stages[0].step;
  using execution::Category;
  CHECK(a.forward == b.forward);
  for (const Category c : {Category::Productive, Category::ExposedTensor}) {
    // The optimizer's share shrinks with the replicas; all else in the category stays.
    CHECK(a.breakdown[c] / b.breakdown[c] == Approx(1).epsilon(0.01));
  }
}

TEST_CASE("a limit on power: at the rated one nothing moves, below it steps slow and draw less") {
  const std::string key = "cluster.node.accelerator.power_limit=";
  const Result free = run(), rated = run({key + "700 W"});
  CHECK(rated.run.fingerprint == free.run.fingerprint);
  CHECK(rated.bill.equipment_energy.base() == free.bill.equipment_energy.base());
  double time = to_seconds(free.run.wall) / second;
  for (const char* limit : {"600 W", "500 W", "400 W", "300 W", "200 W"}) {
    INFO(limit);
    const Result capped = run({key + limit});
    const double slower = to_seconds(capped.run.wall) / second;
    CHECK(slower > time);
    time = slower;
    // No more than multiplies slow, and the nodes draw less.
    const double clock =
        hardware::clock_fraction(capped.scenario.cluster.main.node->accelerator.spec);
    CHECK(slower < to_seconds(free.run.wall) / second / clock);
    CHECK(capped.bill.equipment_energy / to_seconds(capped.run.wall) <
          free.bill.equipment_energy / to_seconds(free.run.wall));
  }
  const auto energy = [&](const char* limit) { return run({key + limit}).bill.equipment_energy; };
  CHECK(energy("500 W") < free.bill.equipment_energy);
  CHECK(energy("100 W") > energy("300 W"));
}

TEST_CASE("an idle machine's power costs no GPU-hours: energy price changes energy only") {
  const Result cheap = run({"price.energy={price: 0.05 USD/kWh, carbon: 300 g/kWh}"});
  const Result dear = run({"price.energy={price: 0.10 USD/kWh, carbon: 300 g/kWh}"});
  CHECK(dear.bill.energy_cost / cheap.bill.energy_cost == Approx(2).epsilon(1e-12));
  CHECK(dear.bill.facility_energy == cheap.bill.facility_energy);
  CHECK(dear.bill.total == cheap.bill.total);
}

TEST_CASE("a bill at two replications of failures differs in hours only by what failures cost") {
  const std::vector<std::string> failing{
      "reliability={title: t, failures: 0.01 failures/GPU-hour, detection: 60 s, restart: 600 s}"};
  const Result quiet = run(), failed = run(failing);
  const auto& f = failed.run.stages[0];
  CHECK(f.useful == quiet.run.stages[0].wall);
  CHECK(f.wall == f.useful + f.failures.sum());
}

TEST_CASE(
    "a layout is found for sizes that are no power of two, and where some degree does not divide") {
  const std::vector<std::string> automatic{"parallelism=auto", "cluster.nodes=3",
                                           "stages.train.batch=96"};
  CHECK(run(automatic).run.stages[0].step.layout.data > 0);
  CHECK(run({"parallelism=auto", "model.inner=14340"}).run.stages[0].step.layout.data >
        0); // not divisible by 8
}
