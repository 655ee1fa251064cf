// SPDX-License-Identifier: Apache-2.0
// Sizes beyond which a scenario is refused before memory is taken and hours are spent. What each is
// for stands in scenarios/README.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sim {
inline namespace base {

namespace limit {
inline constexpr std::int64_t gpus = std::int64_t{1} << 20; // of all pools together
inline constexpr std::int64_t stages = 256;
inline constexpr std::int64_t layers = 1024;
inline constexpr std::int64_t passes = std::int64_t{1} << 20;     // of one step
inline constexpr std::int64_t run_passes = std::int64_t{1} << 23; // of all steps simulated
inline constexpr std::int64_t step_tasks = std::int64_t{1}
                                           << 31; // of all actors, --detail, --exact
inline constexpr std::int64_t step_messages = std::int64_t{1} << 30; // --detail message
inline constexpr std::int64_t step_places = std::int64_t{1} << 28; // tasks waiting at a time: 2 GiB
inline constexpr std::int64_t trace_spans = std::int64_t{1} << 23; // 0.6 GiB, a file of 1.5 GB
inline constexpr std::int64_t deliveries = 64; // of a pool: each is a size of the cluster
inline constexpr std::int64_t ramp_steps = 4096;
inline constexpr std::int64_t schedule_points = 1024; // of a response length
inline constexpr std::int64_t admissions = 1'000'000; // portions of a rollout's responses
inline constexpr std::int64_t job_events = 10'000'000;
inline constexpr std::int64_t failures = 1'000'000;
inline constexpr std::int64_t replications = 1'000'000;
inline constexpr std::int64_t replication_values = std::int64_t{1} << 26; // kept in memory: 1 GiB
inline constexpr std::int64_t sweep_runs = std::int64_t{1} << 20;
inline constexpr std::int64_t probes = 256;
inline constexpr std::int64_t base_runs = 32; // a chain of builds_on
} // namespace limit

// Throws InfeasibleError(path, "limit: 1048576 GPUs, 2097152 are asked for", remedy) when `asked`
// is more than `most`.
void require_within(std::int64_t most, double asked, std::string_view what, const std::string& path,
                    const std::string& remedy);

// The same for what is counted as it happens: "limit: 1000000 failures".
[[noreturn]] void fail_limit(std::int64_t most, std::string_view what, const std::string& path,
                             const std::string& remedy);

} // namespace base
} // namespace sim
