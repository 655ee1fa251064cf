// SPDX-License-Identifier: Apache-2.0
// What a layer keeps between its forward and its backward pass, and which layers of a model chunk
// are computed again as a whole or wait in the host's memory.
#pragma once

#include "sim/plan/layout.hpp"
#include "sim/workload/counts.hpp"

#include <limits>

namespace sim::plan {

// Place of a layer among those of its chunk. Prediction modules come after all others.
inline constexpr int prediction_layer = std::numeric_limits<int>::max();

// Parts of the layers that are not computed again as a whole.
workload::ModuleSet recomputed_modules(const StackSpec& stack);
bool recomputed_whole(const StackSpec& stack, int layer);
bool offloaded(const StackSpec& stack, int layer);

// Of one micro-batch, on a GPU: what the backward pass of a layer finds; and all that it has once
// everything is computed again. `wide`: its multiplies stay in 16 bit.
Bytes kept_activations(const StepSetting& setting, workload::LayerKind kind, int layer, bool wide);
Bytes working_set(const StepSetting& setting, workload::LayerKind kind, bool wide);

// The same of layers of a chunk that follow one another: all that stay on the device, or all that
// wait in the host's memory.
Bytes chunk_activations(const StepSetting& setting, const StageChunk& chunk, bool on_host);

} // namespace sim::plan
