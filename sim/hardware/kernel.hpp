// SPDX-License-Identifier: Apache-2.0
// How long one kernel takes on one accelerator, as a function of the SMs that communication leaves
// it.
//
//   matrix multiply  tiles = G ceil(M/Tm) ceil(N/Tn);  waves = ceil(tiles / SMs);
//                    u = G M N / (waves SMs Tm Tn);  eta = peak_fraction K / (K + half_k) u
//                    sustained_fraction; time = 2 G M N K / (peak (SMs / all SMs) eta);  fewer rows
//                    than half of Tm halve Tm, down to 16; smaller tiles and split K where the
//                    library has them and they end first
//   attention        scores (FLOPs a score / (peak fraction) + exposed / exponentials a second)
//                    (1 + (edges tile / 2 + half_length) / keys) times the imbalance of query tiles
//                    over SMs
//   memory-bound     bytes / (bandwidth share size / (size + half_size))
// where sustained_fraction goes with the clock that a power limit leaves (power.hpp),
// and no kernel is faster than its memory traffic allows. Model and sources: README.md of this
// room.
#pragma once

#include "sim/hardware/spec.hpp"

#include <cstdint>
#include <string>

namespace sim::hardware {

enum class GemmDirection { Forward, InputGradient, WeightGradient };
enum class AttentionDirection { Forward, Backward };
enum class MemoryKind { Elementwise, Norm, Cast, Transpose, Permute, Optimizer };

// G independent products (M x K)(K x N).
struct GemmKernel {
  double groups = 1, m = 0, n = 0, k = 0;
  Precision precision = Precision::Bf16;
  GemmDirection direction = GemmDirection::Forward;
  bool scaled_per_tensor = false; // 8-bit operands: else per block
  bool own_weights = false;       // of each group, as experts have
  Bytes traffic{};                // operands and result, once each
};
// The main kernel of fused attention, always in 16 bit: a band of scores for each of `heads`
// (sequences x heads) pairs of queries and keys. Scores and FLOPs leave out what is masked.
struct AttentionKernel {
  Flops flops{};           // executed
  double heads = 0;        // each with query tiles of its own
  double queries = 0;      // of a head
  double scores = 0;       // of all heads
  double longest_keys = 0; // that the last query of a head sees
  double masked_edges = 1; // of the band: 0 full, 1 causal, 2 causal with a window
  AttentionDirection direction = AttentionDirection::Forward;
  std::string implementation{}; // empty: the accelerator's default
  Bytes traffic{};
};
struct MemoryKernel {
  Bytes traffic{};
  MemoryKind kind = MemoryKind::Elementwise;
  int kernels = 1; // launches that move it together
};

// Why a kernel takes what it takes: of its arithmetic, what leads from the chip's peak to the rate
// on all SMs; of its traffic, what leads from the chip's bandwidth to the one that it sees. A
// factor of 1 does not apply.
struct KernelFactors {
  FlopsPerSecond peak{}; // zero: memory-bound, no arithmetic counts
  Precision precision = Precision::Bf16;
  double fraction = 1; // reached at endless K with full tiles and waves; direction, groups, smaller
                       // tiles counted
  double products = 1; // attention: of its time, what is not exposed exponentials
  double ramp = 1;     // K / (K + half_k); attention: keys / (keys + those waited for)
  double tiles = 1;    // multiply-adds asked for, over those of whole tiles
  double waves = 1;    // of the SMs' time, what they have a tile; attention: mean over last SM
  double sustained = 1;
  double beside_traffic = 1; // attention near the ridge: what its traffic leaves of the rate
  Bytes moved{};             // operands, results and partial sums
  double share = 1, ramp_of_size = 1; // of bandwidth: at endless size; size / (size + half_size)
  double groups = 0, m = 0, n = 0, k = 0; // of a matrix multiply
  // Product of the arithmetic factors; zero without arithmetic.
  [[nodiscard]] FlopsPerSecond rate() const {
    return peak * (fraction * products * ramp * tiles * waves * sustained * beside_traffic);
  }
  [[nodiscard]] double of_bandwidth() const { return share * ramp_of_size; }
  bool operator==(const KernelFactors&) const = default;
};

// What a kernel asks of the chip, ready for the engine.
struct KernelDemand {
  Seconds gap{}; // launch; nothing runs
  Bytes
      traffic{}; // device-memory bytes, divided by the share of bandwidth that the kernel can reach
  Seconds compute{}; // on all SMs with full waves; zero for memory-bound kernels
  double tiles = 0;  // 0: compute time goes with 1 / SMs; else the staircase of waves
  int all_sms = 0;

  // Compute time on `sms` SMs, at least one.
  [[nodiscard]] Seconds compute_on(double sms) const;
  // Alone on the chip: gap + max(compute, traffic / bandwidth).
  [[nodiscard]] Seconds alone(const AcceleratorSpec& accelerator, double sms) const;
};

// Throw InfeasibleError("stack.precision.gemm", ...) when the accelerator has no peak or no kernels
// for the precision, InfeasibleError("stack.attention", ...) when it has no attention kernels of
// the name, and InfeasibleError("cluster", ...) when attention finds no 16-bit peak. No precision
// and no implementation stands in for another.
// `factors`, where given, is set to what the demand was made of.
KernelDemand demand(const GemmKernel& kernel, const AcceleratorSpec& accelerator,
                    KernelFactors* factors = nullptr);
KernelDemand demand(const AttentionKernel& kernel, const AcceleratorSpec& accelerator,
                    KernelFactors* factors = nullptr);
KernelDemand demand(const MemoryKernel& kernel, const AcceleratorSpec& accelerator,
                    KernelFactors* factors = nullptr);

// By name, empty: the accelerator's default. Throws InfeasibleError("stack.attention", ...) naming
// those that exist.
const AttentionKernelSpec& attention_kernels(const AcceleratorSpec& accelerator,
                                             const std::string& implementation);

Bytes bytes_per_element(Precision precision); // without block scales

// The 16-bit precision of training: BF16, or FP16 on chips that have no other.
Precision wide_precision(const AcceleratorSpec& accelerator);

// Peak rate at a precision; InfeasibleError when the accelerator has none.
FlopsPerSecond peak(const AcceleratorSpec& accelerator, Precision precision,
                    const char* path = "stack.precision.gemm");

} // namespace sim::hardware
