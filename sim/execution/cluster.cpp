// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/cluster.hpp"

#include "sim/execution/folding.hpp"
#include "sim/execution/machine_builder.hpp"

#include <algorithm>
#include <utility>

namespace sim::execution {
namespace {

// All are forgotten before there are more: 44 bytes each with the index.
constexpr std::size_t most_passes = std::size_t{1} << 20;

std::size_t passes_of(const plan::PipelineProgram& program) {
  std::size_t passes = 0;
  for (const auto& rank : program.ranks)
    passes += rank.size();
  return passes;
}

} // namespace

std::shared_ptr<IndexedProgram> Cluster::program(plan::Schedule schedule,
                                                 const plan::PipelineShape& shape) {
  const auto& [ranks, micro_batches, virtual_stages, mode] = shape; // all that there is
  const ProgramKey key{schedule, ranks, micro_batches, virtual_stages, mode};
  if (const auto known = programs_.find(key); known != programs_.end())
    return known->second;
  auto made = std::make_shared<IndexedProgram>(plan::pipeline_program(schedule, shape));
  const std::size_t passes = passes_of(made->program);
  if (passes_ + passes > most_passes) {
    programs_.clear();
    passes_ = 0;
  }
  passes_ += passes;
  programs_.emplace(key, made);
  return made;
}

std::uint64_t Cluster::number_of(const Patterns& patterns) {
  const auto known = std::find(patterns_.begin(), patterns_.end(), patterns);
  const auto number = static_cast<std::uint64_t>(known - patterns_.begin());
  if (known == patterns_.end())
    patterns_.push_back(patterns);
  return number;
}

std::pair<std::uint64_t, const Machine*> Cluster::inside_of(const Interiors& inside,
                                                            std::uint64_t patterns) {
  content_.clear();
  inside.add_content(content_);
  content_.push_back(patterns);
  auto known = insides_.find(content_);
  if (known == insides_.end()) {
    const Machine machine = inside.machine();
    Inside added{insides_.size(), folded(machine, coarsest_partition(machine))};
    known = insides_.emplace(content_, std::move(added)).first;
  }
  return {known->second.number, &known->second.machine};
}

} // namespace sim::execution
