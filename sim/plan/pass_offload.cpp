// SPDX-License-Identifier: Apache-2.0
// Activations that wait in the host's memory: copied out while the next layer computes, and back
// while the one after it (in the order of the model) runs backward. Two layers are under way at
// most, as in Transformer Engine's double buffer.
#include "sim/plan/activations.hpp"
#include "sim/plan/pass_cursor.hpp"

#include <algorithm>
#include <utility>

namespace sim::plan {

int PassBuilder::host_copy(const StageChunk& chunk, int layer, Cursor& cursor) {
  const auto kind =
      layer < chunk.dense_layers ? workload::LayerKind::Dense : workload::LayerKind::Experts;
  return host_copy(kept_activations(setting_, kind, layer, chunk.wide(layer)), cursor);
}

// Starts after the cursor's last task; nothing waits for it yet.
int PassBuilder::host_copy(Bytes size, Cursor& cursor) {
  network::Phase phase;
  phase.latency = size / hardware::usable_host_bandwidth(setting_.pool->node.spec);
  PassTask task;
  task.is_kernel = false;
  task.collective.kind = network::CollectiveKind::PointToPoint;
  task.collective.phases.push_back(phase);
  task.dimension = CommunicationDimension::Host;
  task.after = {cursor.last, -1};
  return cursor.push(std::move(task));
}

// Before a layer's forward pass: what the layer before the last left has been copied.
void PassBuilder::await_stores(int layer, Cursor& cursor) {
  const int before = layer - 2;
  if (before >= 0 && before < static_cast<int>(cursor.host_copies.size()))
    cursor.last = cursor.join(cursor.last, cursor.host_copies[static_cast<std::size_t>(before)]);
}

void PassBuilder::store(const StageChunk& chunk, int layer, Cursor& cursor) {
  if (setting_.mode == StepMode::Training && offloaded(*setting_.stack, layer))
    cursor.host_copies.push_back(host_copy(chunk, layer, cursor));
}

// Before a layer's backward pass: its activations are there, and those of the next are on their
// way.
void PassBuilder::fetch(const StageChunk& chunk, int layer, Cursor& cursor) {
  const int stored = std::min(setting_.stack->offload_layers, chunk.layers());
  cursor.host_copies.resize(static_cast<std::size_t>(stored), -1);
  for (const int each : {layer, layer - 1}) {
    if (each < 0 || each >= stored)
      continue;
    int& copy = cursor.host_copies[static_cast<std::size_t>(each)];
    if (copy < 0)
      copy = host_copy(chunk, each, cursor);
  }
  if (layer < stored)
    cursor.last = cursor.join(cursor.last, cursor.host_copies[static_cast<std::size_t>(layer)]);
}

} // namespace sim::plan
