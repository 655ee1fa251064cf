// SPDX-License-Identifier: Apache-2.0
// What is too large is refused at once, with the limit and the place in the scenario.
#include "sim/base/diagnostics.hpp"
#include "sim/simulate.hpp"
#include "sim/study/replications.hpp"
#include "sim/study/sweep.hpp"
#include "tests/study/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace sim;

namespace {

const std::string small = R"(
name: small
cluster: {node: hgx-h100, nodes: 2, fabric: rail-optimized-400g}
model: llama-3.1-8b
stack: megatron-core
parallelism: {tensor: 8}
stages: [{name: train, kind: pretraining, steps: 10, sequence_length: 4096, batch: 16}]
price: {rental: 2 USD/GPU-hour}
)";

// "path: message; remedy" of the refusal, and the line of its place.
struct Refusal {
  std::string text;
  int line = 0;
};
Refusal refusal_of(const std::string& text, const std::vector<std::string>& sets) {
  scenario::LoadOptions options;
  options.sets = sets;
  const scenario::Loaded loaded = scenario::load_text(text, "small.yaml", options);
  try {
    simulate(loaded);
  } catch (const InfeasibleError& error) {
    return {error.what(), loaded.locate(error.path()).line};
  }
  return {"nothing", 0};
}

std::string points(int count) {
  std::string list;
  for (int i = 0; i < count; ++i)
    list += (i > 0 ? ", " : "") + std::string("{step: ") + std::to_string(i) + ", tokens: 100}";
  return "[" + list + "]";
}

std::string reinforcement(const std::string& outputs, const std::string& mean) {
  return "stages=[{name: train, kind: rl, steps: 10, sequence_length: 4096, batch: 16, "
         "reinforcement: {outputs_per_rollout: " +
         outputs +
         ", updates_per_rollout: 1000000000, reference_model: false, response: {mean: " + mean +
         ", sigma: 0, cap: [{until_step: 1, tokens: 4096}]}, decoding: {kv_bytes_per_element: "
         "100000 B}}}]";
}

struct Case {
  std::vector<std::string> sets;
  std::string begins; // the refusal
};

} // namespace

TEST_CASE("a small scenario is below all limits") {
  CHECK(refusal_of(small, {}).text == "nothing");
}

TEST_CASE("limits of a scenario are named, with the key to change") {
  std::string many_stages = "stages=[";
  for (int i = 0; i < 257; ++i)
    many_stages += "{name: s" + std::to_string(i) +
                   ", kind: pretraining, steps: 1, sequence_length: 4096, batch: 16}, ";
  many_stages += "]";
  const std::vector<Case> cases{
      {{"cluster.nodes=131073"}, "cluster.nodes: limit: 1048576 GPUs, 1048584 are asked for; "},
      {{"cluster.nodes=1000000000", "cluster.node.accelerators=1000000000"},
       "cluster.nodes: limit: 1048576 GPUs, "},
      {{"model.layers=1025"}, "model.layers: limit: 1024 layers, 1025 are asked for; "},
      {{many_stages}, "stages: limit: 256 stages, 257 are asked for; "},
      {{"stages.train.batch=1000000000000"},
       "stages.train: stage train: limit: 1048576 passes in a step, 1e+12 are asked for; "},
      {{"stages.train.batch=1000000000000", "parallelism=auto"},
       "stages.train: stage train: limit: 1048576 passes in a step, "},
      {{"stages.train.batch={start: 16, end: 1000000, ramp_tokens: 1e15, ramp_steps: 100}",
        "stages.train.steps=1000000000000"},
       "stages.train.batch: limit: 8388608 passes in the steps to simulate, "},
      {{"stages.train.batch={start: 16, end: 32, ramp_tokens: 1e9, ramp_steps: 4097}"},
       "stages.train.batch.ramp_steps: limit: 4096 levels of a ramp, 4097 are asked for; "},
      {{reinforcement("16", points(1025))},
       "stages.train.reinforcement.response.mean: limit: 1024 points in a schedule, 1025 are asked "
       "for; "},
      {{reinforcement("1000000000", "[{step: 0, tokens: 1}]")},
       "stages.train: stage train: limit: 1000000 events of responses, one after another in the "
       "KV cache; "},
      {{"checkpoint={interval: 1 ns, mode: synchronous, storage_bandwidth: 1e20 GB/s, "
        "write_failures: 0.1}",
        "stages.train.steps=100000000"},
       "checkpoint.interval: limit: 10000000 events of work and checkpoints, 200000000 are asked "
       "for; "},
      {{"reliability={title: x, job_failures: 1e6 failures/s}", "stages.train.steps=1000000"},
       "reliability: limit: 1000000 failures: the job hardly advances; "}};
  for (const Case& c : cases) {
    const Refusal refusal = refusal_of(small, c.sets);
    CHECK_THAT(refusal.text, Catch::Matchers::StartsWith(c.begins));
    CHECK(refusal.line > 0);
  }
}

TEST_CASE("numbers that no machine has are refused where they stand") {
  const auto message = [](const std::string& set) {
    scenario::LoadOptions options;
    options.sets = {set};
    try {
      scenario::load_text(small, "small.yaml", options);
    } catch (const ScenarioError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(message("price.rental=1e40 USD/GPU-hour"),
             Catch::Matchers::Contains("is too large; must be at most 1e30 base units"));
  CHECK_THAT(message("stack.jitter=1e-40"),
             Catch::Matchers::Contains("is too small; must be 0, or at least 1e-30 base units"));
  CHECK_THAT(message("stages.train.batch=1000000000000001"),
             Catch::Matchers::Contains("is out of range"));
  CHECK_THAT(message("parallelism.tensor=1048577"),
             Catch::Matchers::Contains("must be between 1 and 1048576"));
}

TEST_CASE("responses that no packed sequence holds are refused") {
  const std::string set = "stages=[{name: train, kind: rl, steps: 5, sequence_length: 512, batch: "
                          "16, reinforcement: {outputs_per_rollout: 64, response: {mean: [{step: "
                          "0, tokens: 2000}], sigma: 0, cap: [{until_step: 1, tokens: 4000}]}}}]";
  const Refusal refusal = refusal_of(small, {set});
  CHECK_THAT(refusal.text,
             Catch::Matchers::StartsWith("stages.train.sequence_length: stage train: a token of a "
                                         "response belongs to 2000 tokens on average, a packed "
                                         "sequence has 512; "));
}

TEST_CASE("samples shorter than a token train like samples of one token") {
  const auto step_time = [](const char* tokens_per_sample) {
    scenario::LoadOptions options;
    options.sets = {std::string("stages=[{name: train, kind: sft, samples: 1000, epochs: 1e6, "
                                "sequence_length: 4096, batch: 16, tokens_per_sample: ") +
                    tokens_per_sample + "}]"};
    return simulate(scenario::load_text(small, "small.yaml", options)).run.stages[0].step_time;
  };
  CHECK(step_time("1e-6") == step_time("1"));
}

TEST_CASE("limits of studies") {
  const tests::TemporaryFolder folder;
  tests::write_text(folder / "small.yaml", small);
  const auto replicate = [&](std::size_t count) {
    study::replicate({folder / "small.yaml", {}, count});
  };
  CHECK_THROWS_WITH(
      replicate(1'000'000'000),
      Catch::Matchers::StartsWith("--replications: limit: 1000000 replications, 1000000000 are"));
  std::vector<scenario::StudyAxis> axes(3);
  for (scenario::StudyAxis& axis : axes)
    axis.points.resize(128);
  CHECK_THROWS_WITH(
      study::grid_size(axes),
      Catch::Matchers::StartsWith("axes: limit: 1048576 runs of a grid, 2097152 are"));
  axes.resize(500);
  for (scenario::StudyAxis& axis : axes)
    axis.points.resize(128);
  CHECK_THROWS_AS(study::grid_size(axes), InfeasibleError);
}

TEST_CASE("a long chain of runs that build on one another is refused") {
  const tests::TemporaryFolder folder;
  tests::write_text(folder / "0.yaml", small);
  for (int i = 1; i <= 33; ++i)
    tests::write_text(folder / (std::to_string(i) + ".yaml"),
                      small + "builds_on: " + std::to_string(i - 1) + ".yaml\n");
  CHECK_NOTHROW(simulate(scenario::load(folder / "32.yaml")));
  CHECK_THROWS_WITH(simulate(scenario::load(folder / "33.yaml")),
                    Catch::Matchers::Contains("limit: 32 runs that build on one another"));
}
