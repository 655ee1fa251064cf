// SPDX-License-Identifier: Apache-2.0
// The shipped scenarios at 64 GPUs, cut to fewer layers so that they fit: a step by single passes,
// by kernels and by messages; folded and exact.
#include "sim/execution/step.hpp"
#include "sim/scenario/load.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <iostream>

using namespace sim;
using execution::Detail;
using execution::StepResult;
using execution::StepSimulator;

namespace {

struct Cut {
  const char* file;
  std::vector<std::string> sets;
  StepSimulator::Request request; // without its layout
};

std::vector<Cut> cuts() {
  const auto request = [](double length, double attended, std::int64_t batch) {
    StepSimulator::Request made;
    made.sequence_length = length;
    made.attended_length = attended;
    made.batch = batch;
    return made;
  };
  return {
      {"minimal", {}, request(8192, 0, 512)},
      {"llama-3.1-405b",
       {"cluster.nodes=8", "model.layers=14", "parallelism.pipeline=4", "parallelism.data=2",
        "parallelism.virtual_stages=4"},
       request(8192, 0, 32)},
      {"deepseek-v3",
       {"cluster.nodes=8", "model.layers=12", "parallelism.pipeline=4", "parallelism.expert=16",
        "parallelism.data=16"},
       request(4096, 0, 512)},
      {"deepseek-r1",
       {"cluster.nodes=8", "model.layers=8", "parallelism.pipeline=2", "parallelism.expert=32",
        "parallelism.data=4"},
       request(32768, 5355, 64)},
      {"minimal",
       {"parallelism={tensor: 1, zero_stage: 3}", "stack.sharding.reduction_copies=2"},
       request(8192, 0, 128)},
      {"minimal",
       {"parallelism={tensor: 2, pipeline: 2, zero_stage: 3, data_shard: 4}"},
       request(8192, 0, 128)},
  };
}

StepResult step_of(const Cut& cut, execution::Fidelity fidelity) {
  scenario::LoadOptions options;
  options.sets = cut.sets;
  const scenario::Scenario scenario =
      scenario::load(SOURCE_DIR "/scenarios/" + std::string(cut.file) + ".yaml", options).scenario;
  StepSimulator simulator(scenario.cluster.main, scenario.model.spec, scenario.stack.spec,
                          fidelity);
  StepSimulator::Request request = cut.request;
  request.layout = *scenario.parallelism.given;
  return simulator.step(request);
}

} // namespace

TEST_CASE("details agree within 2 % at 64 GPUs, folded and exact within 1e-9", "[figures][slow]") {
  for (const Cut& cut : cuts()) {
    const StepResult pass = step_of(cut, {});
    const StepResult kernel = step_of(cut, {Detail::Kernel, false});
    const StepResult message = step_of(cut, {Detail::Message, false});
    std::cout << cut.file << " at 64 GPUs: pass " << pass.duration / second << " s, kernel "
              << kernel.duration / second << " s, message " << message.duration / second << " s\n";
    CHECK(kernel.duration / pass.duration == Approx(1).margin(0.02));
    CHECK(message.duration / kernel.duration == Approx(1).margin(0.02));
    CHECK(message.duration / pass.duration == Approx(1).margin(0.02));
    for (const Detail detail : {Detail::Pass, Detail::Kernel}) {
      const StepResult& folded = detail == Detail::Pass ? pass : kernel;
      const StepResult exact = step_of(cut, {detail, true});
      CHECK(exact.duration / folded.duration == Approx(1).epsilon(1e-9));
      for (std::size_t c = 0; c < execution::categories; ++c)
        CHECK(exact.breakdown.time[c] / second ==
              Approx(folded.breakdown.time[c] / second).epsilon(1e-9).margin(1e-9));
      for (std::size_t d = 0; d < exact.communication.size(); ++d)
        CHECK(exact.communication[d] / second ==
              Approx(folded.communication[d] / second).epsilon(1e-9).margin(1e-9));
      CHECK(exact.hardware / folded.hardware == Approx(1).epsilon(1e-9));
    }
  }
}

TEST_CASE("DeepSeek-V3's step on all 2,048 GPUs: folded and exact agree", "[figures][slow]") {
  Cut whole{"deepseek-v3", {}, {}};
  whole.request.sequence_length = 4096;
  whole.request.batch = 15360;
  const StepResult folded = step_of(whole, {}), exact = step_of(whole, {Detail::Pass, true});
  CHECK(exact.duration / folded.duration == Approx(1).epsilon(1e-9));
  for (std::size_t c = 0; c < execution::categories; ++c)
    CHECK(exact.breakdown.time[c] / folded.duration ==
          Approx(folded.breakdown.time[c] / folded.duration).margin(1e-9));
}

TEST_CASE("what a detail would take is limited before it is begun") {
  // 8,192 data-parallel ranks: each of their rings sends 8,191 chunks per rank and channel.
  Cut large{"minimal",
            {"cluster.nodes=1024", "cluster.fabric=fat-tree-400g-3tier", "parallelism.tensor=1",
             "cluster.node.accelerator.memory=200 GB"},
            {}};
  large.request.sequence_length = 8192;
  large.request.batch = 8192;
  CHECK(step_of(large, {}).duration > Seconds{});
  CHECK_THROWS_WITH(step_of(large, {Detail::Message, false}),
                    Catch::Contains("messages of all GPUs in a step"));
}
