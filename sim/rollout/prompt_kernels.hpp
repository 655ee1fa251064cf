// SPDX-License-Identifier: Apache-2.0
// Small kernels between the multiplies of a prompt. Of a decode step they are launches
// (`kernel_floor`): its activations stay in the cache of the chip. Those of thousands of prompt
// tokens do not, and what moves them waits for device memory.
#pragma once

#include "sim/rollout/rollout.hpp"

namespace sim::rollout {

// GPU time of one prompt token in norms, casts, rotations, activations, routing and permutations of
// all layers, in passes of `prompt_chunk` tokens a group: the memory-bound kernels of the forward
// pass that the plan room lowers for training, without copies for weight gradients. `tensor` GPUs
// share attention; the fullest of a replica's experts get `expert_imbalance` times the mean.
Seconds prompt_kernel_time(const GenerationSetting& setting, int tensor,
                           hardware::Precision multiplies, double expert_imbalance);

inline constexpr double prompt_chunk = 4096; // tokens

} // namespace sim::rollout
