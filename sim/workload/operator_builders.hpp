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

std::vector<Operator> attention_operators(const ModelSpec& model, const Shard& shard);

// Up- and down-projection with the activation between them, on `rows` rows in each of `groups`
// groups.
struct FeedForwardNames {
  std::string_view up, activation, down;
};
struct FeedForwardShape {
  double groups = 1, rows = 0, hidden = 0, inner = 0; // inner: this rank's part
};
std::vector<Operator> feed_forward_operators(const FeedForwardNames& names, FeedForwardKind kind,
                                             const FeedForwardShape& shape);

} // namespace sim::workload
