// SPDX-License-Identifier: Apache-2.0
// A scenario between two: some properties of one, the others of the other. For attributing the
// difference between two runs to what differs.
#pragma once

#include "sim/scenario/scenario.hpp"
#include "sim/training/result.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sim::study {

// What the scenarios of a comparison can differ in. Together they are everything that a result
// hangs on, but for the layout.
enum class Property : std::uint8_t {
  Compute,         // dense rates, multiprocessors, efficiency of kernels
  MemoryBandwidth, // and the share of it that kernels reach
  MemorySize,
  ScaleUp,  // links inside a node, their switches and library; GPUs in a node
  Network,  // NICs, PCIe, storage, fabric
  Count,    // GPUs
  Power,    // of chips and nodes
  Price,    // rent or ownership, electricity, day
  Workload, // model, software, stages, failures, checkpoints, parts that are not as they should be
};
inline constexpr std::size_t properties = 9;
using PropertySet = std::uint32_t; // bit i: property i
constexpr PropertySet bit(Property p) { return PropertySet{1} << static_cast<unsigned>(p); }

std::string_view key_of(Property property);   // "memory-bandwidth"
std::string_view label_of(Property property); // "HBM bandwidth"

// Layouts by name of their stage.
using StageLayouts = std::map<std::string, plan::ParallelismSpec>;
// As the run resolved them; the degree of data parallelism follows the number of GPUs.
StageLayouts layouts_of(const training::RunResult& run);

class Hybrid {
public:
  // Both must outlive it. Throws InfeasibleError("cluster.pools") when their pools have other
  // names.
  Hybrid(const scenario::Scenario& first, const scenario::Scenario& second);

  // The first scenario with these properties of the second. Port rules are those of both, one after
  // another. Throws InfeasibleError where the numbers of GPUs, nodes and NICs do not divide.
  [[nodiscard]] scenario::Scenario with(PropertySet of_second) const;

  // In which they differ.
  [[nodiscard]] PropertySet differing() const { return differing_; }
  // "200 GB/s -> 450 GB/s"; empty where no one number says it.
  [[nodiscard]] std::string change(Property property) const;

private:
  const scenario::Scenario& first_;
  const scenario::Scenario& second_;
  PropertySet differing_ = 0;
};

// Every training stage with the layout of this name, or with a layout searched for.
void set_layouts(scenario::Scenario& scenario, const StageLayouts& layouts);
void search_layouts(scenario::Scenario& scenario);

} // namespace sim::study
