// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/kernels.hpp"

#include <utility>

namespace sim::plan {
namespace {

using workload::Operator;
using workload::OperatorKind;

constexpr double wide = 2; // bytes of a 16-bit element

hardware::Precision precision_of(const Operator& op, const LoweringContext& context) {
  return op.low_precision ? context.stack->precision.gemm
                          : hardware::wide_precision(*context.accelerator);
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

template <class Kernel>
void push(const Kernel& kernel, Flops executed, KernelRole role, int launches,
          std::string_view name, const LoweringContext& context, std::vector<PlannedKernel>& out) {
  if (!context.explained) {
    out.push_back({hardware::demand(kernel, *context.accelerator), executed, role, launches, name});
    return;
  }
  const auto factors = std::make_shared<hardware::KernelFactors>();
  out.push_back({hardware::demand(kernel, *context.accelerator, factors.get()), executed, role,
                 launches, name, factors});
}

void push_memory(double bytes, hardware::MemoryKind kind, int kernels, KernelRole role,
                 std::string_view name, const LoweringContext& context,
                 std::vector<PlannedKernel>& out) {
  if (bytes <= 0)
    return;
  const hardware::MemoryKernel kernel{bytes * byte, kind, kernels};
  push(kernel, Flops{}, role, kernels, name, context, out);
}

// The second copy of a narrow operand, along tokens, that its weight gradient reads.
enum class SecondCopy { None, WithCast, Later };
// Needed where scales run along one axis, or tensor cores take operands along K alone. The cast
// writes both (Transformer Engine); DeepSeek's 1 x 128 tiles are cut again when the weight gradient
// runs, so that one copy is kept (arXiv 2412.19437, section 3.5.2). Frozen weights have none.
SecondCopy second_copy(const Operator& op, const LoweringContext& context) {
  const PrecisionSpec& recipe = context.stack->precision;
  if (op.frozen)
    return SecondCopy::None;
  if (recipe.gemm == hardware::Precision::Fp4 || recipe.scaling == Scaling::Micro)
    return SecondCopy::WithCast;
  if (recipe.scaling == Scaling::Block)
    return SecondCopy::Later;
  const auto& kernels = context.accelerator->kernels.spec.gemm;
  const auto found = kernels.find(recipe.gemm);
  const bool either_major = found != kernels.end() && found->second.either_major;
  return either_major ? SecondCopy::None : SecondCopy::WithCast;
}

// Reads 16 bit and writes the narrow type, once or twice; NVFP4 looks for the tensor's largest
// value before.
double cast_bytes(double elements, const PrecisionSpec& precision, SecondCopy second) {
  const bool largest = precision.gemm == hardware::Precision::Fp4;
  return elements * ((largest ? 2 : 1) * wide +
                     (second == SecondCopy::WithCast ? 2 : 1) * (stored_size(precision) / byte));
}
// Reads a narrow tensor and writes it transposed, requantised along the other axis.
double transpose_bytes(double elements, const PrecisionSpec& precision) {
  return elements * 2 * (stored_size(precision) / byte);
}

// An operand of a product and of a weight gradient, which may have arrived narrow.
void push_cast(double elements, bool arrives_narrow, const Operator& op, KernelRole role,
               const LoweringContext& context, std::vector<PlannedKernel>& out) {
  const PrecisionSpec& precision = context.stack->precision;
  const SecondCopy second = second_copy(op, context);
  double bytes = 0;
  if (!arrives_narrow)
    bytes = cast_bytes(elements, precision, second);
  else if (second == SecondCopy::WithCast)
    bytes = transpose_bytes(elements, precision);
  // One scale for all is a stream of elements; blocks find the largest of each first.
  const bool stream = precision.scaling == Scaling::Tensor;
  const int kernels = precision.gemm == hardware::Precision::Fp4 ? 2 : 1;
  push_memory(bytes, stream ? hardware::MemoryKind::Elementwise : hardware::MemoryKind::Cast,
              kernels, role, "cast", context, out);
}

// Bytes of an element that travels in the dispatch's precision, with its part of one FP32 scale per
// 128 elements.
double dispatched_width(const LoweringContext& context) {
  const hardware::Precision dispatch = context.stack->precision.dispatch;
  return narrow(dispatch) ? hardware::bytes_per_element(dispatch) / byte + 4.0 / 128 : wide;
}
bool gradient_arrives_narrow(const Operator& op, const LoweringContext& context) {
  return op.backward_dispatched && narrow(context.stack->precision.dispatch);
}

void push_gemm(const Operator& op, hardware::GemmDirection direction, hardware::Precision precision,
               KernelRole role, const LoweringContext& context, std::vector<PlannedKernel>& out) {
  const double width = hardware::bytes_per_element(precision) / byte;
  hardware::GemmKernel kernel;
  kernel.groups = op.groups;
  kernel.own_weights = op.weight_elements > 0;
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
    // The sum is read, added to and written, or a new gradient written.
    bytes = width * (op.input_elements + op.output_elements) +
            (context.stack->fused_gradient_sums ? 2 * context.stack->precision.gradient_bytes / byte
                                                : wide) *
                op.weight_elements;
    break;
  }
  kernel.traffic = bytes * byte;
  push(kernel, 2 * op.groups * op.m * op.n * op.k * flop, role, 1, op.name, context, out);
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
  push(kernel, kernel.flops, role, 1, op.name, context, out);
  if (!forward)
    push_memory(wide * op.backward_after_elements, beside, 1, role, op.name, context, out);
}

// Megatron-LM's vocabulary-parallel cross entropy, mpu/cross_entropy.py, in bytes of a logit.
// Forward: a copy in FP32 (2 + 4), maximum (4), difference, exponential and quotient in place (8
// each), sum (4). Backward: the product with the loss's gradient in place (8), a copy in 16 bit (4
// + 2).
constexpr double fused_loss_bytes = 8, eager_loss_forward = 38, eager_loss_backward = 14;
constexpr int eager_forward_kernels = 6, eager_backward_kernels = 2;

bool eager_loss(const Operator& op, const LoweringContext& context) {
  return op.kind == OperatorKind::Loss && !context.stack->fused_loss;
}
// `elements`: 16-bit ones of the fused kernel.
void push_eager_loss(double elements, double bytes_per_logit, int kernels, KernelRole role,
                     const Operator& op, const LoweringContext& context,
                     std::vector<PlannedKernel>& out) {
  push_memory(wide * elements / fused_loss_bytes * bytes_per_logit,
              hardware::MemoryKind::Elementwise, kernels, role, op.name, context, out);
}

// Both gradients of a product of two activations, in 16 bit: dA = dC B^T, and dB = A^T dC, which is
// the input gradient of the transposed product.
void push_batched_gradients(const Operator& op, KernelRole role, const LoweringContext& context,
                            std::vector<PlannedKernel>& out) {
  Operator transposed = op;
  std::swap(transposed.m, transposed.n);
  std::swap(transposed.input_elements, transposed.weight_elements);
  for (const Operator* each : {&op, &std::as_const(transposed)})
    push_gemm(*each, hardware::GemmDirection::InputGradient,
              hardware::wide_precision(*context.accelerator), role, context, out);
}

} // namespace

Bytes stored_size(const PrecisionSpec& precision) {
  const Bytes width = hardware::bytes_per_element(precision.gemm);
  if (precision.gemm == hardware::Precision::Fp4)
    return width + 1.0 / 16 * byte;
  if (!narrow(precision.gemm))
    return width;
  switch (precision.scaling) {
  case Scaling::Block:
    return width + 4.0 / 128 * byte;
  case Scaling::Micro:
    return width + 1.0 / 32 * byte;
  case Scaling::Tensor:
    break;
  }
  return width;
}

void lower_forward(const Operator& op, const LoweringContext& context, KernelRole role,
                   bool input_quantised, std::vector<PlannedKernel>& out) {
  if (op.kind == OperatorKind::Gemm) {
    const hardware::Precision precision = precision_of(op, context);
    if (narrow(precision))
      push_cast(op.input_elements, input_quantised, op, role, context, out);
    push_gemm(op, hardware::GemmDirection::Forward, precision, role, context, out);
  } else if (op.kind == OperatorKind::BatchedGemm) {
    push_gemm(op, hardware::GemmDirection::Forward, hardware::wide_precision(*context.accelerator),
              role, context, out);
  } else if (op.kind == OperatorKind::Attention) {
    push_attention(op, hardware::AttentionDirection::Forward, role, context, out);
  } else if (eager_loss(op, context)) {
    push_eager_loss(op.forward_elements, eager_loss_forward, eager_forward_kernels, role, op,
                    context, out);
  } else {
    const double width = op.forward_dispatched ? dispatched_width(context) : wide;
    push_memory(width * op.forward_elements, memory_kind(op.kind), op.forward_kernels, role,
                op.name, context, out);
  }
}

void lower_input_gradient(const Operator& op, const LoweringContext& context,
                          std::vector<PlannedKernel>& out) {
  constexpr KernelRole role = KernelRole::InputGradient;
  if (op.kind == OperatorKind::Gemm) {
    const hardware::Precision precision = precision_of(op, context);
    if (narrow(precision))
      push_cast(op.output_elements, gradient_arrives_narrow(op, context), op, role, context, out);
    push_gemm(op, hardware::GemmDirection::InputGradient, precision, role, context, out);
  } else if (op.kind == OperatorKind::BatchedGemm) {
    push_batched_gradients(op, role, context, out);
  } else if (op.kind == OperatorKind::Attention) {
    push_attention(op, hardware::AttentionDirection::Backward, role, context, out);
  } else if (eager_loss(op, context)) {
    push_eager_loss(op.backward_elements, eager_loss_backward, eager_backward_kernels, role, op,
                    context, out);
  } else {
    const double width = op.backward_dispatched ? dispatched_width(context) : wide;
    push_memory(width * op.backward_elements, memory_kind(op.kind), op.backward_kernels, role,
                op.name, context, out);
  }
}

void lower_weight_gradient(const Operator& op, const LoweringContext& context,
                           std::vector<PlannedKernel>& out) {
  if (op.kind != OperatorKind::Gemm || op.frozen)
    return;
  constexpr KernelRole role = KernelRole::WeightGradient;
  const hardware::Precision precision = precision_of(op, context);
  const PrecisionSpec& recipe = context.stack->precision;
  if (narrow(precision) && second_copy(op, context) == SecondCopy::Later) {
    // Activations are kept narrow, gradients in 16 bit unless they have travelled narrow.
    const double gradient = gradient_arrives_narrow(op, context)
                                ? transpose_bytes(op.output_elements, recipe)
                                : cast_bytes(op.output_elements, recipe, SecondCopy::Later);
    push_memory(transpose_bytes(op.input_elements, recipe) + gradient,
                hardware::MemoryKind::Transpose, 2, role, "transpose", context, out);
  }
  push_gemm(op, hardware::GemmDirection::WeightGradient, precision, role, context, out);
  if (!context.stack->fused_gradient_sums)
    push_memory((wide + 2 * recipe.gradient_bytes / byte) * op.weight_elements,
                hardware::MemoryKind::Elementwise, 1, role, "gradient_sum", context, out);
}

void lower_weight_cast(double elements, const LoweringContext& context,
                       std::vector<PlannedKernel>& out) {
  if (!narrow(context.stack->precision.gemm))
    return;
  Operator weights;
  weights.low_precision = true;
  // Blocks of weights are square: their second copy is made with the first.
  if (second_copy(weights, context) == SecondCopy::Later)
    push_memory(cast_bytes(elements, context.stack->precision, SecondCopy::WithCast),
                hardware::MemoryKind::Cast, 1, KernelRole::Forward, "cast", context, out);
  else
    push_cast(elements, false, weights, KernelRole::Forward, context, out);
}

} // namespace sim::plan
