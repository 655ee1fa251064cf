// SPDX-License-Identifier: Apache-2.0
// Carrying a stack to hardware that lacks something: what is missing is replaced by rule, and every
// replacement is told.
#pragma once

#include "sim/hardware/spec.hpp"
#include "sim/plan/spec.hpp"

#include <string>
#include <vector>

namespace sim::plan {

// Whether an accelerator multiplies in a precision: it has a peak rate and its kernels are known.
bool multiplies_in(const hardware::AcceleratorSpec& accelerator, hardware::Precision precision);

// The stack as it runs on the accelerator. A precision that the accelerator lacks becomes the first
// of port.precision that it has; the working copy of the weights widens with the matrix multiplies;
// communication kernels hold at most half of the SMs. Dispatch and combine are carried only where
// tokens travel to experts (`dispatches`). Appends "stack.precision.gemm: fp8 -> bf16 (A800 has no
// fp8)" and the like to `substitutions`. Throws InfeasibleError at the stack's key, or at
// port.precision where it names substitutes, when nothing can stand in, and at
// stack.communication_sms or stack.dispatch_sms when all SMs would be held. A replacement of the
// matrix multiplies says that it assumes equal loss: how many tokens a loss takes is not simulated.
StackSpec ported(const StackSpec& stack, const hardware::AcceleratorSpec& accelerator,
                 const PortSpec& port, bool dispatches, std::vector<std::string>& substitutions);

// The node as its GPUs reach each other: without links of their own, over PCIe where the port rules
// say so. Appends "node.scale_up: switch -> pcie (NVIDIA L20 has no links of its own)".
hardware::NodeSpec ported(const hardware::NodeSpec& node, const PortSpec& port,
                          std::vector<std::string>& substitutions);

// The same for one precision under the key `path`.
hardware::Precision ported(hardware::Precision precision,
                           const hardware::AcceleratorSpec& accelerator, const PortSpec& port,
                           const std::string& path, std::vector<std::string>& substitutions);

} // namespace sim::plan
