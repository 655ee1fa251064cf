// SPDX-License-Identifier: Apache-2.0
#include "sim/hardware/kernel.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cmath>

namespace sim::hardware {

namespace {

constexpr double least_row_tile = 16; // rows of the smallest tensor-core instruction

// Shapes from expected row counts carry rounding noise: 128.0000000001 rows are one tile of 128.
double tiles_along(double length, double tile) {
  return std::max(1.0, std::ceil(length / tile - 1e-9));
}

// Libraries switch to shorter tiles when a whole one would be mostly padding, as in decoding.
double row_tile(double rows, int tile_m) {
  double tile = tile_m;
  while (tile / 2 >= rows && tile / 2 >= least_row_tile)
    tile /= 2;
  return tile;
}

// size / (share size / (size + half_size)), for `kernels` launches of equal size.
Bytes effective_traffic(Bytes traffic, double share, const MemoryKernelSpec& memory, int kernels) {
  if (traffic == Bytes{})
    return Bytes{};
  return (traffic + kernels * memory.half_size) / share;
}

double bandwidth_share(const MemoryKernelSpec& memory, MemoryKind kind) {
  switch (kind) {
  case MemoryKind::Elementwise:
    return memory.elementwise;
  case MemoryKind::Norm:
    return memory.norm;
  case MemoryKind::Cast:
    return memory.cast;
  case MemoryKind::Permute:
    return memory.permute;
  case MemoryKind::Optimizer:
    return memory.optimizer;
  }
  SIM_ASSERT(false);
  return 0;
}

template <class Value> std::string precisions_of(const std::map<Precision, Value>& table) {
  std::string text;
  for (const auto& entry : table)
    text += (text.empty() ? "" : ", ") + std::string(name_of(entry.first));
  return text.empty() ? "none" : text;
}

const GemmKernelSpec& gemm_kernels(const AcceleratorSpec& accelerator, Precision precision) {
  const KernelSpec& kernels = accelerator.kernels.spec;
  const auto found = kernels.gemm.find(precision);
  if (found == kernels.gemm.end()) {
    const std::string& set = accelerator.kernels.name;
    throw InfeasibleError(
        "stack.precision.gemm",
        "no " + std::string(name_of(precision)) + " matrix-multiply kernels are known for " +
            accelerator.title + (set.empty() ? std::string() : " (kernels " + set + ")") +
            "; known: " + precisions_of(kernels.gemm),
        "choose a known precision, or give these kernels in cluster.node.accelerator.kernels.gemm");
  }
  return found->second;
}

} // namespace

Bytes bytes_per_element(Precision precision) {
  switch (precision) {
  case Precision::Fp32:
  case Precision::Tf32: // stored as FP32
    return 4 * byte;
  case Precision::Bf16:
  case Precision::Fp16:
    return 2 * byte;
  case Precision::Fp8:
    return 1 * byte;
  case Precision::Fp4:
    return 0.5 * byte;
  }
  SIM_ASSERT(false);
  return {};
}

FlopsPerSecond peak(const AcceleratorSpec& accelerator, Precision precision, const char* path) {
  const auto found = accelerator.peak.find(precision);
  if (found == accelerator.peak.end())
    throw InfeasibleError(path,
                          accelerator.title + " does not compute in " +
                              std::string(name_of(precision)) +
                              "; it has: " + precisions_of(accelerator.peak),
                          "choose one of its precisions, or another accelerator");
  return found->second;
}

Seconds KernelDemand::compute_on(double sms) const {
  SIM_ASSERT(all_sms >= 1);
  const double usable = std::clamp(std::floor(sms), 1.0, static_cast<double>(all_sms));
  if (tiles <= 0)
    return compute * (all_sms / usable);
  return compute * (std::ceil(tiles / usable) * all_sms / tiles);
}

Seconds KernelDemand::alone(const AcceleratorSpec& accelerator, double sms) const {
  return gap + std::max(compute_on(sms), traffic / accelerator.memory_bandwidth);
}

KernelDemand demand(const GemmKernel& kernel, const AcceleratorSpec& accelerator) {
  SIM_ASSERT(kernel.groups >= 0 && kernel.m >= 0 && kernel.n >= 0 && kernel.k >= 0);
  const KernelSpec& kernels = accelerator.kernels.spec;
  const FlopsPerSecond rate = peak(accelerator, kernel.precision);
  const GemmKernelSpec& gemm = gemm_kernels(accelerator, kernel.precision);

  KernelDemand result;
  result.gap = kernels.launch_gap;
  result.all_sms = accelerator.streaming_multiprocessors;
  result.traffic = effective_traffic(kernel.traffic, kernels.memory.gemm, kernels.memory, 1);
  if (kernel.groups == 0 || kernel.m == 0 || kernel.n == 0 || kernel.k == 0)
    return result;

  const double tile_m = row_tile(kernel.m, gemm.tile_m);
  const double tile_n = gemm.tile_n;
  result.tiles = kernel.groups * tiles_along(kernel.m, tile_m) * tiles_along(kernel.n, tile_n);
  const Flops padded = 2 * result.tiles * tile_m * tile_n * kernel.k * flop;
  double share = gemm.peak_fraction * kernel.k / (kernel.k + gemm.half_k);
  if (kernel.direction == GemmDirection::WeightGradient)
    share *= gemm.weight_gradient_fraction;
  result.compute = padded / (rate * (share * kernels.sustained_fraction));
  return result;
}

KernelDemand demand(const AttentionKernel& kernel, const AcceleratorSpec& accelerator) {
  const KernelSpec& kernels = accelerator.kernels.spec;
  const AttentionKernelSpec& attention = kernels.attention;
  // Attention is always in 16 bit: what the user can change is the chip.
  const FlopsPerSecond rate = peak(accelerator, Precision::Bf16, "cluster");

  KernelDemand result;
  result.gap = kernels.launch_gap;
  result.all_sms = accelerator.streaming_multiprocessors;
  result.traffic = effective_traffic(kernel.traffic, kernels.memory.gemm, kernels.memory, 1);
  if (kernel.flops == Flops{})
    return result;

  const double length = kernel.sequence_length;
  SIM_ASSERT(length > 0);
  const bool forward = kernel.direction == AttentionDirection::Forward;
  const double fraction = forward ? attention.forward_fraction : attention.backward_fraction;
  const double half = forward ? attention.forward_half_length : attention.backward_half_length;
  const double share = fraction * length / (length + half) * kernels.sustained_fraction;
  const double diagonal_waste = kernel.causal ? 1 + attention.query_tile / length : 1;
  result.compute = kernel.flops * diagonal_waste / (rate * share);
  return result;
}

KernelDemand demand(const MemoryKernel& kernel, const AcceleratorSpec& accelerator) {
  SIM_ASSERT(kernel.kernels >= 0);
  const KernelSpec& kernels = accelerator.kernels.spec;
  KernelDemand result;
  result.gap = kernel.kernels * kernels.launch_gap;
  result.all_sms = accelerator.streaming_multiprocessors;
  result.traffic = effective_traffic(kernel.traffic, bandwidth_share(kernels.memory, kernel.kind),
                                     kernels.memory, kernel.kernels);
  return result;
}

} // namespace sim::hardware
