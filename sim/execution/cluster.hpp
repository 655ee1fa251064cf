// SPDX-License-Identifier: Apache-2.0
// A pool of GPUs with its network, and the machines that layouts make of it: what steps have in
// common whatever the model and the stack. Simulators of one exploration may share one. Results do
// not depend on what was built before.
#pragma once

#include "sim/execution/machine.hpp"
#include "sim/execution/program_index.hpp"
#include "sim/network/collective.hpp"
#include "sim/topology/fabric.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

namespace sim::execution {

class Interiors;

// A folded machine; where its actors are units, the folded insides of these and their numbers.
struct BuiltMachine {
  Machine machine;
  std::vector<const Machine*> insides;      // by Actor::interior
  std::vector<std::uint64_t> inside_number; // equal content, equal number
};

// A program and its index.
struct IndexedProgram {
  explicit IndexedProgram(plan::PipelineProgram program_) : program(std::move(program_)) {}
  const plan::PipelineProgram program;
  ProgramIndex index{program};
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
  // Number of the inside of the unit that was chosen, and its folded machine.
  std::pair<std::uint64_t, const Machine*> inside_of(const Interiors& inside,
                                                     std::uint64_t patterns);

  // The program of a schedule, remembered up to a number of passes (cluster.cpp).
  std::shared_ptr<IndexedProgram> program(plan::Schedule schedule,
                                          const plan::PipelineShape& shape);

  const hardware::PoolSpec pool;
  const std::unique_ptr<topology::Fabric> fabric;
  network::CollectivePlanner planner;
  std::map<std::vector<std::uint64_t>, BuiltMachine> machines; // by degrees and patterns

private:
  struct Inside {
    std::uint64_t number;
    Machine machine;
  };
  using ProgramKey = std::tuple<plan::Schedule, int, std::int64_t, int, plan::StepMode>;
  std::map<ProgramKey, std::shared_ptr<IndexedProgram>> programs_;
  std::size_t passes_ = 0; // of these
  std::vector<Patterns> patterns_;
  std::map<std::vector<std::uint64_t>, Inside> insides_;
  std::vector<std::uint64_t> content_; // of the last one asked for
};

} // namespace sim::execution
