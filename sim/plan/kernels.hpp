// SPDX-License-Identifier: Apache-2.0
// Operators to kernels: the stack's precision recipe decides which kernels run, and which casts
// stand between them.
#pragma once

#include "sim/hardware/kernel.hpp"
#include "sim/plan/spec.hpp"
#include "sim/workload/operators.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace sim::plan {

enum class KernelRole { Forward, Recompute, InputGradient, WeightGradient };

struct PlannedKernel {
  hardware::KernelDemand demand;
  Flops executed{};
  KernelRole role = KernelRole::Forward;
  int launches = 1;
  std::string_view name{}; // of its operator, or "cast", "transpose", ...: for traces
  // Why it takes what it takes; null unless LoweringContext::explained.
  std::shared_ptr<const hardware::KernelFactors> factors{};
};

// What a lowering needs to know besides the operator.
struct LoweringContext {
  const StackSpec* stack = nullptr;
  const hardware::AcceleratorSpec* accelerator = nullptr;
  bool explained = false; // kernels keep the factors of their times
};

// An element of a tensor in the precision of matrix multiplies, with its share of a scale.
Bytes stored_size(const PrecisionSpec& precision);

// Append the kernels of one operator. With 8-bit matrix multiplies: forward casts its activation
// operand, the input gradient casts the output's gradient. Where weight gradients need copies along
// tokens, casts write them too (one scale per tensor on Hopper; MXFP8 and NVFP4, whose scales run
// along one axis, NVFP4 after a pass for the tensor's largest value, arXiv 2509.25149), or, with
// DeepSeek-V3's blocks, the weight gradient makes them of the narrow activation and the 16-bit
// gradient (DeepSeek-V3 report, sections 3.3 and 3.5.2). `input_quantised`: the operand arrives in
// the GEMM precision (expert dispatch).
void lower_forward(const workload::Operator& op, const LoweringContext& context, KernelRole role,
                   bool input_quantised, std::vector<PlannedKernel>& out);
void lower_input_gradient(const workload::Operator& op, const LoweringContext& context,
                          std::vector<PlannedKernel>& out);
void lower_weight_gradient(const workload::Operator& op, const LoweringContext& context,
                           std::vector<PlannedKernel>& out);

// Weights cut to the precision of the multiplies, once a step (Transformer Engine keeps them for
// the step's other micro-batches); both ways where the input gradient cannot read the same copy.
// Nothing where multiplies are wide.
void lower_weight_cast(double elements, const LoweringContext& context,
                       std::vector<PlannedKernel>& out);

} // namespace sim::plan
