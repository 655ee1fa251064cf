// SPDX-License-Identifier: Apache-2.0
// Optimizer updates on the device and on the host.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/stage_update.hpp"
#include "sim/execution/step.hpp"
#include "sim/workload/counts.hpp"
#include "tests/execution/question.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::execution;
using namespace sim::execution::tests;

namespace {

struct Question : StepQuestion {
  Question() : StepQuestion(32) {
    hardware::NodeSpec& node = pool.node.spec;
    node.accelerator.spec.kernels.spec.launch_gap = Seconds{};
    node.accelerator.spec.host_bandwidth = 50 * gigabyte / second;
    node.host = hardware::HostSpec{1e6 * gigabyte, 400 * gigabyte / second, 0.8};
  }
  [[nodiscard]] OptimizerTime time(double parameters, double buckets) const {
    plan::StepSetting setting;
    setting.pool = &pool;
    setting.stack = &stack;
    return optimizer_time(setting, parameters, buckets);
  }
};

} // namespace

TEST_CASE("the host's update: copies over the link, state through its share of the memory") {
  Question question;
  const double device = question.time(1e9, 4).device / second;
  CHECK(device > 0);
  question.stack.optimizer_offload = plan::OptimizerOffloadSpec{1, false, false};
  const OptimizerTime one = question.time(1e9, 4);
  // Eight GPUs share 0.8 of 400 GB/s: 40 each. Gradient 4, state 12 twice, weight 2.
  CHECK(one.host_update / second == Approx((4 + 24 + 2) / 40.0));
  CHECK(one.host_copies / second == Approx((4 + 2) / 50.0));
  CHECK(one.copying / second == Approx((4 + 2) / 50.0));
  // Norm and clipping stay on the device: three of the 42 bytes that it moves.
  CHECK(one.device / second == Approx(device * 12 / 42));

  // A pipeline of equal buckets: the longest part and the rest of one bucket. Copies use the host's
  // memory too.
  question.stack.optimizer_offload->overlap = true;
  const double update = (30 + 6) / 40.0, out = 4 / 50.0, back = 2 / 50.0;
  const OptimizerTime piped = question.time(1e9, 4);
  const double whole = update + (out + back) / 4;
  CHECK((piped.device + piped.host_update + piped.host_copies) / second == Approx(whole));
  CHECK(piped.copying / second == Approx(out + back));
  // With very many buckets only the longest part is left.
  const OptimizerTime fine = question.time(1e9, 1e9);
  CHECK((fine.device + fine.host_update + fine.host_copies) / second == Approx(update));

  // The device's own part hides the host's.
  question.stack.optimizer_offload->share = 1e-3;
  const OptimizerTime little = question.time(1e9, 4);
  CHECK(little.host_update / second == 0);
  CHECK(little.host_copies / second == 0);
  CHECK(little.device / second == Approx(device * (0.999 + 0.001 * 12 / 42)));

  // Gradients that came under the backward pass: nothing to copy out, but their norm to read.
  question.stack.optimizer_offload = plan::OptimizerOffloadSpec{1, true, false};
  const OptimizerTime early = question.time(1e9, 4);
  CHECK(early.device / second == 0);
  CHECK(early.host_update / second == Approx((30 + 4) / 40.0));
  CHECK(early.host_copies / second == Approx(2 / 50.0));
}

TEST_CASE("a step waits for its host, and says so") {
  Question question;
  const StepResult device = question.play();
  question.stack.optimizer_offload = plan::OptimizerOffloadSpec{1, false, false};
  const StepResult host = question.play();
  const double parameters =
      plan::resident_parameters(
          question.model, plan::chunks_of(question.model, host.layout, 4096).front(), host.layout)
          .total() /
      16;
  const OptimizerTime time = question.time(parameters, 8);
  question.stack.optimizer_offload.reset();
  const OptimizerTime before = question.time(parameters, 8);
  CHECK((host.duration - device.duration) / second ==
        Approx((time.device + time.host_update + time.host_copies - before.device) / second));
  CHECK(host.breakdown[Category::Transfer] / second == Approx(time.host_copies / second));
  CHECK((host.breakdown[Category::Synchronisation] - device.breakdown[Category::Synchronisation]) /
            second ==
        Approx(time.host_update / second));
  constexpr auto dimension = static_cast<std::size_t>(CommunicationDimension::Host);
  CHECK(host.communication[dimension] / second == Approx(time.copying / second));
  CHECK(host.memory.optimizer / byte == 0);
  CHECK(host.memory.host / byte == Approx(16 * parameters));
}

TEST_CASE("optimizers on the host play alike in every detail") {
  for (const bool gradients : {false, true}) {
    Question question;
    question.stack.optimizer_offload = plan::OptimizerOffloadSpec{0.5, gradients, true};
    question.request.layout.zero_stage = gradients ? 2 : 1;
    const StepResult pass = question.play(), kernel = question.play({Detail::Kernel, false});
    CHECK(kernel.duration / pass.duration == Approx(1).epsilon(0.02));
    const StepResult exact = question.play({Detail::Pass, true});
    CHECK(exact.duration / pass.duration == Approx(1).epsilon(1e-9));
    for (const StepResult* step : {&pass, &kernel, &exact})
      CHECK(step->breakdown.total() / step->duration == Approx(1).epsilon(1e-9));
  }
}

TEST_CASE("a layout that is searched for keeps within the host's memory, or says what lacks") {
  Question question;
  question.stack.optimizer_offload = plan::OptimizerOffloadSpec{1, false, false};
  question.request.layout = {};
  const auto found = [&] {
    return StepSimulator(question.pool, question.model, question.stack).search(question.request);
  };
  const auto held = [&](const plan::ParallelismSpec& layout) {
    StepSimulator::Request request = question.request;
    request.layout = layout;
    return StepSimulator(question.pool, question.model, question.stack).step(request).memory.host;
  };
  // Room for the state of one copy over all GPUs, with a tenth to spare: 8 ranks to a host.
  const double parameters = workload::parameters(question.model).total;
  question.pool.node.spec.host->memory = 1.1 * 8 * (16 * parameters / 16) * byte;
  CHECK(8 * held(found()) <= question.pool.node.spec.host->memory);
  const auto refused = [&] {
    try {
      found();
    } catch (const InfeasibleError& error) {
      return error.path() + ": " + error.message();
    }
    return std::string();
  };
  question.pool.node.spec.host->memory = 0.9 * 8 * (16 * parameters / 16) * byte;
  CHECK(refused().starts_with("parallelism: no layout fits; the closest: "));
  CHECK(refused().find("host") != std::string::npos);
  question.pool.node.spec.host.reset();
  CHECK(refused().starts_with("stack.optimizer_offload: "));
}
