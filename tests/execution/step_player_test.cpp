// SPDX-License-Identifier: Apache-2.0
#include "tests/execution/hand_made.hpp"

#include <catch2/catch.hpp>

#include <map>

using namespace sim;
using namespace sim::execution;
using plan::PassKey;
using plan::PassKind;
using tests::lasting;
using tests::machine_of;

namespace {

// Equal stages without communication: durations by kind of pass only.
class FixedTimes {
public:
  FixedTimes(Seconds forward, Seconds input, Seconds weight) {
    set(PassKind::Forward, forward);
    set(PassKind::BackwardInput, input);
    set(PassKind::Weight, weight);
    set(PassKind::Backward, input + weight);
    set(PassKind::Pair, forward + input + weight);
  }
  const PassTiming& operator()(const PassKey& key) const { return times_.at(key.kind); }

private:
  void set(PassKind kind, Seconds duration) {
    times_[kind].duration = duration;
    times_[kind].breakdown[Category::Productive] = duration;
  }
  std::map<PassKind, PassTiming> times_;
};

// A chain of actors with what the plan says besides.
StepTiming play(StepPlan plan, const plan::PipelineProgram& program, const FixedTimes& times,
                Seconds message_latency = {}) {
  Patterns patterns;
  for (const TeamKind kind : {TeamKind::Next, TeamKind::Previous})
    patterns[static_cast<std::size_t>(kind)].resize(1);
  const Machine machine = machine_of(static_cast<int>(program.ranks.size()), patterns,
                                     gigabyte / second, message_latency);
  const hardware::AcceleratorSpec accelerator = tests::plain_chip();
  plan.accelerator = &accelerator;
  plan.machine = &machine;
  plan.program = &program;
  plan.timing = [&times](const Actor&, const PassKey& key, bool) -> const PassTiming& {
    return times(key);
  };
  // Without bytes a message takes no time; these few take none to speak of.
  plan.message = (message_latency > Seconds{} ? 1e-9 : 0) * byte;
  return play_step(plan);
}
StepTiming play(const plan::PipelineProgram& program, const FixedTimes& times) {
  return play({}, program, times);
}

} // namespace

TEST_CASE("1F1B with equal stages and no communication takes (m + p - 1)(T_F + T_B)") {
  const Seconds forward = 0.013 * second, backward = 0.029 * second;
  const FixedTimes times(forward, backward, Seconds{});
  for (const int p : {1, 2, 4, 8, 16})
    for (const int m : {1, 4, 16, 120}) {
      const StepTiming step =
          play(plan::one_forward_one_backward({p, m, 1, plan::StepMode::Training}), times);
      const Seconds closed = (m + p - 1) * (forward + backward);
      CHECK(step.duration / closed == Approx(1).epsilon(1e-9));
      CHECK(step.breakdown[Category::Bubble] / ((p - 1) * (forward + backward) + 1e-30 * second) ==
            Approx(p == 1 ? 0 : 1).epsilon(1e-9).margin(1e-9));
      CHECK(step.breakdown.total() / step.duration == Approx(1).epsilon(1e-12));
    }
}

TEST_CASE("parameters still on their way hold the first forward pass, exposed as data traffic") {
  const FixedTimes times(second, 2 * second, Seconds{});
  const auto with_gather = [&](int ranks, double seconds) {
    StepPlan plan;
    StageUpdate update;
    update.parameters_early = {lasting(seconds * second)};
    plan.updates.assign(static_cast<std::size_t>(ranks), update);
    return play(plan, plan::one_forward_one_backward({ranks, 4, 1, plan::StepMode::Training}),
                times);
  };
  // Four micro-batches of 3 s; a gather of less than the first forward pass (1 s) is hidden.
  CHECK(with_gather(1, 0.75).duration / second == Approx(12));
  const StepTiming late = with_gather(1, 5);
  CHECK(late.duration / second == Approx(12 + 4));
  CHECK(late.breakdown[Category::ExposedData] / second == Approx(4));
  CHECK(late.breakdown.total() / late.duration == Approx(1));
  // Two ranks: (4 + 1) 3 s; the first rank is held for half a second, the second one, which starts
  // when the first lets its output go at 1.5 s, is not.
  const StepTiming two = with_gather(2, 1.5);
  CHECK(two.duration / second == Approx(15 + 0.5));
  CHECK(two.breakdown[Category::ExposedData] / second == Approx(0.5 / 2)); // mean of two ranks
}

TEST_CASE("interleaving divides the bubble by the chunks per rank") {
  // T_F and T_B are those of a whole rank: each of its v chunks takes 1 / v of them.
  for (const int p : {2, 4, 8})
    for (const int v : {2, 4}) {
      const int m = 4 * p;
      const FixedTimes times(1.0 / v * second, 2.0 / v * second, Seconds{});
      const StepTiming step =
          play(plan::one_forward_one_backward({p, m, v, plan::StepMode::Training}), times);
      CHECK(step.duration / second == Approx(3.0 * m + 3.0 * (p - 1) / v).epsilon(1e-9));
    }
}

TEST_CASE("combined 1F1B has the bubble of 1F1B where a pair takes what its halves do") {
  for (const int p : {1, 2, 4, 8})
    for (const int v : {1, 2, 4}) {
      const int m = 4 * p;
      const FixedTimes times(1.0 / v * second, 1.25 / v * second, 0.75 / v * second);
      const StepTiming step =
          play(plan::combined_one_forward_one_backward({p, m, v, plan::StepMode::Training}), times);
      CHECK(step.duration / second == Approx(3.0 * m + 3.0 * (p - 1) / v).epsilon(1e-9));
      // All but the warm-up runs in pairs: on rank r 2 (p - r - 1) + (v - 1) p + 1 forwards, mean.
      const double lone = (p - 1) + (v - 1) * p + 1;
      CHECK(step.pairs / second == Approx(3.0 / v * (m * v - lone)).epsilon(1e-9));
    }
}

TEST_CASE("DualPipe's bubble is (p/2 - 1)(F&B + B - 3W)") {
  // With T_F = T_B = T_W = 1: F&B = 3, B (full backward) = 2, W = 1 (DeepSeek-V3 report, Table 2).
  const FixedTimes times(second, second, second);
  for (const int p : {2, 4, 8, 16})
    for (const int m : {2 * p, 2 * p + 2, 4 * p, 120}) {
      if (m < 2 * p)
        continue;
      const StepTiming step = play(plan::dual_pipe({p, m, 1, plan::StepMode::Training}), times);
      CHECK(step.duration / second ==
            Approx(3.0 * m + (p / 2 - 1) * (3.0 + 2.0 - 3.0)).epsilon(1e-9));
    }
}

TEST_CASE(
    "a message on the way is exposed pipeline communication, waiting for its sender a bubble") {
  const FixedTimes times(second, 2 * second, Seconds{});
  const StepTiming step = play(
      {}, plan::one_forward_one_backward({2, 1, 1, plan::StepMode::Training}), times, 0.5 * second);
  // F on rank 0 (0-1), message (1-1.5), F and B on rank 1 (1.5-4.5), message (4.5-5), B on rank 0
  // (5-7).
  CHECK(step.duration / second == Approx(7));
  CHECK(step.breakdown[Category::ExposedPipeline] / second == Approx((0.5 + 0.5) / 2));
  CHECK(step.breakdown[Category::Bubble] / second == Approx((3.5 + 1.0 + 2.5) / 2));
}

TEST_CASE("gradients reduce under the last backward pass; the last bucket, the norm and the "
          "optimizer follow") {
  const FixedTimes times(second, 2 * second, Seconds{});
  StepPlan plan;
  const plan::PipelineProgram program =
      plan::one_forward_one_backward({1, 2, 1, plan::StepMode::Training});
  StageUpdate update;
  // Hidden under the two seconds of the last backward pass.
  update.gradients_early = {lasting(1.5 * second)};
  update.gradients_late = {lasting(0.25 * second)};
  update.parameters_late = {lasting(0.125 * second)};
  update.optimizer.device = 0.0625 * second;
  plan.updates = {update};
  plan.norm = 0.03125 * second;
  plan.synchronisation = 0.5 * second;
  const StepTiming step = play(plan, program, times);
  CHECK(step.duration / second == Approx(6 + 0.25 + 0.03125 + 0.0625 + 0.125 + 0.5));
  CHECK(step.breakdown[Category::ExposedData] / second == Approx(0.25 + 0.03125 + 0.125));
  CHECK(step.breakdown[Category::Synchronisation] / second == Approx(0.5));
  CHECK(step.update / second == Approx(0.25 + 0.03125 + 0.0625 + 0.125 + 0.5));

  plan.updates[0].gradients_early = {lasting(3 * second)}; // one second longer than its window
  CHECK(play(plan, program, times).duration / second ==
        Approx(7 + 0.25 + 0.03125 + 0.0625 + 0.125 + 0.5));
}

TEST_CASE("a pass is slowed by other traffic on its link") {
  // One rank whose pass moves 8 bytes on a link of 4 bytes/s in 4 s (half of it); an early
  // reduction wants 4 bytes/s too, with three flows: a quarter of the link each beside the pass.
  Patterns patterns;
  StageUpdate update;
  network::Collective reduction;
  reduction.phases = {tests::sending(30 * byte, 3)};
  update.gradients_early = {script_of(reduction, TeamKind::Data, 0, patterns)};
  patterns[static_cast<std::size_t>(TeamKind::Interior)] = {network::Transfers{}};
  Machine machine = machine_of(1, patterns, 4 * (byte / second));
  Team inside;
  inside.kind = TeamKind::Interior;
  inside.first_use = static_cast<std::uint32_t>(machine.uses.size());
  inside.first_member = static_cast<std::uint32_t>(machine.members.size());
  inside.end_member = inside.first_member + 1;
  machine.members.push_back(0);
  machine.uses.push_back({Seconds{}, static_cast<std::uint32_t>(machine.loads.size()),
                          static_cast<std::uint32_t>(machine.loads.size()) + 1});
  machine.loads.push_back({0, 1});
  machine.teams.push_back(inside);
  machine.list_teams();
  PassTiming timing;
  timing.duration = 4 * second;
  timing.breakdown[Category::Productive] = timing.duration;
  timing.bytes_by_use = {8 * byte};
  const plan::PipelineProgram program =
      plan::one_forward_one_backward({1, 1, 1, plan::StepMode::Training});
  StepPlan plan;
  const hardware::AcceleratorSpec accelerator = tests::plain_chip();
  plan.accelerator = &accelerator;
  plan.machine = &machine;
  plan.program = &program;
  plan.timing = [&timing](const Actor&, const PassKey&, bool) -> const PassTiming& {
    return timing;
  };
  plan.updates = {update};
  const StepTiming step = play_step(plan);
  // Forward alone: 4 s. Backward beside the reduction: 1 byte/s per flow, 8 s for its 8 bytes; the
  // reduction has moved 8 of 30 bytes per flow and goes on at 4/3 byte/s: 16.5 s more.
  CHECK(step.duration / second == Approx(4 + 8 + 16.5));
  CHECK(step.breakdown[Category::Interference] / second == Approx(4));
}
