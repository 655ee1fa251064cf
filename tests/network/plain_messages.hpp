// SPDX-License-Identifier: Apache-2.0
// Rings of plain messages.
#pragma once

#include "sim/network/messages.hpp"

namespace test {

inline sim::network::MessagePlay play_messages(const sim::topology::Fabric& fabric,
                                               sim::network::CollectiveKind kind, sim::Bytes size,
                                               sim::network::Group group) {
  using namespace sim::network;
  CollectivePlanner planner(fabric);
  return sim::network::play_messages(fabric, planner.plan(Algorithm::Ring, kind, size, group),
                                     group);
}

} // namespace test
