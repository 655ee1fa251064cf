// SPDX-License-Identifier: Apache-2.0
#include "sim/report/explain.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <string>

using namespace sim;
using namespace sim::report;

namespace {

scenario::Loaded load_minimal() {
  scenario::LoadOptions options;
  options.inputs = true;
  return scenario::load(std::string(SOURCE_DIR) + "/scenarios/minimal.yaml", options);
}

Result run(const scenario::Loaded& loaded) {
  SimulateOptions options;
  options.inventory = true;
  return simulate(loaded, options);
}

const Explanation* find(const Explanation& chain, const std::string& path) {
  if (chain.path == path)
    return &chain;
  for (const Explanation& from : chain.from)
    if (const Explanation* found = find(from, path))
      return found;
  return nullptr;
}

double sum(const Explanation& chain) {
  double sum = 0;
  for (const Explanation& from : chain.from)
    sum += from.value;
  return sum;
}

} // namespace

TEST_CASE("every quantity with a value can be explained") {
  const Result result = run(load_minimal());
  int explained = 0;
  for (const std::string& path : quantity_paths(result.scenario)) {
    const auto quantity = find_quantity(result, path);
    if (!quantity) {
      CHECK_THROWS_AS(explain(result, path), InfeasibleError);
      continue;
    }
    const Explanation chain = explain(result, path);
    CHECK(chain.path == path);
    CHECK(chain.value == quantity->value);
    CHECK(!chain.formula.empty());
    ++explained;
  }
  CHECK(explained > 100);
}

TEST_CASE("the chain from the bill leads to kernels, and its sums add up") {
  const Result result = run(load_minimal());
  const Explanation chain = explain(result, "totals.cost_usd");
  const std::string stage = "stages." + result.run.stages.front().name + ".";
  const Explanation* step = find(chain, stage + "step_time_s");
  REQUIRE(step != nullptr);
  CHECK(sum(*step) == Approx(step->value).epsilon(1e-12));
  const Explanation* memory = nullptr;
  const Explanation of_memory = explain(result, stage + "memory_gib_per_gpu.total");
  memory = &of_memory;
  CHECK(sum(*memory) == Approx(memory->value).epsilon(1e-12));

  const Explanation* productive = find(*step, stage + "step_breakdown_s.productive");
  REQUIRE(productive != nullptr);
  REQUIRE(productive->inventory != nullptr);
  // One rank is like the other here: its kernels alone are what is productive or computed again;
  // the optimizer is no kernel of a pass.
  double kernels = 0, flops = 0;
  for (const execution::KernelUse& use : productive->inventory->kernels) {
    kernels += use.alone.base();
    flops += use.executed.base();
    CHECK(use.alone >= use.compute);
    CHECK(use.alone >= use.memory);
  }
  const execution::StepResult& played = result.run.stages.front().step;
  CHECK(flops == Approx(played.hardware.base() / double(result.run.stages.front().gpus)));
  const double computed = (played.breakdown[execution::Category::Productive] +
                           played.breakdown[execution::Category::Recomputation])
                              .base();
  CHECK(kernels <= computed * (1 + 1e-9));
  CHECK(kernels >= computed - played.update.base() - 1e-9);
}

TEST_CASE("wall-clock time is steps and all that failures cost; spares are GPUs too") {
  scenario::LoadOptions options;
  options.sets = {"reliability=spot", "reliability.recovery.spares=4",
                  "checkpoint.interval=1800 s"};
  const Result result =
      run(scenario::load(std::string(SOURCE_DIR) + "/scenarios/minimal.yaml", options));
  const training::StageResult& stage = result.run.stages.front();
  REQUIRE(stage.failures.failures > 0);
  const std::string prefix = "stages." + stage.name + ".";
  const Explanation chain = explain(result, prefix + "gpu_hours");
  const Explanation* wall = find(chain, prefix + "wall_clock_hours");
  REQUIRE(wall != nullptr);
  const Explanation *steps = find(*wall, prefix + "steps"),
                    *time = find(*wall, prefix + "step_time_s");
  REQUIRE((steps != nullptr && time != nullptr));
  const double computed = steps->value * time->value / 3600;
  CHECK(computed + sum(*wall) - steps->value - time->value == Approx(wall->value).epsilon(1e-6));
  const Explanation *gpus = find(chain, prefix + "gpus"),
                    *spare = find(chain, prefix + "spare_gpus");
  REQUIRE((gpus != nullptr && spare != nullptr));
  CHECK(wall->value * (gpus->value + spare->value) == Approx(chain.value).epsilon(1e-9));
}

TEST_CASE("inputs have their place, and those of a chip their source") {
  const scenario::Loaded loaded = load_minimal();
  const Result result = run(loaded);
  const std::string stage = "stages." + result.run.stages.front().name + ".";
  const auto of_step = inputs_of(explain(result, stage + "step_time_s"), loaded.inputs);
  bool bandwidth = false;
  for (const scenario::Input& input : of_step) {
    CHECK(input.location.line > 0);
    CHECK(input.path.rfind("price", 0) != 0);
    if (input.path == "cluster.node.accelerator.memory_bandwidth") {
      bandwidth = true;
      CHECK(input.provenance == "datasheet");
      CHECK(!input.source.empty());
      CHECK(input.origin.rfind("accelerators/h100-sxm: ", 0) == 0);
    }
  }
  CHECK(bandwidth);
  bool price = false;
  for (const scenario::Input& input : inputs_of(explain(result, "totals.cost_usd"), loaded.inputs))
    price = price || input.path == "price.rental";
  CHECK(price);
  CHECK(scenario::load(std::string(SOURCE_DIR) + "/scenarios/minimal.yaml").inputs.empty());
}
