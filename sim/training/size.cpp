// SPDX-License-Identifier: Apache-2.0
#include "sim/training/size.hpp"

#include "sim/base/limit.hpp"

#include <algorithm>

namespace sim::training {
namespace {

double gpus_of(const hardware::PoolSpec& pool) {
  return double(pool.nodes) * double(pool.node->accelerators);
}

void require_bounded(const rollout::LengthSpec& response, const std::string& path) {
  for (const auto& [points, key] :
       {std::pair{response.mean.size(), ".mean"}, std::pair{response.cap.size(), ".cap"}})
    require_within(limit::schedule_points, double(points), "points in a schedule", path + key,
                   "fewer points; between them values are interpolated");
}

void require_bounded(const workload::ModelSpec& model, const std::string& path) {
  require_within(limit::layers, model.layers, "layers", path + ".layers", "fewer layers");
  require_within(limit::layers, model.multi_token_prediction, "prediction modules",
                 path + ".multi_token_prediction", "fewer modules");
}

void require_bounded(const ReinforcementSpec& loop, const std::string& path) {
  require_bounded(loop.response, path + ".response");
  if (loop.reward.companion.model)
    require_bounded(loop.reward.companion.model->spec, path + ".reward.model");
  if (loop.critic.model)
    require_bounded(loop.critic.model->spec, path + ".critic.model");
}

} // namespace

void require_bounded(const RunInput& input) {
  const bool flat = input.cluster.pools.empty();
  double gpus = flat ? gpus_of(input.cluster.main) : 0;
  for (const auto& [name, pool] : input.cluster.pools)
    gpus += gpus_of(pool);
  require_within(limit::gpus, gpus, "GPUs", flat ? "cluster.nodes" : "cluster.pools",
                 "fewer nodes or accelerators per node");
  const auto deliveries = [](const hardware::PoolSpec& pool, const std::string& path) {
    require_within(limit::deliveries, double(pool.deliveries.size()), "deliveries",
                   path + ".deliveries", "fewer, larger ones");
  };
  deliveries(input.cluster.main, "cluster");
  for (const auto& [name, pool] : input.cluster.pools)
    deliveries(pool, "cluster.pools." + name);
  require_bounded(input.model.spec, "model");
  require_within(limit::stages, double(input.stages.size()), "stages", "stages",
                 "fewer stages, or several runs that build on one another (builds_on)");
  for (const StageSpec& stage : input.stages) {
    const std::string path = "stages." + stage.name;
    require_within(limit::ramp_steps, stage.batch.ramp_steps, "levels of a ramp",
                   path + ".batch.ramp_steps", "fewer ramp_steps");
    if (stage.reinforcement)
      require_bounded(*stage.reinforcement, path + ".reinforcement");
    if (stage.inference)
      require_bounded(stage.inference->response, path + ".inference.response");
  }
}

double passes_in(const execution::StepSimulator::Request& request, std::int64_t gpus) {
  const plan::ParallelismSpec& layout = request.layout;
  // A pass belongs to a chunk of the pipeline and a micro-batch; without `data` it is what the
  // other degrees leave.
  const double ranks = double(layout.tensor) * layout.pipeline * layout.context;
  if (ranks > double(gpus))
    return 0; // refused for that reason
  const double data = layout.data > 0 ? layout.data : std::max(1.0, double(gpus) / ranks);
  const double micro_batches = double(request.batch) / (data * layout.micro_batch);
  const double directions = request.mode == plan::StepMode::Training ? 2 : 1;
  return directions * micro_batches * layout.pipeline * layout.virtual_stages;
}

} // namespace sim::training
