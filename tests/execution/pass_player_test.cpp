// SPDX-License-Identifier: Apache-2.0
// A pass by itself, played kernel by kernel.
#include "tests/execution/hand_made.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::execution;
using plan::PassTask;
using tests::machine_of;
using tests::plain_chip;
using tests::sending;

namespace {

PassTask kernel(Seconds compute, double tiles, std::array<int, 2> after = {-1, -1},
                bool background = false) {
  PassTask task;
  task.kernel.demand.compute = compute;
  task.kernel.demand.tiles = tiles;
  task.kernel.demand.all_sms = 132;
  task.after = after;
  task.background = background;
  return task;
}

PassTask communication(Seconds latency, int sms, std::array<int, 2> after = {-1, -1}) {
  PassTask task;
  task.is_kernel = false;
  network::Phase phase;
  phase.latency = latency;
  task.collective.phases = {phase};
  task.dimension = plan::CommunicationDimension::Expert;
  task.held_sms = sms;
  task.after = after;
  return task;
}

StepTiming play(const std::vector<plan::Chain>& chains, bool fused = true) {
  const hardware::AcceleratorSpec accelerator = plain_chip();
  Patterns patterns;
  const PassScript script = compile({chains}, accelerator, 1, fused, patterns);
  const Machine machine = machine_of(1, patterns);
  plan::PipelineProgram program;
  program.chunks = 1;
  program.ranks = {{{{plan::PassKind::Forward, 0, 0}, 0, 0}}};
  StepPlan plan;
  plan.machine = &machine;
  plan.program = &program;
  plan.detail = Detail::Kernel;
  plan.isolated = true;
  plan.accelerator = &accelerator;
  plan.script = [&script](const Actor&, const plan::PassKey&, bool) -> const PassScript& {
    return script;
  };
  return play_step(plan);
}

} // namespace

TEST_CASE("kernels of a chain run one after another and are productive") {
  const StepTiming timing =
      play({{kernel(millisecond, 132), kernel(2 * millisecond, 132, {0, -1})}});
  CHECK(timing.duration / millisecond == Approx(3));
  CHECK(timing.breakdown[Category::Productive] / millisecond == Approx(3));
  CHECK(timing.breakdown.total() / timing.duration == Approx(1).epsilon(1e-12));
}

TEST_CASE("a collective between kernels is exposed, beside an independent one hidden") {
  const plan::Chain dispatch{kernel(millisecond, 132), communication(2 * millisecond, 0, {0, -1}),
                             kernel(millisecond, 132, {1, -1})};
  const StepTiming alone = play({dispatch});
  CHECK(alone.duration / millisecond == Approx(4));
  CHECK(alone.breakdown[Category::ExposedExpert] / millisecond == Approx(2));

  const StepTiming paired = play({dispatch, {kernel(2 * millisecond, 132)}});
  CHECK(paired.duration / millisecond == Approx(4)); // 1 + 2 (other chain) + 1
  CHECK(paired.breakdown[Category::ExposedExpert] / millisecond == Approx(0).margin(1e-9));
  CHECK(paired.communication[static_cast<std::size_t>(plan::CommunicationDimension::Expert)] /
            millisecond ==
        Approx(2));
}

TEST_CASE("SMs held by communication push a full wave into two: 132 tiles on 108 SMs") {
  const StepTiming timing =
      play({{communication(10 * millisecond, 24)}, {kernel(millisecond, 132)}});
  // The kernel needs two waves: twice the time, half of it interference.
  CHECK(timing.breakdown[Category::Productive] / millisecond == Approx(1));
  CHECK(timing.breakdown[Category::Interference] / millisecond == Approx(1));
  CHECK(timing.breakdown[Category::ExposedExpert] / millisecond == Approx(8));
  CHECK(timing.duration / millisecond == Approx(10));
}

TEST_CASE("background kernels fill the wait for communication") {
  // The weight gradient (background) runs while tokens travel although it became ready with the
  // critical kernel.
  const StepTiming timing =
      play({{kernel(millisecond, 132), kernel(millisecond, 132, {-1, -1}, true),
             communication(millisecond, 0, {0, -1}), kernel(millisecond, 132, {2, -1})}});
  CHECK(timing.duration / millisecond == Approx(3));
  CHECK(timing.breakdown[Category::Productive] / millisecond == Approx(3));
}

TEST_CASE("a recomputed kernel is charged apart") {
  PassTask again = kernel(millisecond, 132);
  again.kernel.role = plan::KernelRole::Recompute;
  const StepTiming timing = play({{again}});
  CHECK(timing.breakdown[Category::Recomputation] / millisecond == Approx(1));
  CHECK(timing.breakdown[Category::Productive] / millisecond == Approx(0).margin(1e-12));
}

TEST_CASE("a kernel and a collective share memory bandwidth") {
  // The kernel alone moves 1e9 bytes in 1 ms at 1e12 B/s; a flow of 1e6 bytes at 1e9 B/s draws 2e9
  // B/s of it for 1 ms.
  PassTask memory_bound;
  memory_bound.kernel.demand.traffic = 1e9 * byte;
  memory_bound.kernel.demand.all_sms = 132;
  PassTask send;
  send.is_kernel = false;
  send.collective.phases = {sending(1e6 * byte, 1)};
  const StepTiming timing = play({{memory_bound}, {send}});
  // 1 ms at (1e12 - 2e9) B/s leaves 2e6 bytes for full speed.
  CHECK(timing.duration / millisecond == Approx(1 + 2e6 / 1e12 * 1e3));
}

TEST_CASE("kernels that nothing can disturb are one task, and take as long as one by one") {
  // Two kernels, a collective, three kernels; a weight gradient beside the first of these.
  const plan::Chain chain{kernel(millisecond, 132),
                          kernel(2 * millisecond, 100, {0, -1}),
                          communication(millisecond, 24, {1, -1}),
                          kernel(millisecond, 132, {2, -1}),
                          kernel(millisecond, 132, {3, -1}, true),
                          kernel(millisecond, 264, {3, -1}),
                          kernel(millisecond, 50, {5, -1})};
  Patterns patterns;
  const hardware::AcceleratorSpec accelerator = plain_chip();
  CHECK(compile({{chain}}, accelerator, 1, false, patterns).tasks.size() == chain.size());
  const PassScript fused = compile({{chain}}, accelerator, 1, true, patterns);
  REQUIRE(fused.tasks.size() == 4); // run, collective, run, weight gradient
  CHECK(fused.tasks[0].what == ScriptTask::What::Run);
  CHECK(fused.overlaps);
  const StepTiming together = play({chain}), apart = play({chain}, false);
  CHECK(together.duration / apart.duration == Approx(1).epsilon(1e-12));
  CHECK(together.breakdown[Category::Productive] / apart.breakdown[Category::Productive] ==
        Approx(1).epsilon(1e-12));
  CHECK(together.events < apart.events);
}

TEST_CASE("kernels beside a branch of their pass stay apart") {
  // Two kernels run beside a collective that began with them: when it ends, what waits for it comes
  // before the second.
  const plan::Chain chain{kernel(millisecond, 132), communication(millisecond / 2, 0, {0, -1}),
                          kernel(millisecond, 132, {0, -1}), kernel(millisecond, 132, {2, -1}),
                          kernel(millisecond, 132, {1, -1})};
  Patterns patterns;
  const PassScript script = compile({{chain}}, plain_chip(), 1, true, patterns);
  CHECK(script.tasks.size() == chain.size());
  CHECK(play({chain}).duration / millisecond == Approx(4));
}

TEST_CASE("a slow GPU takes its share of the time longer for every kernel") {
  Patterns patterns;
  hardware::AcceleratorSpec accelerator = plain_chip();
  PassTask moving;
  moving.kernel.demand.traffic = 1e9 * byte;
  moving.kernel.demand.all_sms = 132;
  moving.kernel.demand.gap = millisecond;
  const PassScript script =
      compile({{{kernel(millisecond, 132), moving}}}, accelerator, 0.5, false, patterns);
  CHECK(script.tasks[0].productive / millisecond == Approx(2));
  CHECK(script.tasks[1].productive / millisecond == Approx(4)); // gap and 1e9 B at half of 1e12 B/s
}
