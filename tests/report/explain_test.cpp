// SPDX-License-Identifier: Apache-2.0
#include "sim/report/explain.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
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
  const auto of_step = inputs_of(explain(result, stage + "step_time_s"), result, loaded.inputs);
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
  for (const scenario::Input& input :
       inputs_of(explain(result, "totals.cost_usd"), result, loaded.inputs))
    price = price || input.path == "price.rental";
  CHECK(price);
  CHECK(scenario::load(std::string(SOURCE_DIR) + "/scenarios/minimal.yaml").inputs.empty());
}

TEST_CASE("factors of kernels lead from the chip's peak to the rates of the table") {
  const Result result = run(load_minimal());
  const training::StageResult& stage = result.run.stages.front();
  const Explanation chain = explain(result, "stages." + stage.name + ".step_time_s");
  const Explanation* productive =
      find(chain, "stages." + stage.name + ".step_breakdown_s.productive");
  REQUIRE((productive != nullptr && productive->inventory != nullptr));
  int multiplies = 0;
  for (const execution::KernelUse& use : productive->inventory->kernels) {
    Seconds alone{};
    for (const execution::KernelShape& shape : use.shapes) {
      alone += shape.alone;
      CHECK(shape.factors.share > 0);
      if (shape.factors.peak <= FlopsPerSecond{})
        continue;
      ++multiplies;
      CHECK(shape.factors.rate() / (flop / second) ==
            Approx(shape.executed / shape.compute / (flop / second)).epsilon(1e-9));
    }
    CHECK(alone / second == Approx(use.alone / second).epsilon(1e-12));
  }
  CHECK(multiplies > 10);
  std::string text; // with single blanks
  for (const char c : explanation_text(chain, {}, {}))
    if (const char blank = c == '\n' ? ' ' : c; blank != ' ' || text.empty() || text.back() != ' ')
      text += blank;
  CHECK(text.find("989.4 TFLOP/s (bf16) x 0.8000 of the peak reached") != std::string::npos);
}

TEST_CASE("every part of a step and of its memory says what it is made of") {
  scenario::LoadOptions options;
  options.sets = {"parallelism={tensor: 2, pipeline: 4, micro_batch: 1}"};
  const Result result =
      run(scenario::load(std::string(SOURCE_DIR) + "/scenarios/minimal.yaml", options));
  const training::StageResult& stage = result.run.stages.front();
  const std::string prefix = "stages." + stage.name + ".";
  const Explanation chain = explain(result, prefix + "step_time_s");
  for (const Explanation& part : chain.from) {
    CAPTURE(part.path);
    CHECK(part.formula != find_column(result.scenario, part.path)->help);
    CHECK((!part.terms.empty() || part.inventory != nullptr));
  }
  const auto term = [&](const std::string& path, const std::string& what) {
    for (const Term& each : explain(result, prefix + path).terms)
      if (each.what.find(what) == 0)
        return each.value;
    FAIL(path + " has no term " + what);
    return 0.0;
  };
  const double bubble = stage.step.breakdown[execution::Category::Bubble].base();
  const double closed = term("step_breakdown_s.bubble", "closed form");
  const double forward = term("step_breakdown_s.bubble", "mean forward pass"),
               backward = term("step_breakdown_s.bubble", "mean backward pass, both");
  CHECK(closed == Approx(3 * (forward + backward)).epsilon(1e-9));
  const Explanation of_bubble = explain(result, prefix + "step_breakdown_s.bubble");
  REQUIRE(of_bubble.idle != nullptr);
  double idle = 0, step = 0;
  for (const execution::RankUse& rank : of_bubble.idle->ranks) {
    idle += rank.idle.base() / 4;
    step = (rank.passes + rank.after + rank.idle).base();
    CHECK(step == Approx((stage.step.duration - stage.step.jitter).base()).epsilon(1e-9));
  }
  const double waiting = bubble + stage.step.breakdown[execution::Category::ExposedPipeline].base();
  CHECK(idle == Approx(waiting).epsilon(0.05));
  // Unequal stages, of which the slowest sets the pace, wait longer than equal ones.
  CHECK(idle >= 0.99 * closed);
  const double jitter = term("step_breakdown_s.straggler", "the slowest rank");
  CHECK(jitter ==
        Approx(term("step_breakdown_s.straggler", "jitter") * std::sqrt(2 * std::log(64.0)) *
               term("step_breakdown_s.straggler", "step without it"))
            .epsilon(1e-9));
  for (const char* part : {"weights", "gradients", "optimizer"}) {
    const std::string path = std::string("memory_gib_per_gpu.") + part;
    const char* of = std::string(part) == "gradients" ? "gradients" : "parameters";
    CHECK(term(path, of) * term(path, "bytes of each") / 1073741824.0 ==
          Approx(explain(result, prefix + path).value).epsilon(1e-12));
  }
  // An eighth of the weights with tensor 2 and four stages, embedding or head beside them.
  CHECK(term("memory_gib_per_gpu.weights", "parameters") > 8.03e9 / 8);
  CHECK(term("memory_gib_per_gpu.weights", "parameters") < 8.03e9 / 8 * 1.5);
}

TEST_CASE("numbers of kernels that a run has not are left out, and change nothing") {
  const scenario::Loaded loaded = load_minimal();
  const Result result = run(loaded);
  const std::string path = "stages." + result.run.stages.front().name + ".step_time_s";
  const Explanation chain = explain(result, path);
  std::vector<std::string> kept;
  for (const scenario::Input& input : inputs_of(chain, result, loaded.inputs))
    kept.push_back(input.path);
  const std::string chip = "cluster.node.accelerator.";
  const auto has = [&](const std::string& key) {
    return std::find(kept.begin(), kept.end(), chip + key) != kept.end();
  };
  CHECK(has("peak.bf16"));
  CHECK(has("kernels.gemm.bf16.half_k"));
  CHECK(has("kernels.attention.implementations.flash-attention-3.forward_fraction"));
  scenario::LoadOptions options;
  int without = 0;
  for (const scenario::Input& input : loaded.inputs) {
    if (!input.path.starts_with(chip + "kernels.") ||
        std::find(kept.begin(), kept.end(), input.path) != kept.end())
      continue;
    ++without;
    if (input.path.ends_with("fraction") || input.path.ends_with("half_k") ||
        input.path.ends_with("exposed_exponentials"))
      options.sets.push_back(input.path + "=0.5");
  }
  CHECK(without > 20);
  CHECK(options.sets.size() > 10);
  const Result other =
      run(scenario::load(std::string(SOURCE_DIR) + "/scenarios/minimal.yaml", options));
  CHECK(other.run.stages.front().step_time == result.run.stages.front().step_time);
}
