// SPDX-License-Identifier: Apache-2.0
// One step of a small dense model, to be varied.
#pragma once

#include "sim/execution/step.hpp"
#include "tests/execution/setting.hpp"

namespace sim::execution::tests {

struct StepQuestion {
  hardware::PoolSpec pool =
      pool_of(2, 450 * gigabyte / second, 50 * gigabyte / second, 1e6 * gigabyte);
  workload::ModelSpec model = dense_model();
  plan::StackSpec stack;
  StepSimulator::Request request;

  explicit StepQuestion(std::int64_t batch) {
    request.sequence_length = 4096;
    request.batch = batch;
  }
  [[nodiscard]] StepResult play(Fidelity fidelity = {}) const {
    return StepSimulator(pool, model, stack, fidelity).step(request);
  }
};

} // namespace sim::execution::tests
