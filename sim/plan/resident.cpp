// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/resident.hpp"

#include "sim/workload/counts.hpp"

namespace sim::plan {

ResidentParameters resident_parameters(const workload::ModelSpec& model, const StageChunk& chunk,
                                       const ParallelismSpec& layout) {
  const double tensor = layout.tensor;
  ResidentParameters sum;
  const auto add_layers = [&](workload::LayerKind kind, double count) {
    const workload::LayerParameters layer = workload::layer_parameters(model, kind);
    sum.dense += count * ((layer.attention + layer.dense) / tensor + layer.norms);
    sum.experts += count * layer.experts / (tensor * layout.expert);
  };
  add_layers(workload::LayerKind::Dense, chunk.dense_layers);
  if (chunk.expert_layers > 0)
    add_layers(workload::LayerKind::Experts, chunk.expert_layers);
  const workload::Parameters all = workload::parameters(model);
  if (chunk.embedding)
    sum.dense += (all.embedding + all.positions) / tensor;
  if (chunk.head) {
    // A tied head on another rank than the embedding is a second copy of it.
    const double head = model.tied_embeddings && !chunk.embedding ? all.embedding : all.head;
    sum.dense += head / tensor + all.final_norm;
    if (chunk.prediction_modules > 0) {
      const auto kind = model.experts ? workload::LayerKind::Experts : workload::LayerKind::Dense;
      const double experts =
          workload::layer_parameters(model, kind).experts * chunk.prediction_modules;
      sum.dense += (all.prediction_modules - experts) / tensor;
      sum.experts += experts / (tensor * layout.expert);
    }
  }
  return sum;
}

std::vector<int> chunks_on_rank(const ParallelismSpec& layout, int chunks, int rank) {
  if (layout.schedule == Schedule::DualPipe)
    return {rank, layout.pipeline - 1 - rank};
  std::vector<int> result;
  for (int chunk = rank; chunk < chunks; chunk += layout.pipeline)
    result.push_back(chunk);
  return result;
}

int weight_copies(const ParallelismSpec& layout) {
  return layout.schedule == Schedule::DualPipe ? 2 : 1;
}

} // namespace sim::plan
