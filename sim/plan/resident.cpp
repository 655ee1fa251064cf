// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/resident.hpp"

#include "sim/plan/schedule/schedule.hpp"

#include "sim/workload/counts.hpp"

namespace sim::plan {

namespace {

// A table that both the first and the last pipeline rank read: tied, or looked up by prediction
// modules too.
bool read_at_both_ends(const workload::ModelSpec& model, const ParallelismSpec& layout) {
  return layout.pipeline > 1 && rule_of(layout.schedule).placement == Placement::Looped &&
         (model.tied_embeddings || model.multi_token_prediction > 0);
}

} // namespace

UnitParameters unit_parameters(const workload::ModelSpec& model, const StageChunk& chunk,
                               const ParallelismSpec& layout) {
  const double tensor = layout.tensor, holders = expert_tensor(layout) * double(layout.expert);
  // Of a layer: what is frozen, and the adapters that train in its place.
  const auto adapt = [&](ResidentParameters unit, workload::LayerKind kind) {
    if (!model.adapters)
      return unit;
    const workload::AdapterParameters adapters = workload::adapter_parameters(model, kind);
    return ResidentParameters{unit.dense + adapters.dense / tensor,
                              unit.experts + adapters.experts / holders, unit.dense, unit.experts};
  };
  const auto layer_of = [&](workload::LayerKind kind) {
    const workload::LayerParameters layer = workload::layer_parameters(model, kind);
    return adapt({(layer.attention + layer.dense) / tensor + layer.norms, layer.experts / holders},
                 kind);
  };
  UnitParameters units;
  units.dense_layer = layer_of(workload::LayerKind::Dense);
  if (model.experts)
    units.expert_layer = layer_of(workload::LayerKind::Experts);
  const workload::Parameters all = workload::parameters(model);
  if (chunk.embedding)
    units.embedding.dense = (all.embedding + all.positions) / tensor;
  const auto freeze_tables = [&] {
    for (ResidentParameters* unit : {&units.embedding, &units.head})
      unit->frozen_dense = model.adapters ? unit->dense : 0;
  };
  freeze_tables();
  if (!chunk.head)
    return units;
  units.tied = model.tied_embeddings && chunk.embedding;
  // A tied head on another rank than the embedding is a second copy of it.
  const double head = model.tied_embeddings && !chunk.embedding ? all.embedding : all.head;
  (units.tied ? units.embedding : units.head).dense += head / tensor + all.final_norm;
  // Prediction modules look tokens up: in a tied head, or in a copy of the embedding.
  if (chunk.prediction_modules > 0 && !model.tied_embeddings && read_at_both_ends(model, layout))
    units.head.dense += all.embedding / tensor;
  freeze_tables();
  if (chunk.prediction_modules > 0) {
    const auto kind = model.experts ? workload::LayerKind::Experts : workload::LayerKind::Dense;
    const double experts = workload::layer_parameters(model, kind).experts;
    const double module = all.prediction_modules / model.multi_token_prediction;
    units.prediction_module = adapt({(module - experts) / tensor, experts / holders}, kind);
  }
  return units;
}

ResidentParameters resident_parameters(const workload::ModelSpec& model, const StageChunk& chunk,
                                       const ParallelismSpec& layout) {
  const UnitParameters units = unit_parameters(model, chunk, layout);
  ResidentParameters sum;
  sum += chunk.dense_layers * units.dense_layer;
  sum += chunk.expert_layers * units.expert_layer;
  sum += units.embedding;
  sum += units.head;
  sum += chunk.prediction_modules * units.prediction_module;
  return sum;
}

std::vector<int> chunks_on_rank(const ParallelismSpec& layout, int chunks, int rank) {
  const Placement placement = rule_of(layout.schedule).placement;
  if (placement != Placement::Looped)
    return {rank, chunks - 1 - rank};
  std::vector<int> result;
  for (int chunk = rank; chunk < chunks; chunk += layout.pipeline)
    result.push_back(chunk);
  return result;
}

double table_at_both_ends(const workload::ModelSpec& model, const ParallelismSpec& layout) {
  if (model.adapters || !read_at_both_ends(model, layout))
    return 0;
  return workload::parameters(model).embedding / layout.tensor;
}

int weight_copies(const ParallelismSpec& layout) {
  return rule_of(layout.schedule).placement == Placement::BothWays ? 2 : 1;
}

} // namespace sim::plan
