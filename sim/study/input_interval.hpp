// SPDX-License-Identifier: Apache-2.0
// What uncertain inputs alone do to hours and dollars: a few draws of them, all else as it stands.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/report/uncertainty.hpp"
#include "sim/scenario/load.hpp"
#include "sim/study/parallel.hpp"

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace sim::study {

// The fewest whose ends are a 90 % interval: of 20 draws of any one law, the last lies between the
// ends of the others with probability 18/20.
inline constexpr std::size_t fewest_input_draws = 19;

struct InputIntervalRequest {
  std::string file;
  scenario::LoadOptions load; // `replication` is set by the study
  std::size_t draws = fewest_input_draws;
  execution::Fidelity fidelity{};
};

// Draw r has the uncertain numbers of replication r and the failures of replication 0. Empty when
// the scenario has no uncertain number, or when stopped. A draw that cannot be (InfeasibleError)
// counts as longer than all others. Throws ScenarioError (a draw out of its key's range). Requires
// at least `fewest_input_draws`.
std::optional<report::InputInterval> input_interval(const InputIntervalRequest& request,
                                                    const ParallelOptions& options = {});

// Ends between which a further draw of the same law lies with a probability of 90 %, whatever the
// law: the order statistics at 0.05 (n + 1) and 0.95 (n + 1), linear between (S. S. Wilks, Annals
// of Mathematical Statistics 12, 1941). Infinite where they are `unbounded`: draws that are larger
// than all of `values`. Requires at least `fewest_input_draws` in all.
struct Ends {
  double low = 0, high = std::numeric_limits<double>::infinity();
};
Ends prediction_ends(std::vector<double> values, std::size_t unbounded = 0);

} // namespace sim::study
