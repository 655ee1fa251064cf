// SPDX-License-Identifier: Apache-2.0
// A failure profile on a cluster: how many components of each class there are, what a failure
// takes down, how often the job stops.
#pragma once

#include "sim/hardware/spec.hpp"
#include "sim/reliability/job.hpp"

#include <string>
#include <vector>

namespace sim::reliability {

// What has no class fails under these names: parts of the machines; the job as a whole.
inline const std::string unclassified = "unclassified", unclassified_job = "unclassified-job";

// What lemon nodes add to the failures of a class, when the profile has any.
std::string lemon_name(const std::string& name);

// The classes of a profile for a job on all nodes of a pool, by name, then those of lemon nodes,
// then what has no class (`unclassified`, `unclassified-job`). Slow parts slow the whole step until
// somebody knows better (JobFailureClass::speed). Throws
// InfeasibleError("reliability.classes....") and InfeasibleError("reliability.lemons").
std::vector<JobFailureClass> job_classes(const ReliabilitySpec& reliability,
                                         const hardware::PoolSpec& pool);

// Their names.
std::vector<std::string> class_names(const ReliabilitySpec& reliability);

// Stops of the job per time in the long run: all classes but those that only slow it.
PerSecond stop_rate(const std::vector<JobFailureClass>& classes);

// Whether anything fails, or stops, ever.
bool fails(const ReliabilitySpec& reliability);

} // namespace sim::reliability
