// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/base/diagnostics.hpp"

#include <string>

namespace sim::topology {

// Throws InfeasibleError("cluster.weak_links") that names both ends.
[[noreturn]] inline void fail_no_path(int a, int b) {
  throw InfeasibleError("cluster.weak_links",
                        "broken links leave no path from GPU " + std::to_string(a) + " to GPU " +
                            std::to_string(b),
                        "give a link between them some capacity");
}

} // namespace sim::topology
