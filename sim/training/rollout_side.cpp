// SPDX-License-Identifier: Apache-2.0
#include "sim/training/rollout_side.hpp"

#include "sim/rollout/length.hpp"
#include "sim/rollout/partial.hpp"

#include <algorithm>
#include <cmath>

namespace sim::training {
namespace {

using execution::Category;
using rollout::GenerationSetting;
using rollout::LengthLaw;
using rollout::RolloutResult;

std::int64_t rounded_up(double count) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(count - 1e-9)));
}

// Responses that must end so that enough of them teach.
std::int64_t outputs_to_end(const ReinforcementSpec& spec) {
  const double usable = spec.resampling ? spec.resampling->usable : 1;
  return rounded_up(double(spec.outputs_per_rollout) / usable);
}

// A share of what a rollout is charged with made nothing that is trained on.
void discard(double share, RolloutSide& side) {
  for (const Category category :
       {Category::Generation, Category::ExposedExpert, Category::ExposedTensor, Category::Launch,
        Category::RolloutTail, Category::Recomputation}) {
    const Seconds lost = share * side.breakdown[category];
    side.breakdown[category] -= lost;
    side.breakdown[Category::Discarded] += lost;
  }
}

RolloutSide side_of(const RolloutResult& result, double outputs, const ReinforcementSpec& spec,
                    const LengthLaw& law) {
  RolloutSide side{result.duration,
                   result.breakdown,
                   result.generated_tokens,
                   0,
                   0,
                   outputs,
                   {outputs, result.generated_tokens + result.prompt_tokens,
                    result.squared_over_mean, spec.prompt_tokens, law}};
  return side;
}

// Of the responses, all alike, only those that teach go on.
void keep_usable(const ReinforcementSpec& spec, RolloutSide& side) {
  const double share = double(spec.outputs_per_rollout) / side.experience.responses;
  if (share >= 1)
    return;
  discard(1 - share, side);
  side.experience.tokens *= share;
  side.experience.responses *= share;
}

// More responses start than are kept: all that run gain tokens at one rate, so the rollout ends as
// the longest kept one does, and cuts the others there.
RolloutSide over_provisioned(const GenerationSetting& setting, const ReinforcementSpec& spec,
                             std::int64_t outputs, std::int64_t step) {
  const std::int64_t begun = rounded_up(double(outputs) * (1 + spec.over_provisioning));
  const LengthLaw whole(spec.response, step);
  if (begun == outputs)
    return side_of(
        rollout::simulate_rollout(setting, spec.response, spec.prompt_tokens, outputs, step),
        double(outputs), spec, whole);
  rollout::LengthSpec cut = spec.response;
  cut.ends_at = whole.quantile((double(outputs) - 0.5) / double(begun));
  const LengthLaw law(cut, step);
  RolloutSide side =
      side_of(rollout::simulate_rollout(setting, cut, spec.prompt_tokens, begun, step),
              double(begun), spec, law);
  // What was cut has the length of the cut.
  const double lost = double(begun - outputs), longest = spec.prompt_tokens + law.cap();
  const double tokens = side.experience.tokens - lost * longest;
  side.experience.attended =
      (side.experience.attended * side.experience.tokens - lost * longest * longest) / tokens;
  discard(lost * law.cap() / side.generated_tokens, side);
  side.experience.tokens = tokens;
  side.experience.responses = double(outputs);
  side.experience.kept = double(outputs) / double(begun);
  return side;
}

// Whole rollouts, one or several until enough responses teach.
RolloutSide whole_rollouts(const GenerationSetting& setting, const ReinforcementSpec& spec,
                           std::int64_t step) {
  std::int64_t each = spec.outputs_per_rollout, rounds = 1;
  if (spec.resampling) {
    if (spec.resampling->outputs > 0)
      each = spec.resampling->outputs;
    rounds =
        rounded_up(double(spec.outputs_per_rollout) / (spec.resampling->usable * double(each)));
  }
  RolloutSide side = over_provisioned(setting, spec, each, step);
  const double count = double(rounds);
  side.duration *= count;
  side.breakdown *= count;
  side.generated_tokens *= count;
  side.generated *= count;
  side.experience.tokens *= count;
  side.experience.responses *= count;
  keep_usable(spec, side);
  return side;
}

} // namespace

RolloutSide simulate_rollout_side(const GenerationSetting& setting, const ReinforcementSpec& spec,
                                  std::int64_t step) {
  if (!spec.partial_rollouts)
    return whole_rollouts(setting, spec, step);
  const std::int64_t outputs = outputs_to_end(spec);
  const LengthLaw law(spec.response, step);
  const bool steady = spec.placement == Placement::Asynchronous;
  const rollout::PartialRollout partial =
      steady ? rollout::simulate_steady_rollout(setting, spec.response, spec.prompt_tokens, outputs,
                                                double(spec.max_staleness) * double(outputs), step)
             : rollout::simulate_carried_rollout(setting, spec.response, spec.prompt_tokens,
                                                 outputs, spec.over_provisioning, step);
  RolloutSide side = side_of(partial.rollout, double(outputs), spec, law);
  if (steady)
    side.under_way = partial.under_way;
  else // by Little's law, in rollouts
    side.carried = std::max(0.0, partial.under_way / double(outputs) - 1);
  keep_usable(spec, side);
  return side;
}

} // namespace sim::training
