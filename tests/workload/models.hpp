// SPDX-License-Identifier: Apache-2.0
// Models for the tests of this room, written out from their papers so that they do not move with
// the catalogue.
#pragma once

#include "sim/workload/spec.hpp"

namespace sim::workload {

// DeepSeek-V3 Technical Report (arXiv 2412.19437), section 4.2.
inline ModelSpec deepseek_v3() {
  ModelSpec model;
  model.title = "DeepSeek-V3";
  model.layers = 61;
  model.dense_layers = 3;
  model.hidden = 7168;
  model.attention = {.kind = AttentionKind::Latent,
                     .heads = 128,
                     .head_dim = 128,
                     .query_rank = 1536,
                     .kv_rank = 512,
                     .rope_dim = 64,
                     .value_dim = 128};
  model.inner = 18432;
  model.experts =
      ExpertsSpec{.routed = 256, .shared = 1, .active = 8, .inner = 2048, .max_nodes = 4};
  model.vocabulary = 129280;
  model.multi_token_prediction = 1;
  return model;
}

// The Llama 3 Herd of Models (arXiv 2407.21783), Table 3.
inline ModelSpec llama_3(int layers, int hidden, int heads, int inner) {
  ModelSpec model;
  model.title = "Llama 3.1";
  model.layers = layers;
  model.hidden = hidden;
  model.attention = {.heads = heads, .kv_heads = 8, .head_dim = 128};
  model.inner = inner;
  model.vocabulary = 128256;
  return model;
}
inline ModelSpec llama_3_8b() { return llama_3(32, 4096, 32, 14336); }
inline ModelSpec llama_3_70b() { return llama_3(80, 8192, 64, 28672); }
inline ModelSpec llama_3_405b() { return llama_3(126, 16384, 128, 53248); }

// Language Models are Few-Shot Learners (arXiv 2005.14165), Table 2.1.
inline ModelSpec gpt_3() {
  ModelSpec model;
  model.title = "GPT-3 175B";
  model.layers = 96;
  model.hidden = 12288;
  model.attention = {.heads = 96, .head_dim = 128};
  model.feed_forward = FeedForwardKind::Gelu;
  model.inner = 4 * 12288;
  model.vocabulary = 50257;
  model.tied_embeddings = true;
  model.learned_positions = 2048;
  model.norm = NormKind::LayerNorm;
  model.biases = true;
  return model;
}

} // namespace sim::workload
