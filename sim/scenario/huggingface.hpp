// SPDX-License-Identifier: Apache-2.0
// `model: {huggingface: path/config.json}`: a transformer's dimensions as the Transformers library
// writes them down. Other keys beside it are laid over what the file says.
//
//   llama, mistral, qwen2, qwen3       gated feed-forward, grouped-query attention
//   mixtral, qwen2_moe, qwen3_moe      the same with experts
//   deepseek_v2, deepseek_v3           latent attention, experts, prediction modules
//   gpt2, gpt_neox                     two-matrix feed-forward, layer norms, biases
#pragma once

#include "sim/scenario/findings.hpp"
#include "sim/scenario/node.hpp"

namespace sim::scenario {

// Replaces such a model by its dimensions. The path starts where the file lies that names it.
void read_huggingface(Node& root, Findings& findings);

} // namespace sim::scenario
