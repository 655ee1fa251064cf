// SPDX-License-Identifier: Apache-2.0
// Groups joined by global links, as dragonflies have.
#pragma once

#include "sim/topology/blueprint.hpp"

#include <functional>

namespace sim::topology::builder {

// Adds the links between `groups` groups of `ports` global ports each: every two groups get
// floor(ports / (groups - 1)) links and the ports left over join near groups, so that none but an
// odd one stays free. `switch_of_port` gives the switch of a group's port.
void join_groups(Blueprint& blueprint, int groups, int ports, Cable cable,
                 const std::function<std::uint32_t(int group, int port)>& switch_of_port);

// Groups that seat the NICs, at least as many as asked for. Throws InfeasibleError when more are
// needed than can be joined or were asked for.
int groups_for(const hardware::PoolSpec& pool, int endpoints_per_group, int global_ports);

} // namespace sim::topology::builder
