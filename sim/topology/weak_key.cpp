// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/weak_key.hpp"

#include "sim/base/diagnostics.hpp"

namespace sim::topology {

std::string weak_key(std::size_t index, const char* member) {
  return "cluster.weak_links." + std::to_string(index) + member;
}

std::string weak_switch_key(std::size_t index, const char* member) {
  return "cluster.weak_switches." + std::to_string(index) + member;
}

void check_weak_range(int value, int count, const std::string& path, const std::string& what,
                      const std::string& where) {
  if (value >= 0 && value < count)
    return;
  throw InfeasibleError(path, "there is no " + what + " " + std::to_string(value) + where,
                        count > 0 ? "they are numbered 0 to " + std::to_string(count - 1)
                                  : "the cluster has none");
}

void fail_single_link(hardware::LinkKind tier, std::size_t index) {
  throw InfeasibleError(weak_key(index, ".to"),
                        "a " + std::string(name_of(tier)) + " link leads to one switch only",
                        "leave it out");
}

void fail_named_twice(std::size_t index, std::size_t other) {
  throw InfeasibleError(weak_key(index),
                        "it names a link that weak_links." + std::to_string(other) + " names too",
                        "write one capacity for each link");
}

} // namespace sim::topology
