// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/cluster.hpp"

#include "sim/execution/folding.hpp"
#include "sim/execution/machine_builder.hpp"

#include <algorithm>

namespace sim::execution {

std::uint64_t Cluster::number_of(const Patterns& patterns) {
  const auto known = std::find(patterns_.begin(), patterns_.end(), patterns);
  const auto number = static_cast<std::uint64_t>(known - patterns_.begin());
  if (known == patterns_.end())
    patterns_.push_back(patterns);
  return number;
}

std::pair<std::uint64_t, const Machine*> Cluster::inside_of(const Machine& inside,
                                                            std::uint64_t patterns) {
  std::vector<std::uint64_t> content = content_of(inside);
  content.push_back(patterns);
  const auto next = static_cast<std::uint64_t>(insides_.size());
  const auto [place, added] = insides_.try_emplace(std::move(content), Inside{next, {}});
  if (added)
    place->second.machine = folded(inside, coarsest_partition(inside));
  return {place->second.number, &place->second.machine};
}

} // namespace sim::execution
