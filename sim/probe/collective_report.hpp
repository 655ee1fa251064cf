// SPDX-License-Identifier: Apache-2.0
// One collective alone on a pool: what the library chose, how long it takes, which links bind.
#pragma once

#include "sim/hardware/spec.hpp"
#include "sim/network/collective.hpp"
#include "sim/network/exact_play.hpp"
#include "sim/probe/spec.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim::probe {

struct LinkUse {
  topology::LinkKind kind = topology::LinkKind::ScaleUp;
  BytesPerSecond capacity{}; // of one link, usable
  Bytes carried{};           // by the most loaded link, flags and headers included
  double busy = 0;           // share of the time that it needs for them
};

struct CollectiveReport {
  network::Collective collective;
  int ranks = 1;
  int nodes = 1, fewest_nodes = 1; // that a group lies on
  Bytes size{};
  Seconds time{};
  BytesPerSecond algorithm_bandwidth{}, bus_bandwidth{}; // as nccl-tests
  std::vector<LinkUse> links;                            // busiest first
  std::optional<network::ExactPlay> exact; // where asked for: its duration is in `time`
  std::optional<std::uint64_t> messages;   // of all groups, where they were played
};

// What a benchmark measures of a collective that takes `alone`.
Seconds measured_time(const CollectiveProbe& probe, const network::Collective& collective,
                      Seconds alone);

// Kinds of the probes' operations.
network::CollectiveKind kind_of(Operation operation);

// How its time is found: by the closed form, by flows on every link (exact_play.hpp), or by the
// messages of its ring (messages.hpp).
enum class CollectivePlay { ClosedForm, Flows, Messages };

// `algorithm` and `protocol`: instead of what the library chooses. Throws InfeasibleError.
CollectiveReport report_collective(const CollectiveProbe& probe, const hardware::PoolSpec& pool,
                                   std::optional<network::Algorithm> algorithm = std::nullopt,
                                   hardware::Protocol protocol = hardware::Protocol::Simple,
                                   CollectivePlay how = CollectivePlay::ClosedForm);

} // namespace sim::probe
