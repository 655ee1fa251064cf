// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/port.hpp"

#include "sim/hardware/kernel.hpp"

#include <algorithm>

namespace sim::rollout {

DecodingSpec ported(const DecodingSpec& decoding, const hardware::AcceleratorSpec& accelerator,
                    const plan::PortSpec& port, const std::string& path,
                    std::vector<std::string>& substitutions) {
  DecodingSpec result = decoding;
  if (decoding.weight_bytes > 1 * byte)
    return result;
  const hardware::Precision precision = plan::ported(hardware::Precision::Fp8, accelerator, port,
                                                     path + ".weight_bytes", substitutions);
  result.weight_bytes = std::max(decoding.weight_bytes, hardware::bytes_per_element(precision));
  return result;
}

} // namespace sim::rollout
