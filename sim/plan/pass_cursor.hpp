// SPDX-License-Identifier: Apache-2.0
// Inside this room only. Where the next task of a chain is attached.
#pragma once

#include "sim/plan/pass.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace sim::plan {

struct PassBuilder::Cursor {
  Chain& chain;
  const LoweringContext* lowering; // of the layer that stands there
  int last = -1;                   // end of the critical path so far
  bool weights = true;             // weight gradients run in this pass
  // Each runs where automatic differentiation puts it: what follows on other streams waits for it.
  bool weights_in_order = false;
  int last_weights = -1; // then: the last weight gradient so far
  // With tensor ranks: that of the multiply whose input gradient they reduce next runs beside the
  // reduction; -1: none.
  int weights_beside = -1;
  double exchange_slowdown = 1;
  std::vector<PlannedKernel> scratch{};
  // zero_stage 3: units in the order of the pass, zero where the weights are there; the last task
  // of each gather so far, -1: none; the next unit to run.
  std::vector<ResidentParameters> units{};
  std::vector<int> gathers{};
  std::size_t next_unit = 0;
  std::vector<int> host_copies{};      // by layer of the chunk: last task of its copy, -1: none yet
  std::vector<int> weight_gradients{}; // of the current unit, where its end waits for them

  int push(PassTask task) {
    chain.push_back(std::move(task));
    return static_cast<int>(chain.size()) - 1;
  }
  // Kernels in `scratch`, one after another, the first after both; returns the last one's index.
  int push_kernels(int after, bool background, int other = -1) {
    int previous = after;
    for (PlannedKernel& kernel : scratch) {
      PassTask task;
      task.kernel = kernel;
      task.after = {previous, previous == after ? other : -1};
      task.background = background;
      previous = push(std::move(task));
    }
    scratch.clear();
    return previous;
  }
  // Ends when both have ended; takes no time.
  int join(int one, int other) {
    PassTask task;
    task.after = {one, other};
    return push(std::move(task));
  }
};

} // namespace sim::plan
