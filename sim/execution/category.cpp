// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/category.hpp"

#include "sim/base/diagnostics.hpp"

namespace sim::execution {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, categories> names{"productive",
                                                         "recomputation",
                                                         "interference",
                                                         "exposed-tensor",
                                                         "exposed-expert",
                                                         "exposed-context",
                                                         "exposed-pipeline",
                                                         "exposed-data",
                                                         "bubble",
                                                         "straggler",
                                                         "launch",
                                                         "synchronisation",
                                                         "generation",
                                                         "rollout-tail",
                                                         "discarded",
                                                         "awaiting-rollout",
                                                         "awaiting-update",
                                                         "awaiting-reward",
                                                         "transfer",
                                                         "evaluation",
                                                         "checkpoint",
                                                         "lost-work",
                                                         "detection",
                                                         "recovery",
                                                         "repair",
                                                         "degradation",
                                                         "maintenance",
                                                         "spare",
                                                         "idle"};
static_assert(names[static_cast<std::size_t>(Category::Transfer)] == "transfer" &&
              names[static_cast<std::size_t>(Category::Idle)] == "idle");

} // namespace

std::string_view name_of(Category category) {
  const auto index = static_cast<std::size_t>(category);
  SIM_ASSERT(index < names.size());
  return names[index];
}

} // namespace sim::execution
