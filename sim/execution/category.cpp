// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/category.hpp"

#include "sim/base/diagnostics.hpp"

namespace sim::execution {

std::string_view name_of(Category category) {
  switch (category) {
  case Category::Productive:
    return "productive";
  case Category::Recomputation:
    return "recomputation";
  case Category::Interference:
    return "interference";
  case Category::ExposedTensor:
    return "exposed-tensor";
  case Category::ExposedExpert:
    return "exposed-expert";
  case Category::ExposedContext:
    return "exposed-context";
  case Category::ExposedPipeline:
    return "exposed-pipeline";
  case Category::ExposedData:
    return "exposed-data";
  case Category::Bubble:
    return "bubble";
  case Category::Straggler:
    return "straggler";
  case Category::Launch:
    return "launch";
  case Category::Synchronisation:
    return "synchronisation";
  case Category::Generation:
    return "generation";
  case Category::RolloutTail:
    return "rollout-tail";
  case Category::Discarded:
    return "discarded";
  case Category::AwaitingRollout:
    return "awaiting-rollout";
  case Category::AwaitingUpdate:
    return "awaiting-update";
  case Category::AwaitingReward:
    return "awaiting-reward";
  case Category::Transfer:
    return "transfer";
  case Category::Checkpoint:
    return "checkpoint";
  case Category::LostWork:
    return "lost-work";
  case Category::Detection:
    return "detection";
  case Category::Recovery:
    return "recovery";
  case Category::Repair:
    return "repair";
  case Category::Degradation:
    return "degradation";
  case Category::Maintenance:
    return "maintenance";
  case Category::Spare:
    return "spare";
  }
  SIM_ASSERT(false);
  return {};
}

} // namespace sim::execution
