// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/topology/fabric.hpp"

#include <utility>
#include <vector>

namespace sim::topology::builder {

// The arithmetic of a Slim Fly of order q = 4w + delta, delta in {-1, 0, 1} (Besta and Hoefler,
// Slim Fly: A Cost Effective Low-Diameter Network Topology, SC 2014, section II.B): 2 q^2 switches
// of network radix (3q - delta) / 2 with `endpoints` NICs each; 0: half the radix, rounded up.
// Throws InfeasibleError for other q.
Counts slim_fly_counts(int order, int endpoints);
int slim_fly_radix(int order);

// Its links, for an odd prime q: the McKay-Miller-Siran graph, of diameter 2. Throws
// InfeasibleError("cluster.fabric.order") for other q.
std::vector<std::pair<std::uint32_t, std::uint32_t>> slim_fly_links(int order);

} // namespace sim::topology::builder
