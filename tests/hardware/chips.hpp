// SPDX-License-Identifier: Apache-2.0
// Chips for the tests of this room, written out so that they do not move with the catalogue.
#pragma once

#include "sim/hardware/spec.hpp"

namespace sim::hardware {

// H800 with the constants that were fitted on DeepGEMM's first published table: kernels alone on
// the chip.
inline AcceleratorSpec h800() {
  AcceleratorSpec chip;
  chip.title = "NVIDIA H800 SXM";
  chip.peak = {{Precision::Bf16, 989.4 * teraflop / second},
               {Precision::Fp8, 1978.9 * teraflop / second}};
  chip.memory_bandwidth = 3.35 * terabyte / second;
  chip.streaming_multiprocessors = 132;
  KernelSpec& kernels = chip.kernels.spec;
  chip.kernels.name = "hopper";
  kernels.gemm[Precision::Bf16] = {.peak_fraction = 0.78, .half_k = 300, .tile_m = 256};
  kernels.gemm[Precision::Fp8] = {
      .peak_fraction = 0.74, .half_k = 730, .weight_gradient_fraction = 0.7};
  kernels.attention.standard = "flash-attention-3";
  kernels.attention.implementations = {{"flash-attention-3", {0.88, 0.68, 160, 0.6, 128}},
                                       {"forward-only", {0.5, 0, 100, 1, 128}}};
  chip.special_function_peak = 3.9 * teraflop / second;
  kernels.memory = {.elementwise = 0.85,
                    .norm = 0.40,
                    .cast = 0.45,
                    .permute = 0.45,
                    .optimizer = 0.80,
                    .gemm = 0.84,
                    .half_size = 3 * megabyte,
                    .transpose = {}};
  return chip;
}

} // namespace sim::hardware
