// SPDX-License-Identifier: Apache-2.0
// How operators of one kind are made, for the files of this room that list a layer's operators.
#pragma once

#include "sim/workload/operators.hpp"

namespace sim::workload {

struct GemmShape {
  double groups = 1, m = 0, n = 0, k = 0;
};
Operator gemm(std::string_view name, const GemmShape& shape);

// A memory-bound operator: elements that its kernels read and write, and how many kernels there
// are.
struct Moved {
  double forward = 0, backward = 0;
  int forward_kernels = 1, backward_kernels = 1;
};
Operator memory_bound(std::string_view name, OperatorKind kind, const Moved& moved);

// Normalisation of `elements` elements: forward reads and writes; backward reads input and output
// gradient for the input gradient and once more for the weight gradient, and writes.
Operator norm(std::string_view name, double elements);

// x + f(x), or x + f(x) + g(x) with `branches` 2: forward a read of each and a write; backward the
// same, to add the gradients. Dropout adds a mask of one byte, and backward a kernel that applies
// it.
struct ResidualAdd {
  int branches = 1;
  bool dropout = false;
};
Operator residual_add(std::string_view name, double elements, const ResidualAdd& how = {});

// How tensor parallelism cuts a linear layer: its outputs, its inputs, or not at all.
enum class TensorCut { None, Outputs, Inputs };

// A linear layer and, where the model has one for it, its adapter: down to the rank, up to the
// outputs, the sum. The adapter is cut as Megatron's: the rank with the outputs, or the inputs and
// then the outputs.
struct LinearLayer {
  AdaptedLayer layer = AdaptedLayer::QueryKeyValue;
  TensorCut cut = TensorCut::None;
  int tensor = 1; // ranks of the cut
};
void push_linear(std::vector<Operator>& list, std::string_view name, const GemmShape& shape,
                 const ModelSpec& model, const LinearLayer& how, std::optional<Module> module = {});

// Where the model trains adapters alone: no weight gradients of other operators.
void freeze(std::vector<Operator>& list, const ModelSpec& model);

std::vector<Operator> attention_operators(const ModelSpec& model, const Shard& shard);

// Up- and down-projection with the activation between them, on `rows` rows in each of `groups`
// groups.
struct FeedForwardNames {
  std::string_view up, activation, down;
};
struct FeedForwardShape {
  double groups = 1, rows = 0, inner = 0; // inner: this rank's part
  int tensor = 1;                         // ranks that cut it
  Module activation = Module::Activation;
};
std::vector<Operator> feed_forward_operators(const FeedForwardNames& names, const ModelSpec& model,
                                             const FeedForwardShape& shape);

} // namespace sim::workload
