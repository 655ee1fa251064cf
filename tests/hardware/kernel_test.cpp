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

// DeepSeek-V3 at 4096 tokens: 128 heads of 192 and 128 dimensions, a causal mask.
AttentionKernel latent_core() {
  AttentionKernel kernel{.heads = 128, .queries = 4096, .longest_keys = 4096};
  kernel.scores = 128 * 4096 * 2048.5;
  kernel.flops = kernel.scores * 2 * (192 + 128) * flop;
  return kernel;
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

TEST_CASE("a library with several tiles takes the one that ends first") {
  AcceleratorSpec chip = h800();
  GemmKernelSpec& gemm = chip.kernels->gemm[Precision::Bf16];
  gemm.half_tile_fraction = 0.9;
  // 7 x 19 tiles of 256 x 128 are two waves of 132. Halved: 266, three waves of half the work at
  // 0.9 of the rate; halved again: 532, five waves of a quarter at 0.81.
  const GemmKernel odd = kernel_of(1, 7 * 256, 19 * 128, 4096, Precision::Bf16);
  const double whole_tile =
      2.0 * 256 * 128 * (4096 + 300) / (989.4e12 / 132 * gemm.peak_fraction); // on one SM
  CHECK(demand(odd, chip).compute_on(132) / second == Approx(whole_tile * 5 / 4 / 0.81));
  gemm.half_tile_fraction = 0.5; // no use
  CHECK(demand(odd, chip).compute_on(132) / second == Approx(whole_tile * 2));
  // A whole wave of the largest tile is never given up.
  const GemmKernel even = kernel_of(1, 11 * 256, 12 * 128, 4096, Precision::Bf16);
  gemm.half_tile_fraction = 0.9;
  CHECK(demand(even, chip).tiles == 132);
}

TEST_CASE("a library that splits K fills the chip when tiles are few") {
  AcceleratorSpec chip = h800();
  GemmKernelSpec& gemm = chip.kernels->gemm[Precision::Bf16];
  const GemmKernel few = kernel_of(1, 256, 11 * 128, 8192, Precision::Bf16); // 11 tiles
  const KernelDemand whole = demand(few, chip);
  gemm.most_splits = 8;
  const KernelDemand split = demand(few, chip);
  CHECK(split.tiles == 88);
  // Each part has an eighth of K and a fill of its own.
  CHECK(split.compute_on(132) / whole.compute_on(132) == Approx((1024.0 + 300) / (8192 + 300)));
  // FP32 partial sums are written and read.
  CHECK((split.traffic - whole.traffic) / byte == Approx(8 * 256 * 1408.0 * 8 / 0.84));
  // 132 tiles need no splitting.
  CHECK(demand(kernel_of(1, 11 * 256, 12 * 128, 8192, Precision::Bf16), chip).tiles == 132);
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

TEST_CASE("multiplies of several experts run at a fraction of their own, batched ones do not") {
  AcceleratorSpec chip = h800();
  GemmKernel kernel = kernel_of(4, 4096, 2048, 4096, Precision::Fp8);
  const Seconds batched = demand(kernel, chip).compute;
  chip.kernels->gemm[Precision::Fp8].grouped_fraction = 0.5;
  CHECK(demand(kernel, chip).compute == batched);
  kernel.own_weights = true;
  CHECK(demand(kernel, chip).compute / batched == Approx(2));
  kernel.groups = 1;
  CHECK(demand(kernel, chip).compute / batched < 0.5);
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
  chip.peak.erase(Precision::Fp16); // which stands in for BF16 in attention
  CHECK_THROWS_AS(demand(latent_core(), chip), InfeasibleError);
}

TEST_CASE("attention: latent shapes of DeepSeek-V3 at 4096 tokens on H800") {
  // Measured in DeepSeek's published training trace (profile-data, train.json): 1.25 ms
  // forward, 3.86 ms the main backward kernel with 2.5 times the FLOPs, both beside communication,
  // to which 20 of 132 SMs were given.
  const AcceleratorSpec chip = h800();
  AttentionKernel kernel = latent_core();
  CHECK(demand(kernel, chip).compute_on(112) / millisecond == Approx(1.25).epsilon(0.10));
  kernel.flops *= 2.5;
  kernel.direction = AttentionDirection::Backward;
  CHECK(demand(kernel, chip).compute_on(112) / millisecond == Approx(3.86).epsilon(0.10));
}

TEST_CASE("attention: products, exponentials, what tiles wait and how they spread over SMs") {
  AcceleratorSpec chip = h800();
  chip.kernels->attention.implementations["test"] = {0.5, 0.25, 100, 0.5, 128};
  // 165 heads of 8 tiles each: 1320 tiles, 10 waves of 132.
  AttentionKernel kernel{.heads = 165, .queries = 1024, .longest_keys = 1024, .masked_edges = 0};
  kernel.implementation = "test";
  kernel.scores = 165 * 1024.0 * 1024;
  kernel.flops = kernel.scores * 512 * flop;
  const double products = 165 * 1024.0 * 1024 * 512 / (989.4e12 * 0.5);
  const double exponentials = 0.5 * 165 * 1024.0 * 1024 / 3.9e12;
  const KernelDemand full = demand(kernel, chip);
  CHECK(full.compute / second == Approx((products + exponentials) * (1 + 100.0 / 1024)));
  CHECK(full.compute_on(66) / full.compute == Approx(2));
  CHECK(full.compute_on(0.2) / full.compute == Approx(132)); // at least one SM
  CHECK(full.compute_on(500) == full.compute);               // at most all

  // One head more: an eleventh wave of 8 tiles.
  kernel.heads = 166;
  kernel.scores = 166 * 1024.0 * 1024;
  kernel.flops = kernel.scores * 512 * flop;
  CHECK(demand(kernel, chip).compute / full.compute == Approx(11.0 / 10));

  // Causal: half of the scores, half a tile on the diagonal, and a ragged end of 2/3 of the longest
  // tile's keys, twice the mean, over 10 tiles an SM.
  kernel = {.heads = 165, .queries = 1024, .longest_keys = 1024, .masked_edges = 1};
  kernel.implementation = "test";
  kernel.scores = 165 * 1024.0 * 512;
  kernel.flops = kernel.scores * 512 * flop;
  const double ragged = 1 + 2.0 / 3 * 2 / 10;
  CHECK(demand(kernel, chip).compute / second ==
        Approx((products + exponentials) / 2 * (1 + 164.0 / 512) * ragged));

  kernel.direction = AttentionDirection::Backward;
  CHECK(demand(kernel, chip).compute / second ==
        Approx((2 * products / 2 + exponentials / 2) * (1 + 164.0 / 512) * ragged));

  // Fewer tiles than SMs: the longest tile is all there is to wait for.
  kernel = {.heads = 1, .queries = 1024, .longest_keys = 1024, .masked_edges = 1};
  kernel.implementation = "test";
  kernel.scores = 1024.0 * 512;
  kernel.flops = kernel.scores * 512 * flop;
  CHECK(demand(kernel, chip).compute / second ==
        Approx((products + exponentials) / 330 * (1 + 164.0 / 512) * 2 * 132 / 8));
}

TEST_CASE("attention near the ridge takes longer than either compute or traffic") {
  const AcceleratorSpec chip = h800();
  AttentionKernel kernel = latent_core();
  const Seconds compute = demand(kernel, chip).compute;
  // As much memory time as compute time: 2^(1/4) of either.
  kernel.traffic = compute * chip.memory_bandwidth * 0.84 - 3 * megabyte;
  CHECK(demand(kernel, chip).alone(chip, 132) / compute == Approx(std::sqrt(std::sqrt(2.0))));
}

TEST_CASE("small heads are bound by exponentials") {
  // FlashAttention-3, section 3.2: 512 FLOPs of products for each exponential at head dimension
  // 128, and a peak 253 times as high, so exponentials take half as long as products. At head
  // dimension 64 they take as long.
  const AcceleratorSpec chip = h800();
  const auto seconds = [&chip](double head_dim) {
    AttentionKernel kernel{.heads = 1320, .queries = 12800, .longest_keys = 12800};
    kernel.scores = 1e12;
    kernel.flops = 1e12 * 4 * head_dim * flop;
    return demand(kernel, chip).compute / second;
  };
  const double products = (seconds(128) - seconds(64)) / 64; // for each unit of head dimension
  const double exponentials = seconds(64) - 64 * products;
  CHECK(exponentials / (64 * products) == Approx(0.6 * 0.88 * 989.4 / 3.9 / 256));
}

TEST_CASE("attention kernels that are not known are refused, and the known ones named") {
  const AcceleratorSpec chip = h800();
  AttentionKernel kernel = latent_core();
  kernel.implementation = "flash-attention-9";
  try {
    demand(kernel, chip);
    FAIL("not refused");
  } catch (const InfeasibleError& error) {
    CHECK(error.path() == "stack.attention");
    CHECK(error.message() ==
          "no attention kernels 'flash-attention-9' are known for NVIDIA H800 SXM; "
          "known: flash-attention-3, forward-only, unfused");
  }
  kernel.implementation = "forward-only";
  CHECK(demand(kernel, chip).compute > Seconds{});
  kernel.direction = AttentionDirection::Backward;
  CHECK_THROWS_AS(demand(kernel, chip), InfeasibleError);
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
                                MemoryKind::Transpose, MemoryKind::Permute, MemoryKind::Optimizer})
    for (double size = 1; size < 1e12; size *= 10) {
      const MemoryKernel kernel{.traffic = size * byte, .kind = kind};
      CHECK(demand(kernel, chip).alone(chip, 132) > kernel.traffic / chip.memory_bandwidth);
    }
}

TEST_CASE("casts that transpose have a rate of their own where one is known") {
  AcceleratorSpec chip = h800();
  const MemoryKernel cast{.traffic = gigabyte, .kind = MemoryKind::Cast};
  const MemoryKernel transpose{.traffic = gigabyte, .kind = MemoryKind::Transpose};
  CHECK(demand(transpose, chip).traffic == demand(cast, chip).traffic);
  chip.kernels.spec.memory.transpose = chip.kernels.spec.memory.cast / 2;
  CHECK(demand(transpose, chip).traffic / demand(cast, chip).traffic == Approx(2));
}

TEST_CASE("16 bit are BF16, and FP16 on chips that have no other") {
  AcceleratorSpec chip = h800();
  CHECK(wide_precision(chip) == Precision::Bf16);
  chip.peak = {{Precision::Fp16, 125 * teraflop / second}};
  CHECK(wide_precision(chip) == Precision::Fp16);
  chip.peak.clear(); // what lacks is then BF16
  CHECK(wide_precision(chip) == Precision::Bf16);
}

TEST_CASE("bytes per element") {
  CHECK(bytes_per_element(Precision::Fp32) == 4 * byte);
  CHECK(bytes_per_element(Precision::Tf32) == 4 * byte);
  CHECK(bytes_per_element(Precision::Bf16) == 2 * byte);
  CHECK(bytes_per_element(Precision::Fp16) == 2 * byte);
  CHECK(bytes_per_element(Precision::Fp8) == 1 * byte);
  CHECK(bytes_per_element(Precision::Fp4) == 0.5 * byte);
}

namespace {

// What the factors say of a kernel is what its demand says.
void check_factors(const KernelDemand& demand, const KernelFactors& factors, Flops executed,
                   const AcceleratorSpec& chip) {
  for (const double factor :
       {factors.fraction, factors.products, factors.ramp, factors.tiles, factors.waves,
        factors.sustained, factors.beside_traffic, factors.share, factors.ramp_of_size}) {
    CHECK(factor > 0);
    CHECK(factor <= 1 + 1e-9);
  }
  const Seconds memory = demand.traffic / chip.memory_bandwidth;
  CHECK(factors.moved / (chip.memory_bandwidth * factors.of_bandwidth()) / second ==
        Approx(memory / second).epsilon(1e-9));
  if (executed > Flops{}) {
    const FlopsPerSecond rate = executed / demand.compute_on(chip.streaming_multiprocessors);
    CHECK(factors.rate() / (flop / second) == Approx(rate / (flop / second)).epsilon(1e-9));
  } else {
    CHECK(factors.peak == FlopsPerSecond{});
  }
}

} // namespace

TEST_CASE("the factors of a kernel multiply to its rate") {
  AcceleratorSpec chip = h800();
  chip.kernels.spec.sustained_fraction = 0.9;
  for (auto& [precision, gemm] : chip.kernels.spec.gemm) {
    gemm.half_tile_fraction = 0.9;
    gemm.most_splits = 8;
    gemm.grouped_fraction = 0.95;
  }
  std::mt19937_64 bits(11);
  for (int i = 0; i < 300; ++i) {
    const double groups = std::floor(uniform(bits, 1, 9));
    const double m = std::floor(uniform(bits, 1, 9000)), n = std::floor(uniform(bits, 1, 9000)),
                 k = std::floor(uniform(bits, 1, 20000));
    GemmKernel kernel = kernel_of(groups, m, n, k, i % 2 == 0 ? Precision::Bf16 : Precision::Fp8);
    kernel.direction = static_cast<GemmDirection>(i % 3);
    kernel.own_weights = i % 5 == 0;
    KernelFactors factors;
    const KernelDemand made = demand(kernel, chip, &factors);
    check_factors(made, factors, 2 * groups * m * n * k * flop, chip);
    CHECK(made.compute == demand(kernel, chip).compute);
    CHECK(factors.precision == kernel.precision);
  }
  for (const AttentionDirection direction :
       {AttentionDirection::Forward, AttentionDirection::Backward}) {
    AttentionKernel kernel = latent_core();
    kernel.direction = direction;
    kernel.traffic = 500 * megabyte;
    KernelFactors factors;
    check_factors(demand(kernel, chip, &factors), factors, kernel.flops, chip);
  }
  for (const MemoryKind kind : {MemoryKind::Norm, MemoryKind::Optimizer}) {
    KernelFactors factors;
    const KernelDemand made = demand(MemoryKernel{80 * megabyte, kind, 3}, chip, &factors);
    check_factors(made, factors, Flops{}, chip);
  }
}
