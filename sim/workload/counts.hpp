// SPDX-License-Identifier: Apache-2.0
// Parameters, training FLOPs, stored activations and key-value cache of a model, by closed formulas
// (README.md).
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/workload/operators.hpp"
#include "sim/workload/spec.hpp"

#include <array>
#include <initializer_list>
#include <optional>

namespace sim::workload {

struct LayerParameters {
  double attention = 0, norms = 0,
         dense = 0;          // dense: dense feed-forward, shared experts and router
  double experts = 0;        // all routed experts
  double active_experts = 0; // those a token uses
  [[nodiscard]] double total() const { return attention + norms + dense + experts; }
};
LayerParameters layer_parameters(const ModelSpec& model, LayerKind kind);

// Parameters of a layer's adapters: rank (inputs + outputs) of each linear layer that has one.
struct AdapterParameters {
  double dense = 0;          // attention, dense feed-forward, shared experts
  double experts = 0;        // all routed experts
  double active_experts = 0; // those a token uses
};
AdapterParameters adapter_parameters(const ModelSpec& model, LayerKind kind);

struct Parameters {
  double total = 0;  // prediction modules aside
  double active = 0; // used by one token, embedding table included
  double active_matrices =
      0; // used by one token in matrix multiplies: head included, embedding table not
  double embedding = 0, head = 0, final_norm = 0, positions = 0;
  double prediction_modules = 0; // extra parameters of multi-token prediction, shared tables aside
  double adapters = 0;           // beside all of the above
};
Parameters parameters(const ModelSpec& model); // throws InfeasibleError("model...") when dimensions
                                               // do not fit together

// Training FLOPs per token: three times forward, no recomputation, prediction modules aside.
// Multiplies with frozen weights count twice: forward and input gradient.
struct TrainingFlops {
  Flops causal{}, full{};
  Flops forward_causal{}, forward_full{};
  Flops prediction_causal{}, prediction_full{}; // what multi-token prediction adds
};
TrainingFlops training_flops_per_token(const ModelSpec& model, double sequence_length,
                                       double attended_length = 0);

// Modules that are computed again.
class ModuleSet {
public:
  ModuleSet() = default;
  ModuleSet(std::initializer_list<Module> list) {
    for (const Module module : list)
      add(module);
  }
  void add(Module module) { bits_ |= bit(module); }
  [[nodiscard]] bool has(Module module) const { return (bits_ & bit(module)) != 0; }
  [[nodiscard]] bool empty() const { return bits_ == 0; }

private:
  static constexpr unsigned bit(Module module) { return 1U << static_cast<unsigned>(module); }
  unsigned bits_ = 0;
};

// 16-bit elements kept for the backward pass, per rank, one layer, one micro-batch.
struct KeptElements {
  double inputs = 0; // operands of matrix multiplies, input of the activation: in the GEMM
                     // precision where the stack caches them so
  double others = 0; // 16 bit
  [[nodiscard]] double total() const { return inputs + others; }
};
class ActivationElements {
public:
  // Elements that are dropped when `module` is computed again, and, where they lie inside a module
  // that can be computed again as a whole, with that.
  void add(const KeptElements& elements, std::optional<Module> module = {},
           std::optional<Module> within = {});
  [[nodiscard]] KeptElements kept(const ModuleSet& again = {}) const;

  double boundary = 0; // layer input: all that recomputation of whole layers keeps
  Bytes fixed{};       // FP32 statistics of fused attention, masks of dropout after both branches

private:
  // By the module, none last; and by none, FeedForward, Experts.
  std::array<std::array<KeptElements, 3>, modules + 1> elements_{};
};
ActivationElements activation_elements(const ModelSpec& model, LayerKind kind, const Shard& shard);

// Elements of key-value cache per token and layer: 2 g d, or kv_rank + rope_dim for latent
// attention.
double kv_elements_per_token_layer(const ModelSpec& model);

// Elements of one layer's keys and values (latents, where attention has them) of the tokens
// that a rank gathers from its context-parallel group: its share of the key-value heads, at least
// one. None without context parallelism.
double gathered_kv_elements(const ModelSpec& model, const Shard& shard);

// Elements that a rank sends where context ranks exchange heads, the part for itself included:
// queries, keys and values before the core (of at least one key-value head for each rank), results
// after it.
struct ExchangedElements {
  double before = 0, after = 0;
};
ExchangedElements exchanged_elements(const ModelSpec& model, const Shard& shard);

} // namespace sim::workload
