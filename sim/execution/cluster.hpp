// SPDX-License-Identifier: Apache-2.0
// A pool of GPUs with its network, and the machines that layouts make of it: what steps have in
// common whatever the model and the stack. Simulators of one exploration may share one. Results do
// not depend on what was built before.
#pragma once

#include "sim/execution/machine.hpp"
#include "sim/network/collective.hpp"
#include "sim/topology/fabric.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace sim::execution {

// A folded machine; where its actors are units, the folded insides of these and their numbers.
struct BuiltMachine {
  Machine machine;
  std::vector<const Machine*> insides;      // by Actor::interior
  std::vector<std::uint64_t> inside_number; // equal content, equal number
};

// Not for several threads at once.
class Cluster {
public:
  // Throws InfeasibleError as topology::build() does.
  explicit Cluster(const hardware::PoolSpec& pool_)
      : pool(pool_), fabric(topology::build(pool)), planner(*fabric, pool) {}
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Equal patterns have equal numbers.
  std::uint64_t number_of(const Patterns& patterns);
  // Number of an inside, and its folded machine.
  std::pair<std::uint64_t, const Machine*> inside_of(const Machine& inside, std::uint64_t patterns);

  const hardware::PoolSpec pool;
  const std::unique_ptr<topology::Fabric> fabric;
  network::CollectivePlanner planner;
  std::map<std::vector<std::uint64_t>, BuiltMachine> machines; // by degrees and patterns

private:
  struct Inside {
    std::uint64_t number;
    Machine machine;
  };
  std::vector<Patterns> patterns_;
  std::map<std::vector<std::uint64_t>, Inside> insides_;
};

} // namespace sim::execution
