// SPDX-License-Identifier: Apache-2.0
// The same scenario many times: failures, uncertain inputs where there are any, and the error of
// the model where it is asked for, drawn anew for each replication. Replication r draws from
// streams of its own, so that more replications leave the first ones as they were.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/report/distribution.hpp"
#include "sim/scenario/load.hpp"
#include "sim/study/model_error.hpp"
#include "sim/study/parallel.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace sim::study {

struct ReplicationRequest {
  std::string file;
  scenario::LoadOptions load;   // `replication` is set by the study
  std::size_t replications = 0; // with a precision: at most
  // Above 0: replicate until the 95 % interval of the mean of every total reaches no farther than
  // this share of it to either side. Asked after 32, 64, 128, ... replications.
  double precision = 0;
  execution::Fidelity fidelity{};
  const ModelError* model = nullptr; // draws an error of the model too; null: times as simulated
};

// Totals and stages. When stopped, of those replications that all of the earlier ones have ended
// with; empty when there are none. Throws ScenarioError, InfeasibleError: of the lowest
// replication that fails.
std::optional<report::Distributions> replicate(const ReplicationRequest& request,
                                               const ParallelOptions& options = {});

} // namespace sim::study
