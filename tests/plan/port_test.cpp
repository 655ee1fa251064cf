// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/port.hpp"

#include "sim/base/diagnostics.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using hardware::Precision;

namespace {

hardware::AcceleratorSpec chip_with(std::initializer_list<Precision> precisions) {
  hardware::AcceleratorSpec chip;
  chip.title = "A800";
  chip.streaming_multiprocessors = 108;
  for (const Precision precision : precisions) {
    chip.peak[precision] = 312e12 * (flop / second);
    chip.kernels->gemm[precision].peak_fraction = 0.8;
  }
  return chip;
}

plan::StackSpec fp8_stack() {
  plan::StackSpec stack;
  stack.precision.gemm = stack.precision.dispatch = Precision::Fp8;
  stack.precision.weight_bytes = 1 * byte;
  return stack;
}

} // namespace

TEST_CASE("a stack that the chip can run stays as it is") {
  std::vector<std::string> told;
  const auto stack =
      plan::ported(fp8_stack(), chip_with({Precision::Bf16, Precision::Fp8}), {}, true, told);
  CHECK(told.empty());
  CHECK(stack.precision.gemm == Precision::Fp8);
}

TEST_CASE("a missing precision becomes the first substitute that the chip has, weights and "
          "dispatch with it") {
  plan::PortSpec port;
  port.precision = {Precision::Fp8, Precision::Fp4, Precision::Bf16, Precision::Fp16};
  std::vector<std::string> told;
  const auto stack =
      plan::ported(fp8_stack(), chip_with({Precision::Bf16, Precision::Fp16}), port, true, told);
  CHECK(stack.precision.gemm == Precision::Bf16);
  CHECK(stack.precision.dispatch == Precision::Bf16);
  CHECK(stack.precision.combine == Precision::Bf16);
  CHECK(stack.precision.weight_bytes == 2 * byte);
  REQUIRE(told.size() == 3);
  CHECK(told[0] == "stack.precision.gemm: fp8 -> bf16 (A800 has no fp8), assumes equal loss");
  CHECK(told[1] == "stack.precision.weight_bytes: 1 B -> 2 B (the working copy is bf16)");
  CHECK(told[2] == "stack.precision.dispatch: fp8 -> bf16 (A800 has no fp8)");
}

TEST_CASE("without a substitute the run is infeasible") {
  std::vector<std::string> told;
  plan::PortSpec port;
  CHECK_THROWS_AS(plan::ported(fp8_stack(), chip_with({Precision::Bf16}), port, true, told),
                  InfeasibleError);
  port.precision = {Precision::Fp4};
  CHECK_THROWS_AS(plan::ported(fp8_stack(), chip_with({Precision::Bf16}), port, true, told),
                  InfeasibleError);
  // A peak without kernels is not enough: nobody knows how fast it would be.
  auto chip = chip_with({Precision::Bf16});
  chip.peak[Precision::Fp8] = 1e15 * (flop / second);
  CHECK_FALSE(plan::multiplies_in(chip, Precision::Fp8));
}

TEST_CASE("what is missing is told where the stack asks for it") {
  std::vector<std::string> told;
  const auto refusal = [&](const hardware::AcceleratorSpec& chip, const plan::PortSpec& port) {
    try {
      plan::ported(fp8_stack(), chip, port, true, told);
    } catch (const InfeasibleError& error) {
      return error.path() + ": " + error.what();
    }
    return std::string();
  };
  auto chip = chip_with({Precision::Bf16, Precision::Fp16});
  plan::PortSpec port;
  const std::string nothing = refusal(chip, port);
  CHECK(nothing.rfind("stack.precision.gemm: ", 0) == 0);
  CHECK(nothing.find("A800 has no fp8, and no substitutes are given") != nothing.npos);
  CHECK(nothing.find("kernels") == nothing.npos);
  // The data sheet has a rate; what is missing are kernels.
  chip.peak[Precision::Fp8] = 1e15 * (flop / second);
  const std::string kernels = refusal(chip, port);
  CHECK(kernels.rfind("stack.precision.gemm: ", 0) == 0);
  CHECK(kernels.find("the kernels of A800 have no gemm.fp8") != kernels.npos);
  CHECK(kernels.find("has no fp8") == kernels.npos);
  // Where substitutes are named, they are what to change.
  port.precision = {Precision::Fp4};
  CHECK(refusal(chip, port).rfind("port.precision: ", 0) == 0);
}

TEST_CASE("without expert parallelism, what only dispatch and combine use is left as it is") {
  auto stack = fp8_stack();
  stack.precision.gemm = Precision::Bf16;
  stack.dispatch_sms = 24;
  stack.communication_sms = 4;
  auto chip = chip_with({Precision::Bf16});
  chip.streaming_multiprocessors = 24;
  std::vector<std::string> told;
  const auto result = plan::ported(stack, chip, {}, false, told);
  CHECK(told.empty());
  CHECK(result.dispatch_sms == stack.dispatch_sms);
  CHECK_THROWS_AS(plan::ported(stack, chip, {}, true, told), InfeasibleError);
}

TEST_CASE("communication holds at most half of the SMs") {
  auto stack = fp8_stack();
  auto chip = chip_with({Precision::Bf16, Precision::Fp8});
  chip.streaming_multiprocessors = 30;
  stack.dispatch_sms = 20;
  stack.communication_sms = 15;
  std::vector<std::string> told;
  const auto result = plan::ported(stack, chip, {}, true, told);
  CHECK(result.dispatch_sms == 15);
  CHECK(result.communication_sms == 15);
  CHECK(told.size() == 1);
  stack.communication_sms = 30;
  CHECK_THROWS_AS(plan::ported(stack, chip, {}, true, told), InfeasibleError);
}

TEST_CASE("GPUs without links of their own are joined over PCIe, where the rules say so") {
  hardware::NodeSpec node;
  node.accelerator->title = "L20";
  node.accelerators = 8;
  node.pcie = hardware::PcieSpec{32e9 * (byte / second), 0.85, 1};
  node.in_switch_reduction = true;
  std::vector<std::string> told;
  plan::PortSpec port;
  CHECK(plan::ported(node, port, told).scale_up == hardware::ScaleUpWiring::Switch);
  CHECK(told.empty());
  port.scale_up = plan::PortScaleUp::Pcie;
  const hardware::NodeSpec joined = plan::ported(node, port, told);
  CHECK(joined.scale_up == hardware::ScaleUpWiring::Pcie);
  CHECK_FALSE(joined.in_switch_reduction);
  REQUIRE(told.size() == 1);
  CHECK(told[0] == "node.scale_up: switch -> pcie (L20 has no links of its own)");
  // A chip with links keeps them.
  told.clear();
  node.accelerator->scale_up_bandwidth = 200e9 * (byte / second);
  CHECK(plan::ported(node, port, told).scale_up == hardware::ScaleUpWiring::Switch);
  CHECK(told.empty());
}
