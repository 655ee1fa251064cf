// SPDX-License-Identifier: Apache-2.0
// A transformer's dimensions.
#pragma once

#include "sim/base/fields.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim::workload {

enum class AttentionKind { GroupedQuery, Latent };
enum class FeedForwardKind { SwiGlu, GeGlu, Gelu, SquaredRelu };
enum class NormKind { RmsNorm, LayerNorm };

// Parts of a layer that the backward pass can compute again by themselves: operators of a kind
// wherever they stand, or a whole feed-forward.
enum class Module {
  Norm,
  LatentUpProjection, // of queries, keys and values, with their rotary embedding
  AttentionCore,
  Activation,       // of dense feed-forwards and shared experts
  ExpertActivation, // of routed experts
  FeedForward,      // the dense one, from its normalised input
  Experts           // router, dispatch, experts, combine, from the normalised input
};
inline constexpr std::size_t modules = 7;

// Linear layers that low-rank adapters stand beside (LoRA, Hu et al. 2021, arXiv 2106.09685).
enum class AdaptedLayer { QueryKeyValue, Output, FeedForwardUp, FeedForwardDown };

// Training of adapters alone: every weight of the model is frozen.
struct AdaptersSpec {
  int rank = 0;
  std::vector<AdaptedLayer> layers{AdaptedLayer::QueryKeyValue, AdaptedLayer::Output,
                                   AdaptedLayer::FeedForwardUp, AdaptedLayer::FeedForwardDown};
};

struct AttentionSpec {
  AttentionKind kind = AttentionKind::GroupedQuery;
  int heads = 0;
  int kv_heads = 0; // 0: as many as heads (multi-head)
  int head_dim = 0;
  // Multi-head latent attention only:
  int query_rank = 0; // 0: no low-rank query
  int kv_rank = 0;
  int rope_dim = 0; // nope part is head_dim
  int value_dim = 0;
  int window = 0; // keys that a query sees at most, itself included; 0: all before it
};

struct ExpertsSpec {
  int routed = 0;
  int shared = 0;
  int active = 0;    // routed experts per token
  int inner = 0;     // inner dimension of one expert
  int max_nodes = 0; // node-limited routing; 0: no limit
};

struct ModelSpec {
  std::string title;
  int layers = 0;
  int dense_layers = 0; // first layers with a dense feed-forward; only with experts
  int hidden = 0;
  AttentionSpec attention;
  FeedForwardKind feed_forward = FeedForwardKind::SwiGlu;
  int inner = 0; // inner dimension of the dense feed-forward
  std::optional<ExpertsSpec> experts;
  int vocabulary = 0;
  bool tied_embeddings = false;
  int learned_positions = 0;
  NormKind norm = NormKind::RmsNorm;
  bool biases = false;                  // on every linear layer
  int multi_token_prediction = 0;       // extra prediction modules
  bool parallel_block = false;          // x + attention(norm x) + feed_forward(norm x), one norm
  std::optional<AdaptersSpec> adapters; // absent: all weights are trained
};

template <class V> void fields(V& v, AttentionSpec& s) {
  v("kind", s.kind, anything,
    "Grouped-query (multi-head when kv_heads equals heads) or multi-head latent attention.");
  v("heads", s.heads, required(at_least_one), "Query heads.");
  v("kv_heads", s.kv_heads, non_negative, "Key-value heads; absent: as many as heads.");
  v("head_dim", s.head_dim, required(at_least_one),
    "Dimension of a head; latent: its part without rotary embedding.");
  v("window", s.window, non_negative,
    "Sliding window: keys that a query sees at most, itself included; 0: all before it.");
  v("query_rank", s.query_rank, non_negative,
    "Latent: rank of the query projection; 0: full rank.");
  v("kv_rank", s.kv_rank, non_negative, "Latent: rank of the compressed key-value.");
  v("rope_dim", s.rope_dim, non_negative, "Latent: part of a head with rotary embedding.");
  v("value_dim", s.value_dim, non_negative, "Latent: dimension of a value head.");
}
template <class V> void fields(V& v, ExpertsSpec& s) {
  v("routed", s.routed, required(at_least_one), "Routed experts per layer.");
  v("shared", s.shared, non_negative, "Shared experts per layer.");
  v("active", s.active, required(at_least_one), "Routed experts per token.");
  v("inner", s.inner, required(at_least_one), "Inner dimension of one expert.");
  v("max_nodes", s.max_nodes, non_negative,
    "Node-limited routing: most nodes a token's experts lie on; 0: no limit.");
}
template <class V> void fields(V& v, AdaptersSpec& s) {
  v("rank", s.rank, required(at_least_one), "Inner dimension of each adapter.");
  v("layers", s.layers, anything,
    "Linear layers that have one; up: gate and up together; experts: one for each expert.");
}
template <class V> void fields(V& v, ModelSpec& s) {
  v("title", s.title, required(), "Name for people.");
  v("layers", s.layers, required(at_least_one), "Transformer layers, prediction modules aside.");
  v("dense_layers", s.dense_layers, non_negative,
    "With experts: the first layers that keep a dense feed-forward.");
  v("hidden", s.hidden, required(at_least_one), "Model dimension.");
  v("attention", s.attention, required(), "Attention.");
  v("feed_forward", s.feed_forward, anything,
    "Activation: gated with three matrices (SwiGLU, GeGLU), or two matrices (GELU, squared ReLU).");
  v("parallel_block", s.parallel_block, anything,
    "Attention and feed-forward read the same norm of the layer's input and are added together.");
  v("inner", s.inner, non_negative, "Inner dimension of the dense feed-forward.");
  v("experts", s.experts, anything, "Mixture of experts; absent: dense.");
  v("vocabulary", s.vocabulary, required(at_least_one), "Vocabulary, padding included.");
  v("tied_embeddings", s.tied_embeddings, anything,
    "Input and output embedding share their weights.");
  v("learned_positions", s.learned_positions, non_negative,
    "Length of a learned position embedding; 0: none.");
  v("norm", s.norm, anything, "Normalisation.");
  v("biases", s.biases, anything, "Linear layers have biases.");
  v("multi_token_prediction", s.multi_token_prediction, non_negative,
    "Extra multi-token-prediction modules.");
  v("adapters", s.adapters, anything,
    "Low-rank adapters (LoRA), which alone are trained: all other weights are frozen.");
}

} // namespace sim::workload

namespace sim {
inline namespace base {
template <> struct EnumNames<workload::AttentionKind> {
  static constexpr std::array names{
      std::pair{workload::AttentionKind::GroupedQuery, std::string_view{"grouped-query"}},
      std::pair{workload::AttentionKind::Latent, std::string_view{"latent"}}};
};
template <> struct EnumNames<workload::FeedForwardKind> {
  static constexpr std::array names{
      std::pair{workload::FeedForwardKind::SwiGlu, std::string_view{"swiglu"}},
      std::pair{workload::FeedForwardKind::GeGlu, std::string_view{"geglu"}},
      std::pair{workload::FeedForwardKind::Gelu, std::string_view{"gelu"}},
      std::pair{workload::FeedForwardKind::SquaredRelu, std::string_view{"squared-relu"}}};
};
template <> struct EnumNames<workload::NormKind> {
  static constexpr std::array names{
      std::pair{workload::NormKind::RmsNorm, std::string_view{"rmsnorm"}},
      std::pair{workload::NormKind::LayerNorm, std::string_view{"layernorm"}}};
};
template <> struct EnumNames<workload::Module> {
  static constexpr std::array names{
      std::pair{workload::Module::Norm, std::string_view{"norm"}},
      std::pair{workload::Module::LatentUpProjection, std::string_view{"latent-up-projection"}},
      std::pair{workload::Module::AttentionCore, std::string_view{"attention-core"}},
      std::pair{workload::Module::Activation, std::string_view{"activation"}},
      std::pair{workload::Module::ExpertActivation, std::string_view{"expert-activation"}},
      std::pair{workload::Module::FeedForward, std::string_view{"feed-forward"}},
      std::pair{workload::Module::Experts, std::string_view{"experts"}}};
};
template <> struct EnumNames<workload::AdaptedLayer> {
  static constexpr std::array names{
      std::pair{workload::AdaptedLayer::QueryKeyValue, std::string_view{"query-key-value"}},
      std::pair{workload::AdaptedLayer::Output, std::string_view{"output"}},
      std::pair{workload::AdaptedLayer::FeedForwardUp, std::string_view{"up"}},
      std::pair{workload::AdaptedLayer::FeedForwardDown, std::string_view{"down"}}};
};
template <> inline constexpr std::string_view catalogue_kind<workload::ModelSpec> = "models";
} // namespace base
} // namespace sim
