// SPDX-License-Identifier: Apache-2.0
// How often the cluster stops, how long it takes to go on, how the state is saved.
#pragma once

#include "sim/base/fields.hpp"

#include <string>

namespace sim::reliability {

// One exponential process for the whole job: rate = failures * GPUs + job_failures.
struct ReliabilitySpec {
  std::string title;
  PerGpuSecond failures{};  // per GPU and time
  PerSecond job_failures{}; // of the job, whatever its size
  Seconds detection{};      // until the job is known to have stopped
  Seconds
      restart{}; // replace, relaunch, initialise communication; loading the checkpoint comes on top
};

enum class CheckpointMode { Synchronous, Asynchronous };

struct CheckpointSpec {
  Auto<Seconds> interval; // auto: Daly's optimum
  CheckpointMode mode = CheckpointMode::Asynchronous;
  BytesPerSecond storage_bandwidth = 1e12 * (byte / second); // of the whole cluster
  Bytes bytes_per_parameter = 12 * byte;
};

template <class V> void fields(V& v, ReliabilitySpec& s) {
  v("title", s.title, required(), "Name for people.");
  v("failures", s.failures, non_negative, "Failures per GPU and time.");
  v("job_failures", s.job_failures, non_negative,
    "Failures of the job per time, whatever its size.");
  v("detection", s.detection, non_negative, "From the failure until it is noticed.");
  v("restart", s.restart, non_negative, "From notice until training can load its checkpoint.");
}
template <class V> void fields(V& v, CheckpointSpec& s) {
  v("interval", s.interval, positive, "Between checkpoints; auto: Daly's optimum.");
  v("mode", s.mode, anything,
    "Synchronous stops the step until storage has it; asynchronous only until host memory has it.");
  v("storage_bandwidth", s.storage_bandwidth, positive, "Of the whole cluster.");
  v("bytes_per_parameter", s.bytes_per_parameter, positive, "Saved state.");
}

} // namespace sim::reliability

namespace sim {
inline namespace base {
template <> struct EnumNames<reliability::CheckpointMode> {
  static constexpr std::array names{
      std::pair{reliability::CheckpointMode::Synchronous, std::string_view{"synchronous"}},
      std::pair{reliability::CheckpointMode::Asynchronous, std::string_view{"asynchronous"}}};
};
template <>
inline constexpr std::string_view catalogue_kind<reliability::ReliabilitySpec> = "reliability";
} // namespace base
} // namespace sim
