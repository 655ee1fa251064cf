// SPDX-License-Identifier: Apache-2.0
#include "sim/report/warnings.hpp"

#include "sim/report/text_table.hpp"
#include "sim/rollout/length.hpp"

#include <fmt/format.h>

namespace sim::report {

std::vector<std::string> warnings(const Result& result) {
  std::vector<std::string> found;
  for (const training::StageSpec& stage : result.scenario.stages) {
    if (!stage.reinforcement || !stage.steps)
      continue;
    const training::ReinforcementSpec& loop = *stage.reinforcement;
    if (loop.over_provisioning <= 0 || loop.partial_rollouts)
      continue;
    const double share = 1 / (1 + loop.over_provisioning);
    const rollout::LengthLaw law(loop.response, *stage.steps - 1);
    const double kept = law.mean_of_shortest(share), all = law.mean();
    found.push_back(fmt::format(
        "{}: length bias: over_provisioning trains on the shortest {} of the responses begun, in "
        "the end of {} tokens on average where the policy's have {}; what that does to learning "
        "is outside the simulation",
        stage.name, percent(100 * share, 0), significant(kept), significant(all)));
  }
  return found;
}

} // namespace sim::report
