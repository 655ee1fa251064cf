// SPDX-License-Identifier: Apache-2.0
// Checkpoints that leave by the NICs of training, beside a step.
#include "sim/execution/step.hpp"
#include "tests/execution/hand_made.hpp"
#include "tests/execution/setting.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::execution;

namespace {

// One rank: forward and backward of 2 s each without traffic, then a reduction of 30 bytes by one
// flow over a link of 4 bytes/s, on which a checkpoint asks for `storage`.
StepTiming beside(BytesPerSecond storage) {
  Patterns patterns;
  StageUpdate update;
  network::Collective reduction;
  reduction.phases = {tests::sending(30 * byte, 1)};
  update.gradients_late = {script_of(reduction, TeamKind::Data, 0, patterns)};
  Machine machine = tests::machine_of(1, patterns, 4 * (byte / second));
  machine.trunks[0].storage = storage;
  PassTiming timing;
  timing.duration = 2 * second;
  timing.breakdown[Category::Productive] = timing.duration;
  const plan::PipelineProgram program =
      plan::one_forward_one_backward({1, 1, 1, plan::StepMode::Training});
  const hardware::AcceleratorSpec accelerator = tests::plain_chip();
  StepPlan plan;
  plan.accelerator = &accelerator;
  plan.machine = &machine;
  plan.program = &program;
  plan.timing = [&timing](const Actor&, const plan::PassKey&, bool) -> const PassTiming& {
    return timing;
  };
  plan.updates = {update};
  return play_step(plan);
}

// 16 GPUs in two nodes, whose gradients cross the NICs.
struct Setting {
  hardware::PoolSpec pool =
      tests::pool_of(2, 400 * gigabyte / second, 25 * gigabyte / second, 80 * gibibyte);
  workload::ModelSpec model = tests::dense_model();
  plan::StackSpec stack;
  StepSimulator::Request request;
  Setting() {
    request.layout.tensor = 2;
    request.layout.micro_batch = 1;
    request.sequence_length = 2048;
    request.batch = 16;
  }
  [[nodiscard]] StepResult step(double gigabytes_per_second, Fidelity fidelity = {}) const {
    StepSimulator::Request asked = request;
    asked.storage = gigabytes_per_second * (gigabyte / second);
    return StepSimulator(pool, model, stack, fidelity).step(asked);
  }
};

} // namespace

TEST_CASE("a checkpoint and a reduction share a link as one flow each") {
  // Alone 30 bytes at 4 a second. Beside a checkpoint that wants 3 both get 2; it has its 3 for the
  // 4 s of the passes and 2 of 3 for 15 s. One that wants 1 leaves 3.
  CHECK(beside({}).duration / second == Approx(4 + 7.5));
  const StepTiming fair = beside(3 * (byte / second));
  CHECK(fair.duration / second == Approx(4 + 15));
  CHECK(fair.breakdown[Category::ExposedData] / second == Approx(15));
  CHECK(fair.storage_share == Approx((4 + 15 * 2.0 / 3) / 19));
  const StepTiming modest = beside(1 * (byte / second));
  CHECK(modest.duration / second == Approx(4 + 10));
  CHECK(modest.storage_share == Approx(1));
  CHECK(beside(100 * (byte / second)).duration / second == Approx(4 + 15));
}

TEST_CASE("the more a checkpoint asks for, the longer the step, up to a fair share") {
  const Setting setting;
  const StepResult alone = setting.step(0);
  Seconds before = alone.duration;
  for (const double rate : {1.0, 5.0, 20.0, 200.0}) {
    const StepResult step = setting.step(rate);
    CHECK(step.duration >= before);
    CHECK(step.storage_share <= 1);
    CHECK(step.storage_share > 0);
    before = step.duration;
  }
  CHECK(before > 1.01 * alone.duration);
  // A ring has one flow on each NIC: it keeps half.
  CHECK(before <=
        alone.duration +
            alone.communication[static_cast<std::size_t>(plan::CommunicationDimension::Data)]);
  CHECK(setting.step(200).storage_share < setting.step(5).storage_share);
}

TEST_CASE("without traffic on NICs a checkpoint costs a step nothing") {
  Setting setting;
  setting.request.mode = plan::StepMode::ForwardOnly;
  const StepResult forward = setting.step(0), busy = setting.step(20);
  CHECK(busy.duration == forward.duration);
  CHECK(busy.storage_share == 1);
  CHECK(busy.fingerprint == forward.fingerprint);
}

TEST_CASE("steps beside a checkpoint: folded as exact, single passes as kernels") {
  Setting setting;
  for (const bool experts : {false, true}) {
    if (experts) {
      setting.model = tests::expert_model();
      setting.request.layout = {};
      setting.request.layout.expert = 16; // dispatch and combine cross the NICs in passes
      setting.request.layout.micro_batch = 1;
    }
    const StepResult folded = setting.step(20);
    const StepResult exact = setting.step(20, {Detail::Pass, true});
    CHECK(folded.duration / exact.duration == Approx(1).epsilon(1e-9));
    CHECK(folded.storage_share == Approx(exact.storage_share).epsilon(1e-9));
    // By how much it slows a step: passes of mean demand are an estimate by themselves.
    const double slower = folded.duration / setting.step(0).duration;
    CHECK(slower > 1.3);
    for (const Detail detail : {Detail::Kernel, Detail::Message})
      CHECK(setting.step(20, {detail, false}).duration /
                setting.step(0, {detail, false}).duration ==
            Approx(slower).epsilon(0.03));
  }
}
