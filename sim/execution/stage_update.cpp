// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/stage_update.hpp"

#include "sim/hardware/kernel.hpp"
#include "sim/plan/resident.hpp"

#include <algorithm>

namespace sim::execution {
namespace {

using network::CollectiveKind;

// Writes the collectives of one stage.
struct UpdateWriter {
  const plan::StepSetting& setting;
  const plan::Groups groups;
  plan::ResidentParameters held;
  double buckets;
  network::CollectivePlanner& planner;
  Patterns& patterns;
  BesideData beside{};

  void note_beside(const network::Collective& collective, const ScriptCollective& script) {
    Bytes moved{};
    for (const ScriptPhase& phase : script.phases)
      moved += phase.memory_per_byte * phase.bytes_per_flow;
    const Seconds duration = planner.idle_duration(collective);
    if (duration > Seconds{})
      beside.memory = std::max(beside.memory, moved / duration);
    beside.held_sms = std::max(beside.held_sms, script.held_sms);
  }
  void add(CollectiveKind kind, Bytes size, network::Group group, TeamKind team, bool early,
           std::vector<ScriptCollective>& out) {
    const network::Collective collective = planner.plan(kind, size, group);
    out.push_back(script_of(collective, team, setting.stack->communication_sms, patterns));
    if (early)
      note_beside(collective, out.back());
  }
  // Splits a collective's bytes so that the last of the buckets, which are equal, stands alone.
  void add_split(CollectiveKind kind, Bytes size, network::Group group, TeamKind team, bool overlap,
                 std::vector<ScriptCollective>& early, std::vector<ScriptCollective>& late) {
    if (group.size <= 1 || size <= Bytes{})
      return;
    const double last = overlap ? 1 / std::max(1.0, buckets) : 1;
    if (last < 1)
      add(kind, (1 - last) * size, group, team, true, early);
    add(kind, last * size, group, team, false, late);
  }
  // `copies`: pipeline ranks that hold the same weights (DualPipe), and take part.
  void add_both(CollectiveKind kind, const plan::ResidentParameters& parameters,
                Bytes per_parameter, network::Group dense, network::Group experts, int copies,
                bool overlap, std::vector<ScriptCollective>& early,
                std::vector<ScriptCollective>& late) {
    add_split(kind, joined(dense, copies) * per_parameter * parameters.dense, dense, TeamKind::Data,
              overlap, early, late);
    add_split(kind, joined(experts, copies) * per_parameter * parameters.experts, experts,
              TeamKind::ExpertData, overlap, early, late);
  }
  // Bytes that a rank moves in a group `copies` times as large, over those in the group:
  // (n copies - 1)/(n copies) over (n - 1)/n.
  static double joined(network::Group group, int copies) {
    return group.size <= 1 ? 1 : (group.size * copies - 1.0) / (copies * (group.size - 1.0));
  }
};

} // namespace

Bytes optimizer_traffic(const plan::PrecisionSpec& precision) {
  return 2 * (precision.master_bytes + precision.moment_bytes) + 4 * precision.gradient_bytes +
         precision.weight_bytes;
}

namespace {

Seconds device_time(const plan::StepSetting& setting, Bytes traffic) {
  if (traffic <= Bytes{})
    return {};
  const hardware::AcceleratorSpec& accelerator = setting.accelerator();
  return hardware::demand(hardware::MemoryKernel{traffic, hardware::MemoryKind::Optimizer, 1},
                          accelerator)
      .alone(accelerator, accelerator.streaming_multiprocessors);
}

} // namespace

Seconds whole_weights_time(const plan::StepSetting& setting, double held, double multiplied) {
  if (setting.layout.zero_stage > 1)
    return {};
  const hardware::AcceleratorSpec& accelerator = setting.accelerator();
  Seconds time = device_time(setting, held * setting.stack->precision.gradient_bytes);
  std::vector<plan::PlannedKernel> casts;
  plan::lower_weight_cast(multiplied, {setting.stack, &accelerator}, casts);
  for (const plan::PlannedKernel& cast : casts)
    time += cast.demand.alone(accelerator, accelerator.streaming_multiprocessors);
  return time;
}

OptimizerTime optimizer_time(const plan::StepSetting& setting, double parameters, double buckets) {
  const plan::PrecisionSpec& precision = setting.stack->precision;
  const auto& offload = setting.stack->optimizer_offload;
  OptimizerTime time;
  if (!offload) {
    time.device = device_time(setting, parameters * optimizer_traffic(precision));
    return time;
  }
  const hardware::NodeSpec& node = setting.pool->node.spec;
  const double away = offload->share * parameters;
  // Norm and clipping of gradients that stay on the device: read, read and written.
  const Bytes clipped = offload->gradients ? Bytes{} : 3 * away * precision.gradient_bytes;
  time.device = device_time(setting, (parameters - away) * optimizer_traffic(precision) + clipped);
  const BytesPerSecond link = hardware::usable_host_bandwidth(node),
                       memory = node.host->memory_bandwidth * node.host->efficiency /
                                double(node.accelerators);
  const Bytes gradient = away * precision.gradient_bytes, weight = away * precision.weight_bytes;
  // The host reads the gradient (for its norm, too, where it has all of them), reads and writes the
  // state, writes the weight.
  Bytes traffic = 2 * away * (precision.master_bytes + precision.moment_bytes) +
                  (offload->gradients ? 2 : 1) * gradient + weight;
  const Seconds out = offload->gradients ? Seconds{} : gradient / link, back = weight / link;
  time.copying = out + back;
  if (!offload->overlap) {
    time.host_update = traffic / memory;
    time.host_copies = time.copying;
    return time;
  }
  traffic += (offload->gradients ? Bytes{} : gradient) + weight;
  const Seconds update = traffic / memory, longest = std::max({out, update, back});
  const Seconds whole = longest + (out + update + back - longest) / std::max(1.0, buckets);
  const Seconds exposed = std::max(Seconds{}, whole - time.device);
  time.host_update = std::min(exposed, update);
  time.host_copies = exposed - time.host_update;
  return time;
}

namespace {

// Planned for groups of two as far apart as the ends of the pipeline, or as nearly as groups can be
// that tile the GPUs: what the library's choice of algorithm and protocol depends on. An odd number
// of GPUs has none: a ring of two plain messages.
network::Collective plan_between_ends(const plan::StepSetting& setting, Bytes size,
                                      network::CollectivePlanner& planner) {
  const network::Group pipeline = plan::groups_of(setting.layout, setting.gpus()).pipeline;
  const int apart = (pipeline.size - 1) * pipeline.stride;
  for (int stride = apart; stride > 0; --stride)
    if (setting.gpus() % (std::int64_t{2} * stride) == 0)
      return planner.plan(CollectiveKind::AllReduce, size, {2, stride});
  network::Collective ring = planner.point_to_point(size / 2, apart);
  ring.phases.front().transfers.pattern = network::Pattern::Ring;
  ring.phases.front().transfers.group = {2, apart};
  ring.phases.push_back(ring.phases.front());
  return ring;
}

// From stage 2 on a rank has its shard of the gradient only.
void add_tied_gradients(const plan::StepSetting& setting, int stage, UpdateWriter& writer,
                        StageUpdate& update) {
  const double table = plan::table_at_both_ends(*setting.model, setting.layout);
  if (table <= 0 || (stage > 0 && stage + 1 < setting.layout.pipeline))
    return;
  const double shards = setting.layout.zero_stage >= 2 ? writer.groups.shard.size : 1;
  const Bytes size = table / shards * setting.stack->precision.gradient_bytes;
  update.tied_gradients.push_back(script_of(plan_between_ends(setting, size, writer.planner),
                                            TeamKind::TiedTable, setting.stack->communication_sms,
                                            writer.patterns));
}

// Trained weights of layers whose multiplies are narrow; norms and routers, which are not, are few.
double multiplied_parameters(const plan::StepSetting& setting, const plan::StageChunk& chunk) {
  const plan::UnitParameters units = plan::unit_parameters(*setting.model, chunk, setting.layout);
  const int wide_dense = chunk.wide_dense_layers(),
            wide_experts = chunk.wide_first + chunk.wide_last - wide_dense;
  return (chunk.dense_layers - wide_dense) * units.dense_layer.trained().total() +
         (chunk.expert_layers - wide_experts) * units.expert_layer.trained().total() +
         chunk.prediction_modules * units.prediction_module.trained().total();
}

} // namespace

StageUpdate stage_update(const plan::StepSetting& setting,
                         const std::vector<plan::StageChunk>& chunks, int stage,
                         network::CollectivePlanner& planner, Patterns& patterns) {
  const plan::StackSpec& stack = *setting.stack;
  const plan::PrecisionSpec& precision = stack.precision;
  UpdateWriter writer{setting, plan::groups_of(setting.layout, setting.gpus()), {}, 0, planner,
                      patterns};
  double multiplied = 0;
  for (const int index :
       plan::chunks_on_rank(setting.layout, static_cast<int>(chunks.size()), stage)) {
    const plan::StageChunk& chunk = chunks[static_cast<std::size_t>(index)];
    writer.held += plan::resident_parameters(*setting.model, chunk, setting.layout).trained();
    writer.buckets += chunk.layers();
    multiplied += multiplied_parameters(setting, chunk);
  }
  const plan::Groups& groups = writer.groups;
  const int zero_stage = setting.layout.zero_stage;
  const plan::ResidentParameters shard{writer.held.dense / groups.shard.size,
                                       writer.held.experts / groups.expert_shard.size};
  StageUpdate update;
  const int copies = plan::weight_copies(setting.layout);
  // From stage 2 on, passes reduce and scatter gradients themselves.
  if (zero_stage == 1)
    writer.add_both(CollectiveKind::ReduceScatter, writer.held, precision.gradient_bytes,
                    groups.shard, groups.expert_shard, copies, stack.overlap.data_gradients,
                    update.gradients_early, update.gradients_late);
  // What was reduced before has been cut by all copies already.
  const double reduced = zero_stage == 0 ? 1 : copies;
  writer.add_both(CollectiveKind::AllReduce, {shard.dense / reduced, shard.experts / reduced},
                  precision.gradient_bytes, groups.replicate, groups.expert_replicate,
                  zero_stage == 0 ? copies : 1, stack.overlap.data_gradients,
                  update.gradients_early, update.gradients_late);
  add_tied_gradients(setting, stage, writer, update);
  if (zero_stage == 1 || zero_stage == 2)
    writer.add_both(CollectiveKind::AllGather, writer.held, precision.weight_bytes, groups.shard,
                    groups.expert_shard, copies, stack.overlap.data_parameters,
                    update.parameters_early, update.parameters_late);
  update.optimizer = optimizer_time(setting, shard.total() / copies, writer.buckets);
  update.optimizer.device += whole_weights_time(setting, writer.held.total(), multiplied);
  update.beside = writer.beside;
  return update;
}

} // namespace sim::execution
