// SPDX-License-Identifier: Apache-2.0
#include "sim/hardware/kernel.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/hardware/power.hpp"

#include <algorithm>
#include <cmath>

namespace sim::hardware {

namespace {

constexpr double least_row_tile = 16; // rows of the smallest tensor-core instruction
constexpr double least_tile = 64;     // edge below which libraries cut no tile of a large product

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

// How a library cuts a product into tiles, and K into parts when tiles are few.
struct Tiling {
  double tiles = 0;    // parts of K counted
  double covered = 0;  // multiply-adds of all of them
  double fraction = 1; // rate relative to the library's whole tile
  double cost = 0;   // multiply-adds in the time of one tile, fill and loss of small tiles included
  double splits = 1; // parts of K
};

struct TileShape {
  double rows = 0, columns = 0, fraction = 1; // fraction: rate relative to the library's whole tile
};

Tiling tiling_of(const GemmKernel& kernel, const GemmKernelSpec& gemm, const TileShape& shape,
                 double splits) {
  Tiling made;
  made.splits = splits;
  made.tiles = splits * kernel.groups * tiles_along(kernel.m, shape.rows) *
               tiles_along(kernel.n, shape.columns);
  made.cost = shape.rows * shape.columns * (kernel.k / splits + gemm.half_k) / shape.fraction;
  made.covered = made.tiles * shape.rows * shape.columns * (kernel.k / splits);
  made.fraction = shape.fraction;
  return made;
}

// FP32 partial sums, written and read again.
Bytes partial_sums(const GemmKernel& kernel, const Tiling& tiling) {
  constexpr double moved = 2 * 4; // bytes for each element and part
  return tiling.splits > 1 ? tiling.splits * kernel.groups * kernel.m * kernel.n * moved * byte
                           : Bytes{};
}

// The least waves times cost of a tile on a whole chip: the library does not know what else runs.
Tiling fastest_tiling(const GemmKernel& kernel, const GemmKernelSpec& gemm, double sms) {
  const TileShape whole{row_tile(kernel.m, gemm.tile_m), double(gemm.tile_n)};
  Tiling best = tiling_of(kernel, gemm, whole, 1);
  double least = std::ceil(best.tiles / sms) * best.cost;
  const auto consider = [&](const TileShape& shape) {
    Tiling next = tiling_of(kernel, gemm, shape, 1);
    const double tiles = next.tiles;
    for (int splits = 1; splits <= gemm.most_splits && (splits == 1 || splits * tiles <= sms);
         splits *= 2) {
      if (splits > 1)
        next = tiling_of(kernel, gemm, shape, splits);
      const double time = std::ceil(next.tiles / sms) * next.cost;
      if (time < least) {
        best = next;
        least = time;
      }
    }
  };
  if (best.tiles * 2 <= sms)
    consider(whole);
  const double half = gemm.half_tile_fraction;
  const double filled = kernel.groups * kernel.m * kernel.n * (kernel.k + gemm.half_k) / sms;
  if (half == 0 || (best.tiles > sms && least * half <= filled))
    return best; // smaller tiles have nothing to gain
  const bool rows = whole.rows / 2 >= least_tile, columns = whole.columns / 2 >= least_tile;
  if (rows)
    consider({whole.rows / 2, whole.columns, half});
  if (columns)
    consider({whole.rows, whole.columns / 2, half});
  if (rows && columns)
    consider({whole.rows / 2, whole.columns / 2, half * half});
  return best;
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
  case MemoryKind::Transpose:
    return memory.transpose.value_or(memory.cast);
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

void note_traffic(Bytes traffic, double share, const MemoryKernelSpec& memory, int kernels,
                  KernelFactors& factors) {
  factors.moved = traffic;
  factors.share = share;
  if (traffic > Bytes{})
    factors.ramp_of_size = traffic / (traffic + kernels * memory.half_size);
}

void note_gemm(const GemmKernel& kernel, const GemmKernelSpec& gemm, const Tiling& tiling,
               int all_sms, KernelFactors& factors) {
  const double part = kernel.k / tiling.splits;
  factors.precision = kernel.precision;
  factors.ramp = part / (part + gemm.half_k);
  factors.tiles = kernel.groups * kernel.m * kernel.n * kernel.k / tiling.covered;
  factors.waves = tiling.tiles / (std::ceil(tiling.tiles / all_sms) * all_sms);
  factors.groups = kernel.groups, factors.m = kernel.m, factors.n = kernel.n;
  factors.k = kernel.k;
}

// How much longer the last multiprocessor works than the mean. Without a mask query tiles are
// equal: whole waves. With one they are evenly spread between nothing and the longest, and taken in
// order: when none is left, those running are 2/3 of the longest on average and half done, the last
// of them ends a longest one later, so 1 - 1/3 of the longest after the mean.
double tile_imbalance(const AttentionKernel& kernel, int query_tile, double multiprocessors) {
  const double tiles = kernel.heads * tiles_along(kernel.queries, query_tile);
  if (kernel.masked_edges == 0)
    return tiles_along(tiles, multiprocessors) * multiprocessors / tiles;
  const double longest =
      kernel.longest_keys * kernel.heads * kernel.queries / kernel.scores; // over the mean
  const double share = multiprocessors / tiles;                            // of a multiprocessor
  return std::max(longest * share, 1 + 2.0 / 3 * longest * share);
}

// Near the ridge neither hides the other in full: a 4-norm of both.
Seconds beside_traffic(Seconds compute, Seconds traffic) {
  const double share = traffic / compute;
  return compute * std::sqrt(std::sqrt(1 + share * share * share * share));
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

Precision wide_precision(const AcceleratorSpec& accelerator) {
  const bool only_half =
      !accelerator.peak.contains(Precision::Bf16) && accelerator.peak.contains(Precision::Fp16);
  return only_half ? Precision::Fp16 : Precision::Bf16;
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

KernelDemand demand(const GemmKernel& kernel, const AcceleratorSpec& accelerator,
                    KernelFactors* factors) {
  SIM_ASSERT(kernel.groups >= 0 && kernel.m >= 0 && kernel.n >= 0 && kernel.k >= 0);
  const KernelSpec& kernels = accelerator.kernels.spec;
  const FlopsPerSecond rate = peak(accelerator, kernel.precision);
  const GemmKernelSpec& gemm = gemm_kernels(accelerator, kernel.precision);

  KernelDemand result;
  result.gap = kernels.launch_gap;
  result.all_sms = accelerator.streaming_multiprocessors;
  if (kernel.groups == 0 || kernel.m == 0 || kernel.n == 0 || kernel.k == 0) {
    result.traffic = effective_traffic(kernel.traffic, kernels.memory.gemm, kernels.memory, 1);
    if (factors != nullptr)
      note_traffic(kernel.traffic, kernels.memory.gemm, kernels.memory, 1, *factors);
    return result;
  }
  const Tiling tiling = fastest_tiling(kernel, gemm, result.all_sms);
  const Bytes traffic = kernel.traffic + partial_sums(kernel, tiling);
  result.traffic = effective_traffic(traffic, kernels.memory.gemm, kernels.memory, 1);
  result.tiles = tiling.tiles;
  double share = gemm.peak_fraction;
  if (kernel.direction == GemmDirection::WeightGradient)
    share *= kernel.scaled_per_tensor && gemm.weight_gradient_fraction_per_tensor
                 ? *gemm.weight_gradient_fraction_per_tensor
                 : gemm.weight_gradient_fraction;
  if (kernel.own_weights && kernel.groups > 1)
    share *= gemm.grouped_fraction;
  const Flops padded = 2 * tiling.tiles * tiling.cost * flop;
  const double sustained = sustained_rate(accelerator);
  result.compute = padded / (rate * (share * sustained));
  if (factors != nullptr) {
    note_traffic(traffic, kernels.memory.gemm, kernels.memory, 1, *factors);
    note_gemm(kernel, gemm, tiling, result.all_sms, *factors);
    factors->peak = rate;
    factors->fraction = share * tiling.fraction;
    factors->sustained = sustained;
  }
  return result;
}

const AttentionKernelSpec& attention_kernels(const AcceleratorSpec& accelerator,
                                             const std::string& implementation) {
  const AttentionKernelsSpec& kernels = accelerator.kernels->attention;
  const auto found =
      kernels.implementations.find(implementation.empty() ? kernels.standard : implementation);
  if (found != kernels.implementations.end())
    return found->second;
  std::string known;
  for (const auto& entry : kernels.implementations)
    known += entry.first + ", ";
  throw InfeasibleError("stack.attention",
                        "no attention kernels '" +
                            (implementation.empty() ? kernels.standard : implementation) +
                            "' are known for " + accelerator.title + "; known: " + known +
                            std::string(unfused_attention),
                        "choose a known one, or give these kernels in "
                        "cluster.node.accelerator.kernels.attention.implementations");
}

KernelDemand demand(const AttentionKernel& kernel, const AcceleratorSpec& accelerator,
                    KernelFactors* factors) {
  const KernelSpec& kernels = accelerator.kernels.spec;
  const AttentionKernelSpec& attention = attention_kernels(accelerator, kernel.implementation);
  // Attention is always in 16 bit: what the user can change is the chip.
  const FlopsPerSecond rate = peak(accelerator, wide_precision(accelerator), "cluster");
  if (accelerator.special_function_peak <= FlopsPerSecond{})
    throw InfeasibleError("cluster",
                          "how fast " + accelerator.title + " computes exponentials is not known",
                          "give special_function_peak of the accelerator");

  KernelDemand result;
  result.gap = kernels.launch_gap;
  result.all_sms = accelerator.streaming_multiprocessors;
  result.traffic = effective_traffic(kernel.traffic, kernels.memory.gemm, kernels.memory, 1);
  if (factors != nullptr)
    note_traffic(kernel.traffic, kernels.memory.gemm, kernels.memory, 1, *factors);
  if (kernel.flops == Flops{})
    return result;

  SIM_ASSERT(kernel.heads > 0 && kernel.queries > 0 && kernel.scores > 0);
  const bool forward = kernel.direction == AttentionDirection::Forward;
  const double fraction = forward ? attention.forward_fraction : attention.backward_fraction;
  if (fraction <= 0)
    throw InfeasibleError("stack.attention",
                          "the backward pass of attention kernels '" + kernel.implementation +
                              "' is not known for " + accelerator.title,
                          "choose others, or give backward_fraction in "
                          "cluster.node.accelerator.kernels.attention.implementations");
  const Seconds products = kernel.flops / (rate * fraction);
  const Seconds exponentials =
      attention.exposed_exponentials * (kernel.scores * flop) / accelerator.special_function_peak;
  const double keys = kernel.scores / (kernel.heads * kernel.queries);
  const double extra_keys =
      kernel.masked_edges * attention.query_tile / 2.0 + attention.half_length;
  const double imbalance = tile_imbalance(kernel, attention.query_tile, result.all_sms),
               sustained = sustained_rate(accelerator);
  const Seconds compute =
      (products + exponentials) * (1 + extra_keys / keys) * imbalance / sustained;
  result.compute = beside_traffic(compute, result.traffic / accelerator.memory_bandwidth);
  if (factors != nullptr) {
    factors->peak = rate;
    factors->precision = wide_precision(accelerator);
    factors->fraction = fraction;
    factors->products = products / (products + exponentials);
    factors->ramp = keys / (keys + extra_keys);
    factors->waves = 1 / imbalance;
    factors->sustained = sustained;
    factors->beside_traffic = compute / result.compute;
  }
  return result;
}

KernelDemand demand(const MemoryKernel& kernel, const AcceleratorSpec& accelerator,
                    KernelFactors* factors) {
  SIM_ASSERT(kernel.kernels >= 0);
  const KernelSpec& kernels = accelerator.kernels.spec;
  KernelDemand result;
  result.gap = kernel.kernels * kernels.launch_gap;
  result.all_sms = accelerator.streaming_multiprocessors;
  const double share = bandwidth_share(kernels.memory, kernel.kind);
  result.traffic = effective_traffic(kernel.traffic, share, kernels.memory, kernel.kernels);
  if (factors != nullptr)
    note_traffic(kernel.traffic, share, kernels.memory, kernel.kernels, *factors);
  return result;
}

} // namespace sim::hardware
