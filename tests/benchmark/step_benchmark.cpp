// SPDX-License-Identifier: Apache-2.0
// One training step of GPT-3 175B: 96 layers, tensor 8, pipeline 8, 16 micro-batches, the rest data
// parallel, on nodes of eight A100. From the cluster and the layout to the step's time: fabric,
// machine, folding and play.
#include "sim/execution/step.hpp"
#include "sim/scenario/load.hpp"

#include <benchmark/benchmark.h>

#include <string>

namespace {

using namespace sim;
using execution::Detail;
using execution::Fidelity;

constexpr int micro_batches = 16;

// 512 ports: one two-tier network at any of these sizes.
scenario::Scenario gpt3(int gpus) {
  return scenario::load_text(R"(
name: GPT-3
cluster: {node: hgx-a100, nodes: )" +
                                 std::to_string(gpus / 8) + R"(, fabric: rail-optimized-200g}
model: gpt-3-175b
stack: megatron-core
parallelism: {tensor: 8, pipeline: 8, sequence_parallel: false}
stages: [{name: step, kind: pretraining, steps: 1, sequence_length: 2048, batch: 16}]
price: {rental: 2 USD/GPU-hour}
)",
                             "gpt3.yaml",
                             [] {
                               scenario::LoadOptions options;
                               options.sets = {"cluster.fabric.switch_ports=512"};
                               return options;
                             }())
      .scenario;
}

scenario::Scenario v3() {
  return scenario::load(TRAINFARE_SCENARIOS "/deepseek-v3.yaml", {}).scenario;
}

void play(benchmark::State& state, const scenario::Scenario& scenario, double sequence_length,
          std::int64_t batch, Fidelity fidelity) {
  execution::StepSimulator::Request request;
  request.layout = *scenario.parallelism.given;
  request.sequence_length = sequence_length;
  request.batch = batch;
  std::uint64_t events = 0;
  for (auto _ : state) {
    execution::StepSimulator simulator(scenario.cluster.main, scenario.model.spec,
                                       scenario.stack.spec, fidelity);
    const execution::StepResult& step = simulator.step(request);
    events = step.events;
    benchmark::DoNotOptimize(step.duration);
  }
  state.counters["events"] = static_cast<double>(events);
  state.counters["gpus"] =
      static_cast<double>(scenario.cluster.main.nodes * scenario.cluster.main.node->accelerators);
}

void gpt3_step(benchmark::State& state, Fidelity fidelity) {
  const auto gpus = static_cast<int>(state.range(0));
  play(state, gpt3(gpus), 2048, std::int64_t{gpus} / 64 * micro_batches, fidelity);
}

// A batch of 15,360 sequences of 4,096 tokens on 2,048 H800.
void v3_step(benchmark::State& state, Fidelity fidelity) {
  play(state, v3(), 4096, 15360, fidelity);
}

BENCHMARK_CAPTURE(gpt3_step, folded, Fidelity{})
    ->Arg(64)
    ->Arg(512)
    ->Arg(1024)
    ->Arg(16384)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gpt3_step, folded_kernel, Fidelity{Detail::Kernel, false})
    ->Arg(512)
    ->Arg(16384)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gpt3_step, exact_pass, Fidelity{Detail::Pass, true})
    ->Arg(512)
    ->Arg(16384)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gpt3_step, exact_kernel, Fidelity{Detail::Kernel, true})
    ->Arg(64)
    ->Arg(512)
    ->Arg(1024)
    ->Arg(4096)
    ->Arg(16384)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gpt3_step, message, Fidelity{Detail::Message, true})
    ->Arg(64)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(v3_step, folded, Fidelity{})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(v3_step, exact, Fidelity{Detail::Pass, true})->Unit(benchmark::kMillisecond);

} // namespace
