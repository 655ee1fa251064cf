// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/port.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/hardware/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sim::plan {
namespace {

using hardware::AcceleratorSpec;
using hardware::Precision;

// More would starve the kernels that communication should run beside.
void cap_sms(int& held, const char* path, const AcceleratorSpec& accelerator,
             std::vector<std::string>& substitutions) {
  const int all = accelerator.streaming_multiprocessors, most = all / 2;
  if (held >= all)
    throw InfeasibleError(path,
                          fmt::format("communication would hold {} of the {} SMs of {}", held, all,
                                      accelerator.title),
                          fmt::format("at most {}, half of them", most));
  if (held <= most)
    return;
  substitutions.push_back(fmt::format("{}: {} -> {} (half of the {} SMs of {})", path, held, most,
                                      all, accelerator.title));
  held = most;
}

std::string list_of(const std::vector<Precision>& precisions) {
  std::string text;
  for (const Precision precision : precisions)
    text += (text.empty() ? "" : ", ") + std::string(name_of(precision));
  return text;
}

} // namespace

bool multiplies_in(const AcceleratorSpec& accelerator, Precision precision) {
  return accelerator.peak.contains(precision) && accelerator.kernels->gemm.contains(precision);
}

Precision ported(Precision precision, const AcceleratorSpec& accelerator, const PortSpec& port,
                 const std::string& path, std::vector<std::string>& substitutions) {
  if (multiplies_in(accelerator, precision))
    return precision;
  const bool unmeasured = accelerator.peak.contains(precision);
  const std::string lacks =
      unmeasured
          ? fmt::format("the kernels of {} have no gemm.{}", accelerator.title, name_of(precision))
          : fmt::format("{} has no {}", accelerator.title, name_of(precision));
  for (const Precision candidate : port.precision)
    if (multiplies_in(accelerator, candidate)) {
      substitutions.push_back(
          fmt::format("{}: {} -> {} ({})", path, name_of(precision), name_of(candidate), lacks));
      return candidate;
    }
  std::string remedy = "a precision that the accelerator computes in: ";
  for (const auto& [known, peak] : accelerator.peak)
    if (multiplies_in(accelerator, known))
      remedy += (remedy.back() == ' ' ? "" : ", ") + std::string(name_of(known));
  remedy += ", here or in port: {precision: [...]}";
  if (unmeasured)
    remedy += fmt::format("; or gemm.{} among the accelerator's kernels", name_of(precision));
  throw InfeasibleError(port.precision.empty() ? path : "port.precision",
                        lacks + (port.precision.empty()
                                     ? ", and no substitutes are given"
                                     : ", and none of the substitutes is computed in either: " +
                                           list_of(port.precision)),
                        remedy);
}

hardware::NodeSpec ported(const hardware::NodeSpec& node, const PortSpec& port,
                          std::vector<std::string>& substitutions) {
  hardware::NodeSpec result = node;
  const AcceleratorSpec& accelerator = node.accelerator.spec;
  if (port.scale_up == PortScaleUp::Pcie && node.accelerators > 1 && node.pcie &&
      node.scale_up == hardware::ScaleUpWiring::Switch &&
      accelerator.scale_up_bandwidth == BytesPerSecond{}) {
    result.scale_up = hardware::ScaleUpWiring::Pcie;
    result.in_switch_reduction = false;
    substitutions.push_back(fmt::format(
        "node.scale_up: switch -> pcie ({} has no links of its own)", accelerator.title));
  }
  return result;
}

StackSpec ported(const StackSpec& stack, const AcceleratorSpec& accelerator, const PortSpec& port,
                 bool dispatches, std::vector<std::string>& substitutions) {
  StackSpec result = stack;
  PrecisionSpec& precision = result.precision;
  precision.gemm = ported(precision.gemm, accelerator, port, "stack.precision.gemm", substitutions);
  if (precision.gemm != stack.precision.gemm) {
    substitutions.back() += ", assumes equal loss";
    const Bytes width = hardware::bytes_per_element(precision.gemm);
    if (precision.weight_bytes < width) {
      substitutions.push_back(
          fmt::format("stack.precision.weight_bytes: {} B -> {} B (the working copy is {})",
                      number_text(precision.weight_bytes / byte), number_text(width / byte),
                      name_of(precision.gemm)));
      precision.weight_bytes = width;
    }
  }
  cap_sms(result.communication_sms, "stack.communication_sms", accelerator, substitutions);
  if (!dispatches)
    return result;
  // What travels must be cast: a narrow type that the chip cannot compute in cannot be sent either.
  precision.dispatch =
      ported(precision.dispatch, accelerator, port, "stack.precision.dispatch", substitutions);
  precision.combine =
      ported(precision.combine, accelerator, port, "stack.precision.combine", substitutions);
  cap_sms(result.dispatch_sms, "stack.dispatch_sms", accelerator, substitutions);
  return result;
}

} // namespace sim::plan
