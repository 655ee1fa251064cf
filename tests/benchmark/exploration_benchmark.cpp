// SPDX-License-Identifier: Apache-2.0
// Steps of all layouts of GPT 530B on A100, as an exploration asks for them: every legal
// combination of tensor degree within a node, pipeline degree, micro-batch, chunks per rank and
// recomputation, each evaluated once (cold: a new cluster and new simulators each time; what
// layouts have in common is shared). What does not fit is counted apart, and so is what the
// simulator remembers. And passes per second of schedules in which nobody stops anybody. In seconds
// of the processor.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/cluster.hpp"
#include "sim/execution/step.hpp"
#include "sim/plan/schedule/schedule.hpp"
#include "sim/scenario/load.hpp"
#include "tests/execution/hand_made.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace sim;

// Of the process: what others do on the machine does not count.
struct Clock {
  using duration = std::chrono::nanoseconds;
  static duration now() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
};

// Of MT-NLG 530B (arXiv 2201.11990). On 4,096 GPUs as many sequences as GPUs: 1,920 divide over few
// data-parallel degrees there.
constexpr std::int64_t batch_of(std::int64_t gpus) { return gpus == 4096 ? 4096 : 1920; }

scenario::Scenario machine(std::int64_t gpus) {
  return scenario::load_text(R"(
name: exploration
cluster: {node: hgx-a100, nodes: )" +
                                 std::to_string(gpus / 8) + R"(, fabric: rail-optimized-200g}
model: mt-nlg-530b
stack: megatron-core
parallelism: {tensor: 8, pipeline: 35}
stages: [{name: step, kind: pretraining, steps: 1, sequence_length: 2048, batch: 1920}]
price: {rental: 2 USD/GPU-hour}
)",
                             "exploration.yaml",
                             [] {
                               scenario::LoadOptions options;
                               options.sets = {"cluster.fabric.switch_ports=512"};
                               return options;
                             }())
      .scenario;
}

std::vector<plan::ParallelismSpec> layouts(std::int64_t gpus, int layers) {
  std::vector<plan::ParallelismSpec> result;
  for (const int tensor : {1, 2, 4, 8})
    for (int pipeline = 1; pipeline <= layers; ++pipeline)
      for (const int micro_batch : {1, 2, 4, 8, 16})
        for (int chunks = 1; pipeline * chunks <= layers; ++chunks) {
          if (gpus % (tensor * pipeline) != 0 || (pipeline == 1 && chunks > 1))
            continue;
          plan::ParallelismSpec layout;
          layout.tensor = tensor;
          layout.pipeline = pipeline;
          layout.micro_batch = micro_batch;
          layout.virtual_stages = chunks;
          result.push_back(layout);
        }
  return result;
}

struct Tally {
  int feasible = 0, infeasible = 0;
  double passes = 0; // of the feasible ones
  Clock::duration in_feasible{}, in_infeasible{}, again{};
};

void evaluate(execution::StepSimulator& simulator, std::int64_t gpus,
              const plan::ParallelismSpec& layout, Tally& tally) {
  execution::StepSimulator::Request request;
  request.layout = layout;
  request.sequence_length = 2048;
  request.batch = batch_of(gpus);
  const auto begin = Clock::now();
  try {
    const execution::StepResult& step = simulator.step(request);
    benchmark::DoNotOptimize(step.duration);
    const auto end = Clock::now();
    ++tally.feasible;
    tally.in_feasible += end - begin;
    const std::int64_t data = gpus / (layout.tensor * layout.pipeline);
    tally.passes += 2.0 * double(batch_of(gpus) / (data * layout.micro_batch)) * layout.pipeline *
                    layout.virtual_stages;
    benchmark::DoNotOptimize(simulator.step(request).duration);
    tally.again += Clock::now() - end;
  } catch (const InfeasibleError&) {
    ++tally.infeasible;
    tally.in_infeasible += Clock::now() - begin;
  }
}

void explore_530b(benchmark::State& state) {
  const std::int64_t gpus = state.range(0);
  const scenario::Scenario scenario = machine(gpus);
  Tally tally;
  for (auto _ : state) {
    const auto cluster = std::make_shared<execution::Cluster>(scenario.cluster.main);
    for (const plan::Recompute recompute :
         {plan::Recompute::None, plan::Recompute::Selective, plan::Recompute::Full}) {
      plan::StackSpec stack = scenario.stack.spec;
      stack.recompute = recompute;
      execution::StepSimulator simulator(cluster, scenario.model.spec, stack);
      for (const plan::ParallelismSpec& layout : layouts(gpus, scenario.model.spec.layers))
        evaluate(simulator, gpus, layout, tally);
    }
  }
  const auto per_second = [](double count, Clock::duration spent) {
    return count / std::chrono::duration<double>(spent).count();
  };
  const double runs = static_cast<double>(state.iterations());
  state.counters["feasible"] = tally.feasible / runs;
  state.counters["infeasible"] = tally.infeasible / runs;
  state.counters["passes"] = tally.passes / tally.feasible;
  state.counters["feasible/s"] = per_second(tally.feasible, tally.in_feasible);
  state.counters["infeasible/s"] = per_second(tally.infeasible, tally.in_infeasible);
  state.counters["cached/s"] = per_second(tally.feasible, tally.again);
}
// A step of 16 stages without updates, from the program to the ledger.
void follow_schedule(benchmark::State& state, plan::Schedule schedule) {
  execution::Patterns patterns;
  for (const auto kind : {execution::TeamKind::Next, execution::TeamKind::Previous})
    patterns[execution::at(kind)].resize(1);
  const execution::Machine machine =
      execution::tests::machine_of(16, patterns, gigabyte / second, 1e-3 * second);
  const hardware::AcceleratorSpec accelerator = execution::tests::plain_chip();
  execution::PassTiming timing;
  timing.duration = second;
  timing.breakdown[execution::Category::Productive] = timing.duration;
  double passes = 0;
  for (auto _ : state) {
    const plan::PipelineProgram program =
        plan::pipeline_program(schedule, {16, state.range(0), 1, plan::StepMode::Training});
    execution::StepPlan plan;
    plan.machine = &machine;
    plan.program = &program;
    plan.accelerator = &accelerator;
    plan.message = 1e-9 * byte;
    plan.timing = [&timing](const execution::Actor&, const plan::PassKey&,
                            bool) -> const execution::PassTiming& { return timing; };
    benchmark::DoNotOptimize(execution::play_step(plan).duration);
    for (const auto& rank : program.ranks)
      passes += static_cast<double>(rank.size());
  }
  state.counters["passes/s"] = benchmark::Counter(passes, benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(follow_schedule, one_forward_one_backward, plan::Schedule::OneForwardOneBackward)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(follow_schedule, zero_bubble_v, plan::Schedule::ZeroBubbleV)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(explore_530b)->Arg(2240)->Arg(2560)->Arg(3072)->Arg(4096)->Unit(benchmark::kMillisecond);

} // namespace
