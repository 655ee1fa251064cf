// SPDX-License-Identifier: Apache-2.0
#include "sim/hardware/kernel.hpp"

#include "sim/base/diagnostics.hpp"
#include "tests/hardware/chips.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <random>

using namespace sim;
using namespace sim::hardware;

namespace {

double uniform(std::mt19937_64& bits, double low, double high) {
  return low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53;
}

// Operands in the kernel's precision, result in 16 bit.
GemmKernel kernel_of(double groups, double m, double n, double k, Precision precision) {
  const double operand = bytes_per_element(precision) / byte;
  const Bytes traffic = groups * (operand * (m * k + k * n) + 2 * m * n) * byte;
  return {.groups = groups, .m = m, .n = n, .k = k, .precision = precision, .traffic = traffic};
}

double teraflops(const GemmKernel& kernel, Seconds time) {
  const Flops work = 2 * kernel.groups * kernel.m * kernel.n * kernel.k * flop;
  return work / time / (teraflop / second);
}

std::string error_of(const AcceleratorSpec& chip, Precision precision) {
  try {
    demand(kernel_of(1, 4096, 4096, 4096, precision), chip);
  } catch (const InfeasibleError& error) {
    CHECK(error.path() == "stack.precision.gemm");
    return error.message();
  }
  return "";
}

} // namespace

TEST_CASE("GEMM rates lie within 5 % of DeepGEMM's first published table") {
  // H800, 132 SMs, FP8 with 1x128 and 128x128 scales. peak_fraction 0.74 and half_k 730 were fitted
  // on these very rows: the case shows that three constants carry ten shapes, and is no evidence
  // for any other shape.
  struct Row {
    double groups, m, n, k, published;
  };
  const Row table[] = {{1, 4096, 2112, 7168, 1058}, {1, 4096, 24576, 1536, 990},
                       {1, 4096, 32768, 512, 590},  {1, 4096, 7168, 16384, 1358},
                       {1, 4096, 4096, 7168, 1304}, {1, 4096, 7168, 2048, 1025},
                       {4, 8192, 4096, 7168, 1297}, {4, 8192, 7168, 2048, 1099},
                       {8, 4096, 4096, 7168, 1288}, {8, 4096, 7168, 2048, 1093}};
  const AcceleratorSpec chip = h800();
  for (const Row& row : table) {
    const GemmKernel kernel = kernel_of(row.groups, row.m, row.n, row.k, Precision::Fp8);
    const double rate = teraflops(kernel, demand(kernel, chip).alone(chip, 132));
    INFO(row.groups << " x " << row.m << " x " << row.n << " x " << row.k << ": " << rate);
    CHECK(rate == Approx(row.published).epsilon(0.05));
  }
}

TEST_CASE("one wave of 132 tiles takes twice as long on 108 SMs") {
  // 11 x 12 tiles of 128 x 128: u = 1 on 132 SMs; on 108 SMs two waves, u = 132 / 216 = 0.611, on
  // 108/132 of the peak.
  const AcceleratorSpec chip = h800();
  const KernelDemand one = demand(kernel_of(1, 1408, 1536, 4096, Precision::Fp8), chip);
  CHECK(one.tiles == 132);
  CHECK(one.compute_on(132).base() == Approx(one.compute.base()).epsilon(1e-15));
  CHECK(one.compute_on(131) / one.compute == Approx(2).epsilon(1e-15));
  CHECK(one.compute_on(108) / one.compute == Approx(2).epsilon(1e-15));
  CHECK(one.compute_on(66) / one.compute == Approx(2).epsilon(1e-15));
  CHECK(one.compute_on(65) / one.compute == Approx(3).epsilon(1e-15));
}

TEST_CASE("the demand equals the formula of tile and wave quantisation") {
  AcceleratorSpec chip = h800();
  chip.kernels.spec.sustained_fraction = 0.9;
  std::mt19937_64 bits(1);
  for (int i = 0; i < 2000; ++i) {
    const double groups = std::floor(uniform(bits, 1, 33));
    const double m = std::floor(uniform(bits, 128, 9000)), n = std::floor(uniform(bits, 1, 9000));
    const double k = std::floor(uniform(bits, 64, 17000)), sms = std::floor(uniform(bits, 1, 133));
    const double waves = std::ceil(groups * std::ceil(m / 128) * std::ceil(n / 128) / sms);
    const double fill = groups * m * n / (waves * sms * 128 * 128);
    const double share = 0.74 * k / (k + 730) * fill * 0.9;
    const double expected = 2 * groups * m * n * k / (1978.9e12 * (sms / 132) * share);
    const KernelDemand asked = demand(kernel_of(groups, m, n, k, Precision::Fp8), chip);
    REQUIRE(asked.compute_on(sms) / second == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("no GEMM beats its peak or its traffic, and more SMs never slow it") {
  const AcceleratorSpec chip = h800();
  std::mt19937_64 bits(2);
  for (int i = 0; i < 2000; ++i) {
    const Precision precision = i % 2 == 0 ? Precision::Bf16 : Precision::Fp8;
    const double m = uniform(bits, 0.5, 6000), n = std::floor(uniform(bits, 1, 6000));
    const GemmKernel kernel = kernel_of(std::floor(uniform(bits, 1, 9)), m, n,
                                        std::floor(uniform(bits, 1, 9000)), precision);
    const KernelDemand asked = demand(kernel, chip);
    const double sms = std::floor(uniform(bits, 1, 132));
    const Flops work = 2 * kernel.groups * m * n * kernel.k * flop;
    REQUIRE(asked.compute_on(sms) >= work / (peak(chip, precision) * (sms / 132)));
    REQUIRE(asked.alone(chip, 132) >= kernel.traffic / chip.memory_bandwidth);
    REQUIRE(asked.alone(chip, sms + 1) <= asked.alone(chip, sms));
  }
}

TEST_CASE("few rows take shorter tiles") {
  const AcceleratorSpec chip = h800();
  const auto compute = [&chip](double m) {
    return demand(kernel_of(1, m, 4096, 7168, Precision::Fp8), chip).compute;
  };
  // 64 rows fill half a tile of 128; 1 row and 16 rows fill one of 16; 65 rows need 128.
  CHECK(compute(128) / compute(64) == Approx(2));
  CHECK(compute(64) / compute(16) == Approx(4));
  CHECK(compute(1) == compute(16));
  CHECK(compute(65) == compute(128));
}

TEST_CASE("expected row counts may be fractions") {
  const AcceleratorSpec chip = h800();
  const auto tiles = [&chip](double m) {
    return demand(kernel_of(1, m, 128, 512, Precision::Fp8), chip).tiles;
  };
  CHECK(tiles(8192) == 64);
  CHECK(tiles(8192 * (1 + 1e-14)) == 64);
  CHECK(tiles(8192.5) == 65);
}

TEST_CASE("weight gradients run at their own fraction") {
  const AcceleratorSpec chip = h800();
  GemmKernel kernel = kernel_of(1, 7168, 2048, 4096, Precision::Fp8);
  const Seconds forward = demand(kernel, chip).compute;
  kernel.direction = GemmDirection::InputGradient;
  CHECK(demand(kernel, chip).compute == forward);
  kernel.direction = GemmDirection::WeightGradient;
  CHECK(forward / demand(kernel, chip).compute == Approx(0.7).epsilon(1e-14));
}

TEST_CASE("an empty GEMM only launches") {
  AcceleratorSpec chip = h800();
  chip.kernels.spec.launch_gap = 2 * microsecond;
  const KernelDemand asked = demand(kernel_of(4, 0, 4096, 7168, Precision::Fp8), chip);
  CHECK(asked.compute == Seconds{});
  CHECK(asked.gap == 2 * microsecond);
}

TEST_CASE("a precision that the chip or its kernels lack is refused by name") {
  AcceleratorSpec chip = h800();
  CHECK(error_of(chip, Precision::Fp4) ==
        "NVIDIA H800 SXM does not compute in fp4; it has: bf16, fp8");
  chip.peak[Precision::Fp16] =
      chip.peak[Precision::Bf16]; // a peak, yet no kernels: BF16's do not stand in
  CHECK(error_of(chip, Precision::Fp16) == "no fp16 matrix-multiply kernels are known for NVIDIA "
                                           "H800 SXM (kernels hopper); known: bf16, fp8");
  chip.peak.erase(Precision::Bf16);
  CHECK_THROWS_AS(demand(AttentionKernel{.flops = flop, .sequence_length = 1}, chip),
                  InfeasibleError);
}

TEST_CASE("attention: latent shapes of DeepSeek-V3 at 4096 tokens on H800") {
  // Causal forward FLOPs: 2 x 2048.5 keys x 128 heads x (192 + 128) x 4096 tokens = 6.874e11.
  // Measured in DeepSeek's published training trace (profile-data, train.json): 1.25 ms
  // forward, 3.86 ms the main backward kernel with 2.5 times the FLOPs. The default shares were
  // chosen with this trace in view; the kernels beside the main one bring backward to about 4.3 ms.
  const AcceleratorSpec chip = h800();
  AttentionKernel kernel{.flops = 2 * 2048.5 * 128 * 320 * 4096 * flop, .sequence_length = 4096};
  CHECK(demand(kernel, chip).compute / millisecond == Approx(1.25).epsilon(0.10));
  kernel.flops *= 2.5;
  kernel.direction = AttentionDirection::Backward;
  CHECK(demand(kernel, chip).compute / millisecond == Approx(4.3).epsilon(0.10));
}

TEST_CASE("attention: closed form, SM share and diagonal waste") {
  const AcceleratorSpec chip = h800();
  AttentionKernel kernel{.flops = teraflop, .sequence_length = 2048};
  const KernelDemand causal = demand(kernel, chip);
  // 1e12 (1 + 128/2048) / (989.4e12 x 0.65 x 2048/2948)
  CHECK(causal.compute / second == Approx(1.0625 / (989.4 * 0.65 * 2048 / 2948)));
  CHECK(causal.compute_on(66) / causal.compute == Approx(2));
  CHECK(causal.compute_on(0.2) / causal.compute == Approx(132)); // at least one SM
  CHECK(causal.compute_on(500) == causal.compute);               // at most all
  kernel.causal = false;
  CHECK(causal.compute / demand(kernel, chip).compute == Approx(1.0625));
}

TEST_CASE("memory-bound kernels: share by kind, half size per launch, one gap per launch") {
  AcceleratorSpec chip = h800();
  chip.kernels.spec.launch_gap = 2 * microsecond;
  const MemoryKernel norm{.traffic = 117 * megabyte, .kind = MemoryKind::Norm};
  // 117 MB / (3.35 TB/s x 0.40 x 117/120) + 2 us
  CHECK(demand(norm, chip).alone(chip, 132) / microsecond ==
        Approx(117.0 / (3.35 * 0.40 * 117 / 120) + 2));
  const MemoryKernel one{.traffic = 30 * megabyte, .kind = MemoryKind::Permute};
  const MemoryKernel three{.traffic = 90 * megabyte, .kind = MemoryKind::Permute, .kernels = 3};
  CHECK(demand(three, chip).alone(chip, 132) / demand(one, chip).alone(chip, 132) == Approx(3));
  CHECK(demand(MemoryKernel{}, chip).traffic == Bytes{});
  CHECK(demand(one, chip).compute_on(7) == Seconds{});
}

TEST_CASE("memory-bound kernels never beat the bandwidth") {
  const AcceleratorSpec chip = h800();
  for (const MemoryKind kind : {MemoryKind::Elementwise, MemoryKind::Norm, MemoryKind::Cast,
                                MemoryKind::Permute, MemoryKind::Optimizer})
    for (double size = 1; size < 1e12; size *= 10) {
      const MemoryKernel kernel{.traffic = size * byte, .kind = kind};
      CHECK(demand(kernel, chip).alone(chip, 132) > kernel.traffic / chip.memory_bandwidth);
    }
}

TEST_CASE("bytes per element") {
  CHECK(bytes_per_element(Precision::Fp32) == 4 * byte);
  CHECK(bytes_per_element(Precision::Tf32) == 4 * byte);
  CHECK(bytes_per_element(Precision::Bf16) == 2 * byte);
  CHECK(bytes_per_element(Precision::Fp16) == 2 * byte);
  CHECK(bytes_per_element(Precision::Fp8) == 1 * byte);
  CHECK(bytes_per_element(Precision::Fp4) == 0.5 * byte);
}
