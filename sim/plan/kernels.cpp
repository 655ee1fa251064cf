// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/kernels.hpp"

#include <utility>

namespace sim::plan {
namespace {

using workload::Operator;
using workload::OperatorKind;

constexpr double wide = 2; // bytes of a 16-bit element

hardware::Precision precision_of(const Operator& op, const StackSpec& stack) {
  return op.low_precision ? stack.precision.gemm : hardware::Precision::Bf16;
}

bool narrow(hardware::Precision precision) {
  return hardware::bytes_per_element(precision) / byte < wide;
}

hardware::MemoryKind memory_kind(OperatorKind kind) {
  switch (kind) {
  case OperatorKind::Norm:
  case OperatorKind::Loss:
    return hardware::MemoryKind::Norm;
  case OperatorKind::Rotary:
  case OperatorKind::Permute:
    return hardware::MemoryKind::Permute;
  case OperatorKind::Cast:
    return hardware::MemoryKind::Cast;
  default:
    return hardware::MemoryKind::Elementwise;
  }
}

void push_memory(double bytes, hardware::MemoryKind kind, int kernels, KernelRole role,
                 std::string_view name, const LoweringContext& context,
                 std::vector<PlannedKernel>& out) {
  if (bytes <= 0)
    return;
  const hardware::MemoryKernel kernel{bytes * byte, kind, kernels};
  out.push_back({hardware::demand(kernel, *context.accelerator), Flops{}, role, kernels, name});
}

// Scales along one axis: the weight gradient, which runs along the other, needs a second copy.
bool one_way_scales(const PrecisionSpec& precision) {
  return precision.gemm == hardware::Precision::Fp4 || precision.scaling == Scaling::Micro;
}

// Reads 16 bit and writes the narrow type: both ways at once where each way has its own scales and
// the weight gradient will want the other.
double cast_bytes(double elements, const PrecisionSpec& precision, bool frozen) {
  const bool both = one_way_scales(precision) && !frozen;
  const bool largest = precision.gemm == hardware::Precision::Fp4; // read once more, before
  return elements * ((largest ? 2 : 1) * wide + (both ? 2 : 1) * stored_bytes(precision));
}
// Reads a narrow tensor and writes it transposed, requantised along the other axis.
double transpose_bytes(double elements, const PrecisionSpec& precision) {
  return elements * 2 * stored_bytes(precision);
}
int cast_kernels(const PrecisionSpec& precision) {
  return precision.gemm == hardware::Precision::Fp4 ? 2 : 1;
}

void push_cast(double elements, const Operator& op, KernelRole role, const LoweringContext& context,
               std::vector<PlannedKernel>& out) {
  const PrecisionSpec& precision = context.stack->precision;
  push_memory(cast_bytes(elements, precision, op.frozen), hardware::MemoryKind::Cast,
              cast_kernels(precision), role, "cast", context, out);
}

void push_gemm(const Operator& op, hardware::GemmDirection direction, hardware::Precision precision,
               KernelRole role, const LoweringContext& context, std::vector<PlannedKernel>& out) {
  const double width = hardware::bytes_per_element(precision) / byte;
  hardware::GemmKernel kernel;
  kernel.groups = op.groups;
  kernel.precision = precision;
  kernel.scaled_per_tensor = context.stack->precision.scaling == Scaling::Tensor;
  kernel.direction = direction;
  double bytes = 0;
  switch (direction) {
  case hardware::GemmDirection::Forward:
    kernel.m = op.m, kernel.n = op.n, kernel.k = op.k;
    bytes = width * (op.input_elements + op.weight_elements) + wide * op.output_elements;
    break;
  case hardware::GemmDirection::InputGradient:
    kernel.m = op.m, kernel.n = op.k, kernel.k = op.n;
    bytes = width * (op.output_elements + op.weight_elements) + wide * op.input_elements;
    break;
  case hardware::GemmDirection::WeightGradient:
    kernel.m = op.k, kernel.n = op.n, kernel.k = op.m;
    // The gradient is read, added to and written.
    bytes = width * (op.input_elements + op.output_elements) +
            2 * context.stack->precision.gradient_bytes / byte * op.weight_elements;
    break;
  }
  kernel.traffic = bytes * byte;
  out.push_back({hardware::demand(kernel, *context.accelerator),
                 2 * op.groups * op.m * op.n * op.k * flop, role, 1, op.name});
}

void push_attention(const Operator& op, hardware::AttentionDirection direction, KernelRole role,
                    const LoweringContext& context, std::vector<PlannedKernel>& out) {
  hardware::AttentionKernel kernel;
  const bool forward = direction == hardware::AttentionDirection::Forward;
  // Five matrix products backward for two forward (FlashAttention recomputes the scores).
  kernel.flops = (forward ? 1 : 2.5) * op.core_forward;
  kernel.heads = op.heads;
  kernel.queries = op.queries;
  kernel.scores = op.scores;
  kernel.longest_keys = op.keys;
  kernel.masked_edges = op.masked_edges;
  kernel.direction = direction;
  kernel.implementation = context.stack->attention;
  kernel.traffic = wide * (forward ? op.forward_elements : op.backward_elements) * byte;
  constexpr auto beside = hardware::MemoryKind::Elementwise;
  if (!forward)
    push_memory(wide * op.backward_before_elements, beside, 1, role, op.name, context, out);
  out.push_back({hardware::demand(kernel, *context.accelerator), kernel.flops, role, 1, op.name});
  if (!forward)
    push_memory(wide * op.backward_after_elements, beside, 1, role, op.name, context, out);
}

// Both gradients of a product of two activations, in 16 bit: dA = dC B^T, and dB = A^T dC, which is
// the input gradient of the transposed product.
void push_batched_gradients(const Operator& op, KernelRole role, const LoweringContext& context,
                            std::vector<PlannedKernel>& out) {
  Operator transposed = op;
  std::swap(transposed.m, transposed.n);
  std::swap(transposed.input_elements, transposed.weight_elements);
  for (const Operator* each : {&op, &std::as_const(transposed)})
    push_gemm(*each, hardware::GemmDirection::InputGradient, hardware::Precision::Bf16, role,
              context, out);
}

} // namespace

double stored_bytes(const PrecisionSpec& precision) {
  const double width = hardware::bytes_per_element(precision.gemm) / byte;
  if (precision.gemm == hardware::Precision::Fp4)
    return width + 1.0 / 16;
  if (!narrow(precision.gemm))
    return width;
  switch (precision.scaling) {
  case Scaling::Block:
    return width + 4.0 / 128;
  case Scaling::Micro:
    return width + 1.0 / 32;
  case Scaling::Tensor:
    break;
  }
  return width;
}

void lower_forward(const Operator& op, const LoweringContext& context, KernelRole role,
                   bool input_quantised, std::vector<PlannedKernel>& out) {
  if (op.kind == OperatorKind::Gemm) {
    const hardware::Precision precision = precision_of(op, *context.stack);
    if (narrow(precision) && !input_quantised)
      push_cast(op.input_elements, op, role, context, out);
    push_gemm(op, hardware::GemmDirection::Forward, precision, role, context, out);
  } else if (op.kind == OperatorKind::BatchedGemm) {
    push_gemm(op, hardware::GemmDirection::Forward, hardware::Precision::Bf16, role, context, out);
  } else if (op.kind == OperatorKind::Attention) {
    push_attention(op, hardware::AttentionDirection::Forward, role, context, out);
  } else {
    push_memory(wide * op.forward_elements, memory_kind(op.kind), op.forward_kernels, role, op.name,
                context, out);
  }
}

void lower_input_gradient(const Operator& op, const LoweringContext& context,
                          std::vector<PlannedKernel>& out) {
  constexpr KernelRole role = KernelRole::InputGradient;
  if (op.kind == OperatorKind::Gemm) {
    const hardware::Precision precision = precision_of(op, *context.stack);
    if (narrow(precision))
      push_cast(op.output_elements, op, role, context, out);
    push_gemm(op, hardware::GemmDirection::InputGradient, precision, role, context, out);
  } else if (op.kind == OperatorKind::BatchedGemm) {
    push_batched_gradients(op, role, context, out);
  } else if (op.kind == OperatorKind::Attention) {
    push_attention(op, hardware::AttentionDirection::Backward, role, context, out);
  } else {
    push_memory(wide * op.backward_elements, memory_kind(op.kind), op.backward_kernels, role,
                op.name, context, out);
  }
}

void lower_weight_gradient(const Operator& op, const LoweringContext& context,
                           std::vector<PlannedKernel>& out) {
  if (op.kind != OperatorKind::Gemm || op.frozen)
    return;
  constexpr KernelRole role = KernelRole::WeightGradient;
  const hardware::Precision precision = precision_of(op, *context.stack);
  const PrecisionSpec& recipe = context.stack->precision;
  if (narrow(precision) && !one_way_scales(recipe))
    push_memory(transpose_bytes(op.input_elements + op.output_elements, recipe),
                hardware::MemoryKind::Cast, 2, role, "transpose", context, out);
  push_gemm(op, hardware::GemmDirection::WeightGradient, precision, role, context, out);
}

} // namespace sim::plan
