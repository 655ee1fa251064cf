// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/pass_player.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::execution;
using plan::PassTask;

namespace {

hardware::AcceleratorSpec chip() {
  hardware::AcceleratorSpec accelerator;
  accelerator.title = "test chip";
  accelerator.memory_bandwidth = 1e12 * (byte / second);
  accelerator.streaming_multiprocessors = 132;
  return accelerator;
}

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

PassTiming play(const std::vector<plan::Chain>& chains) {
  const hardware::AcceleratorSpec accelerator = chip();
  network::LinkCapacities capacities;
  capacities.per_link.fill(1e9 * (byte / second));
  return PassPlayer(accelerator, capacities).play({chains});
}

} // namespace

TEST_CASE("kernels of a chain run one after another and are productive") {
  const PassTiming timing =
      play({{kernel(millisecond, 132), kernel(2 * millisecond, 132, {0, -1})}});
  CHECK(timing.duration / millisecond == Approx(3));
  CHECK(timing.breakdown[Category::Productive] / millisecond == Approx(3));
  CHECK(timing.breakdown.total() / timing.duration == Approx(1).epsilon(1e-12));
}

TEST_CASE("a collective between kernels is exposed, beside an independent one hidden") {
  const plan::Chain dispatch{kernel(millisecond, 132), communication(2 * millisecond, 0, {0, -1}),
                             kernel(millisecond, 132, {1, -1})};
  const PassTiming alone = play({dispatch});
  CHECK(alone.duration / millisecond == Approx(4));
  CHECK(alone.breakdown[Category::ExposedExpert] / millisecond == Approx(2));

  const PassTiming paired = play({dispatch, {kernel(2 * millisecond, 132)}});
  CHECK(paired.duration / millisecond == Approx(4)); // 1 + 2 (other chain) + 1
  CHECK(paired.breakdown[Category::ExposedExpert] / millisecond == Approx(0).margin(1e-9));
  CHECK(paired.communication[static_cast<std::size_t>(plan::CommunicationDimension::Expert)] /
            millisecond ==
        Approx(2));
}

TEST_CASE("SMs held by communication push a full wave into two: 132 tiles on 108 SMs") {
  const PassTiming timing =
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
  const PassTiming timing =
      play({{kernel(millisecond, 132), kernel(millisecond, 132, {-1, -1}, true),
             communication(millisecond, 0, {0, -1}), kernel(millisecond, 132, {2, -1})}});
  CHECK(timing.duration / millisecond == Approx(3));
  CHECK(timing.breakdown[Category::Productive] / millisecond == Approx(3));
}

TEST_CASE("a recomputed kernel is charged apart") {
  PassTask again = kernel(millisecond, 132);
  again.kernel.role = plan::KernelRole::Recompute;
  const PassTiming timing = play({{again}});
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
  network::Phase phase;
  phase.bytes_per_flow = 1e6 * byte;
  phase.flows[static_cast<std::size_t>(topology::LinkKind::Nic)] = 1;
  send.collective.phases = {phase};
  const PassTiming timing = play({{memory_bound}, {send}});
  // 1 ms at (1e12 - 2e9) B/s leaves 2e6 bytes for full speed.
  CHECK(timing.duration / millisecond == Approx(1 + 2e6 / 1e12 * 1e3));
  CHECK(timing.link_bytes[static_cast<std::size_t>(topology::LinkKind::Nic)] / byte == Approx(1e6));
}
