// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/builder/group_wiring.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <string>

namespace sim::topology::builder {

void join_groups(Blueprint& blueprint, int groups, int ports, Cable cable,
                 const std::function<std::uint32_t(int group, int port)>& switch_of_port) {
  if (groups < 2)
    return;
  const int peers = groups - 1, rest = ports % peers;
  std::vector<int> first(static_cast<std::size_t>(groups)); // port towards the group at an offset
  const auto links = [&](int offset) {
    const int near = std::min(offset, groups - offset);
    const bool opposite = 2 * near == groups && rest % 2 == 1;
    return ports / peers + (near <= rest / 2 || opposite ? 1 : 0);
  };
  for (int offset = 1, port = 0; offset < groups; port += links(offset++))
    first[static_cast<std::size_t>(offset)] = port;
  for (int group = 0; group < groups; ++group)
    for (int offset = 1; offset < groups; ++offset) {
      const int other = (group + offset) % groups;
      if (other < group)
        continue; // joined from there
      const int back = groups - offset;
      for (int i = 0; i < links(offset); ++i) {
        cable.from = switch_of_port(group, first[static_cast<std::size_t>(offset)] + i);
        cable.to = switch_of_port(other, first[static_cast<std::size_t>(back)] + i);
        blueprint.cables.push_back(cable);
      }
    }
}

int groups_for(const hardware::PoolSpec& pool, int endpoints_per_group, int global_ports) {
  const int needed = (nics_of(pool) + endpoints_per_group - 1) / endpoints_per_group;
  const int asked = pool.fabric.spec.groups;
  if (asked > global_ports + 1)
    throw InfeasibleError("cluster.fabric.groups",
                          std::to_string(asked) + " groups, but one has " +
                              std::to_string(global_ports) + " links to others",
                          "at most one more than that");
  const int most = asked > 0 ? asked : global_ports + 1;
  if (needed > most)
    too_few_seats(pool, std::int64_t{most} * endpoints_per_group,
                  "more groups, or larger ones, carry more nodes");
  return asked > 0 ? asked : needed;
}

} // namespace sim::topology::builder
