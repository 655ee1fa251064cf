// SPDX-License-Identifier: Apache-2.0
// Steps of a stage by batch size.
#pragma once

#include "sim/plan/spec.hpp"
#include "sim/training/spec.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace sim::training {

struct BatchLevel {
  std::int64_t batch = 0; // sequences
  std::int64_t steps = 0;
};

// How much a stage trains: one of the two.
struct Amount {
  std::optional<double> tokens;
  std::optional<std::int64_t> steps;
};

// A ramp rises from `start` by (end - start) / ramp_steps after every ramp_tokens / ramp_steps
// tokens; then `end` holds. A level ends with the step that reaches its tokens, the stage with the
// step that reaches its own. `round` makes a wanted batch one that the layout can run; the end of
// the ramp is taken as given.
std::vector<BatchLevel> batch_levels(const BatchSpec& batch, double sequence_length,
                                     const Amount& amount,
                                     const std::function<std::int64_t(double)>& round);

// Batches that a layout (with `data` resolved) can run.
enum class Rounding { Nearest, Up };
std::int64_t feasible_batch(const plan::ParallelismSpec& layout, double wanted, Rounding rounding);

// Whether a batch has the micro-batches that its schedule needs: DualPipe and DualPipeV at least
// twice the pipeline, DualPipe an even number.
bool fills_schedule(const plan::ParallelismSpec& layout, std::int64_t batch);

} // namespace sim::training
