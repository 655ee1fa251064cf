// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/layout_estimate.hpp"

#include "sim/execution/stage_update.hpp"
#include "sim/hardware/kernel.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace sim::execution {
namespace {

using network::CollectiveKind;
using plan::ParallelismSpec;
using plan::PassKind;
using plan::ResidentParameters;
using plan::Schedule;
using plan::StageChunk;
using plan::StepMode;
using plan::StepSetting;

// Of the shorter of computation and communication in an overlapped pair, the share that
// dependencies keep from being hidden: where estimates meet the play (README.md).
constexpr double unhidden_share = 0.15;

bool runs_pairs(Schedule schedule) {
  return schedule == Schedule::DualPipe || schedule == Schedule::CombinedOneForwardOneBackward;
}

Seconds above_zero(Seconds time) { return std::max(time, Seconds{}); }

// Of a pass, what data-parallel traffic beside it has of the NIC: what is left, at least a fair
// half.
Seconds free_scale_out(Seconds pass, Seconds busy) { return std::max(pass / 2, pass - busy); }

// Of kernels, by the host.
double launches_of(const plan::PassTask& task) {
  return task.is_kernel && task.kernel.demand.all_sms > 0 ? task.kernel.launches : 0;
}

Seconds scale_out_time(const network::Collective& collective,
                       const network::LinkCapacities& capacities) {
  constexpr auto nic = static_cast<std::size_t>(topology::LinkKind::Nic);
  Seconds sum{};
  for (const network::Phase& phase : collective.phases)
    if (phase.flows[nic] > 0)
      sum += phase.bytes_per_flow * phase.flows[nic] / capacities.per_link[nic];
  return sum;
}

// An exchange that comes after deferrable kernels (plan::PassBuilder).
bool waits_for_weights(const plan::Chain& chain, const plan::PassTask& task) {
  if (task.is_kernel || task.after[1] < 0)
    return false;
  const plan::PassTask& other = chain[static_cast<std::size_t>(task.after[1])];
  return task.dimension == plan::CommunicationDimension::Expert && other.is_kernel &&
         other.background;
}

} // namespace

// Critical tasks follow one another; where they leave the compute stream idle, a deferrable kernel
// can run once there is one.
LayoutEstimate::ChainCost LayoutEstimate::chain_cost(const plan::Chain& chain) const {
  const hardware::AcceleratorSpec& accelerator = setting_.accelerator();
  ChainCost cost;
  Seconds launches{};
  std::vector<Seconds> ends(chain.size());
  Seconds compute_free{};
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const plan::PassTask& task = chain[i];
    Seconds ready{};
    for (const int after : task.after)
      if (after >= 0)
        ready = std::max(ready, ends[static_cast<std::size_t>(after)]);
    ends[i] = ready;
    if (waits_for_weights(chain, task)) { // those so far come before it, where no gap took them
      compute_free += above_zero(cost.deferrable - cost.gaps);
      cost.deferrable = cost.gaps = Seconds{};
      ends[i] = std::max(ready, compute_free);
    }
    if (!task.is_kernel) {
      cost.scale_out += scale_out_time(task.collective, planner_.capacities());
      if (task.dimension == plan::CommunicationDimension::Data)
        cost.data += planner_.idle_duration(task.collective);
      else if (!task.background)
        ends[i] += planner_.idle_duration(task.collective);
    } else if (task.kernel.demand.all_sms > 0) { // else a join
      const Seconds alone =
          task.kernel.demand.alone(accelerator, accelerator.streaming_multiprocessors);
      if (task.background) {
        cost.deferrable += alone;
      } else {
        const Seconds start = std::max(ready, compute_free);
        (cost.deferrable > Seconds{} ? cost.gaps : cost.early_gaps) += start - compute_free;
        compute_free = ends[i] = start + alone;
      }
    }
    cost.critical = std::max(cost.critical, ends[i]);
  }
  for (const plan::PassTask& task : chain)
    launches += launches_of(task) * setting_.stack->kernel_launch;
  cost.critical = std::max(cost.critical, launches - cost.deferrable);
  (cost.deferrable > Seconds{} ? cost.gaps : cost.early_gaps) += cost.critical - compute_free;
  return cost;
}

// The longer of computation and communication, and what of the shorter stays unhidden. Kernels
// beside a collective lack the SMs that it holds.
Seconds LayoutEstimate::pair_time(const plan::Pass& pass) const {
  const hardware::AcceleratorSpec& accelerator = setting_.accelerator();
  const double all = accelerator.streaming_multiprocessors;
  Seconds alone{}, beside{}, communication{}, longest{}, launches{};
  for (const plan::Chain& chain : pass.chains) {
    longest = std::max(longest, chain_cost(chain).critical);
    for (const plan::PassTask& task : chain) {
      launches += launches_of(task) * setting_.stack->kernel_launch;
      if (!task.is_kernel) {
        communication += planner_.idle_duration(task.collective);
      } else if (task.kernel.demand.all_sms > 0) {
        alone += task.kernel.demand.alone(accelerator, all);
        beside += task.kernel.demand.alone(accelerator, all - setting_.stack->dispatch_sms);
      }
    }
  }
  const double covered = beside > Seconds{} ? std::min(1.0, communication / beside) : 0;
  const Seconds computation = alone + covered * (beside - alone);
  return std::max({launches, longest,
                   std::max(computation, communication) +
                       unhidden_share * std::min(computation, communication)});
}

// Pairs are costed only for a schedule that runs them.
const LayoutEstimate::Parts& LayoutEstimate::parts_of(const StepSetting& setting,
                                                      const plan::Groups& groups) {
  const ParallelismSpec& layout = setting.layout;
  const auto shape = std::tuple(layout.tensor, layout.context, layout.expert, layout.micro_batch,
                                groups.data.stride, groups.shard.size);
  const auto known = parts_.find(shape);
  const bool fresh = known == parts_.end(), training = setting.mode == StepMode::Training;
  Parts parts = fresh ? Parts{} : known->second;
  const bool pairs = training && runs_pairs(layout.schedule) && !parts.with_pairs;
  if (!fresh && !pairs)
    return known->second;
  parts.with_pairs |= pairs;
  const workload::ModelSpec& model = *setting.model;
  StageChunk dense, experts, wide_dense, wide_experts, embedding, head;
  dense.dense_layers = wide_dense.dense_layers = 1;
  experts.expert_layers = wide_experts.expert_layers = 1;
  wide_dense.wide_first = wide_experts.wide_first = 1;
  embedding.embedding = true;
  head.head = true;
  head.prediction_modules = model.multi_token_prediction;
  // Parts of a chunk: shares of messages are gathered once for all of them (message_time).
  plan::StackSpec stack = *setting.stack;
  stack.scatter_gather = false;
  stack.offload_layers = 0; // hides under the next layers
  StepSetting alone = setting;
  alone.stack = &stack;
  plan::PassBuilder builder(alone, {dense, experts, embedding, head, wide_dense, wide_experts},
                            planner_);
  const auto fill = [&](PartCost& part, int chunk) {
    if (fresh)
      part.forward = chain_cost(builder.build({PassKind::Forward, chunk, 0}).chains[0]);
    if (fresh && training)
      part.backward = chain_cost(builder.build({PassKind::Backward, chunk, 0}).chains[0]);
    if (pairs)
      part.pair = pair_time(builder.build({PassKind::Pair, chunk, chunk}));
  };
  const bool wide =
      stack.precision.bf16_layers_at_start > 0 || stack.precision.bf16_layers_at_end > 0;
  if (!model.experts || model.dense_layers > 0) {
    fill(parts.dense, 0);
    if (wide)
      fill(parts.wide_dense, 4);
  }
  if (model.experts) {
    fill(parts.experts, 1);
    if (wide)
      fill(parts.wide_experts, 5);
  }
  fill(parts.embedding, 2);
  fill(parts.head, 3);
  return parts_.insert_or_assign(shape, parts).first->second;
}

// Shards of weights and gradients travel beside the pass, whose kernels lack the SMs that they
// hold; what is gathered before the first layer and reduced after the last unit hides under
// nothing.
void LayoutEstimate::add_shards(const StageChunk& chunk, const Parts& parts,
                                ChunkCost& cost) const {
  const PartCost& layer = chunk.dense_layers > 0 ? parts.dense : parts.experts;
  const bool layers = chunk.layers() > 0;
  const double held = setting_.stack->communication_sms,
               all = setting_.accelerator().streaming_multiprocessors;
  const auto beside = [&](Seconds pass, Seconds data) {
    return std::max(pass + held / std::max(1.0, all - held) * std::min(pass, data), data);
  };
  const Seconds before = (chunk.embedding ? parts.embedding.forward.data : Seconds{}) +
                         (layers ? layer.forward.data : Seconds{});
  const Seconds after = chunk.embedding ? parts.embedding.backward.data
                        : layers        ? layer.backward.data
                                        : Seconds{};
  cost.forward = beside(cost.forward, above_zero(cost.forward_data - before)) + before;
  cost.backward = beside(cost.backward, above_zero(cost.backward_data - after)) + after;
}

LayoutEstimate::ChunkCost LayoutEstimate::chunk_cost(const StageChunk& chunk,
                                                     const Parts& parts) const {
  ChunkCost cost;
  Seconds critical{}, deferrable{}, gaps{};
  const auto add = [&](const PartCost& part, double count) { // in the order of a backward pass
    if (count == 0)
      return;
    cost.forward += count * part.forward.critical;
    cost.pair += count * part.pair;
    cost.forward_scale_out += count * part.forward.scale_out;
    cost.backward_scale_out += count * part.backward.scale_out;
    cost.forward_data += count * part.forward.data;
    cost.backward_data += count * part.backward.data;
    critical += count * part.backward.critical;
    const bool first = deferrable <= Seconds{};
    gaps += count * part.backward.gaps + (first ? count - 1 : count) * part.backward.early_gaps;
    deferrable += count * part.backward.deferrable;
  };
  const int wide_dense = chunk.wide_dense_layers(),
            wide_experts = chunk.wide_first + chunk.wide_last - wide_dense;
  add(parts.head, chunk.head ? 1 : 0);
  add(parts.experts, chunk.expert_layers - wide_experts);
  add(parts.wide_experts, wide_experts);
  add(parts.dense, chunk.dense_layers - wide_dense);
  add(parts.wide_dense, wide_dense);
  add(parts.embedding, chunk.embedding ? 1 : 0);
  // Kernels in a gap run beside a collective, without the SMs that it holds.
  const double held = static_cast<double>(setting_.stack->dispatch_sms) /
                      setting_.accelerator().streaming_multiprocessors;
  cost.weight = deferrable;
  cost.backward = critical + deferrable - (1 - held) * std::min(gaps, deferrable);
  add_shards(chunk, parts, cost);
  return cost;
}

LayoutEstimate::Cut& LayoutEstimate::cut_of(const ParallelismSpec& layout) {
  const auto [known, added] =
      cuts_.try_emplace(std::pair{plan::chunk_count(layout), layout.layers_per_stage});
  Cut& cut = known->second;
  if (!added)
    return cut;
  StepSetting setting = setting_;
  setting.layout = layout;
  for (const StageChunk& chunk : plan::chunks_of(setting)) {
    const auto same = std::find(cut.kinds.begin(), cut.kinds.end(), chunk);
    cut.kind_of.push_back(static_cast<std::size_t>(same - cut.kinds.begin()));
    if (same == cut.kinds.end())
      cut.kinds.push_back(chunk);
  }
  return cut;
}

const std::vector<ResidentParameters>& LayoutEstimate::resident_of(Cut& cut,
                                                                   const ParallelismSpec& layout) {
  const auto [known, added] = cut.resident.try_emplace(std::tuple(layout.tensor, layout.expert));
  if (added)
    for (const StageChunk& kind : cut.kinds)
      known->second.push_back(plan::resident_parameters(*setting_.model, kind, layout));
  return known->second;
}

Seconds LayoutEstimate::collective_time(CollectiveKind kind, Bytes size, network::Group group) {
  if (group.size <= 1 || size <= Bytes{})
    return {};
  return planner_.idle_duration(planner_.plan(kind, size, group));
}

Seconds LayoutEstimate::message_time(const StepSetting& setting, const plan::Groups& groups) {
  const Bytes message = plan::boundary_message(setting);
  const Seconds gather = plan::gathers_messages(setting)
                             ? collective_time(CollectiveKind::AllGather,
                                               setting.layout.tensor * message, groups.tensor)
                             : Seconds{};
  return collective_time(CollectiveKind::PointToPoint, message, groups.pipeline) + gather;
}

// Pairs and lone passes of the busiest rank, and the idle time of DualPipe's table: (p/2 - 1)(pair
// + backward - 3 weight).
Seconds LayoutEstimate::dual_pipe_time(const Trial& trial) {
  const int half = trial.setting.layout.pipeline / 2;
  const double m = static_cast<double>(trial.setting.micro_batches());
  Seconds most{};
  for (int r = 0; r < half; ++r) {
    const auto& a = trial.chunk(static_cast<std::size_t>(r));
    const auto& b = trial.chunk(static_cast<std::size_t>(2 * half - 1 - r));
    const double pairs = m - 3 * half + r + 1; // the rest of the micro-batches pass alone
    const Seconds pair = (a.pair + b.pair) / 2, lone = (a.both() + b.both()) / 2;
    const Seconds idle =
        above_zero(pair + (a.backward + b.backward) / 2 - 1.5 * (a.weight + b.weight));
    most = std::max(most, pairs * pair + (m - pairs) * lone + (half - 1) * idle);
  }
  return most;
}

// Time of the busiest rank for one micro-batch. Without interleaving, two neighbours wait for each
// other's messages once per micro-batch; with it, ranks run chunks of one turn side by side, so
// that unequal chunks of a turn cost more than unequal ranks do (half way between the two).
Seconds LayoutEstimate::pace(const Trial& trial) {
  const auto p = static_cast<std::size_t>(trial.setting.layout.pipeline);
  const bool pairs =
      trial.setting.mode == StepMode::Training && runs_pairs(trial.setting.layout.schedule);
  const auto time = [&](std::size_t i) {
    return pairs ? trial.chunk(i).pair : trial.chunk(i).both();
  };
  Seconds slowest{}, before{}, turns{};
  for (std::size_t r = 0; r < p; ++r) {
    Seconds rank{};
    for (std::size_t i = r; i < trial.chunks(); i += p)
      rank += time(i);
    slowest = std::max(slowest, rank);
    if (trial.chunks() == p && r > 0)
      slowest = std::max(slowest, (before + rank) / 2 + trial.message);
    before = rank;
  }
  if (trial.chunks() == p)
    return slowest;
  for (std::size_t turn = 0; turn < trial.chunks(); turn += p) {
    Seconds longest{};
    for (std::size_t i = turn; i < turn + p; ++i)
      longest = std::max(longest, time(i));
    turns += longest;
  }
  return (slowest + turns) / 2;
}

// All micro-batches at the pace of the busiest rank, and filling and draining the pipeline: the
// first micro-batch of a chunk per rank. Combined, the last rank has (v - 1) p + 1 passes of a
// chunk each way that are no pairs, and waits for p - 1 of each of the others'.
Seconds LayoutEstimate::passes(const Trial& trial) {
  const double p = trial.setting.layout.pipeline;
  const double m = static_cast<double>(trial.setting.micro_batches());
  const Seconds travel = 2 * (p - 1) * trial.message;
  if (trial.setting.layout.schedule == Schedule::DualPipe &&
      trial.setting.mode == StepMode::Training)
    return dual_pipe_time(trial) + travel;
  Seconds once{};
  for (std::size_t i = 0; i < trial.chunks(); ++i)
    once += trial.chunk(i).both();
  const double v = static_cast<double>(trial.chunks()) / p;
  if (trial.setting.layout.schedule == Schedule::CombinedOneForwardOneBackward &&
      trial.setting.mode == StepMode::Training)
    return once + (m - ((v - 1) * p + 1) / v) * pace(trial) + travel;
  return once / v + (m - 1 / v) * pace(trial) + travel;
}

// Reduce-scatter or all-gather over data-parallel ranks: one ring with a channel per member in a
// node, or rings inside the nodes and between them, one after the other; the faster.
Seconds LayoutEstimate::gather_time(Bytes size, network::Group group) const {
  if (group.size <= 1)
    return {};
  const hardware::NodeSpec& node = setting_.pool->node.spec;
  const hardware::FabricSpec& fabric = setting_.pool->fabric.spec;
  const auto& capacity = planner_.capacities().per_link;
  const BytesPerSecond inside = capacity[static_cast<std::size_t>(topology::LinkKind::ScaleUp)];
  const double n = group.size;
  const double here = std::clamp(double(node.accelerators) / group.stride, 1.0, n),
               nodes = n / here;
  const Seconds gather = size * ((here - 1) / here) / inside + (here - 1) * fabric.scale_up_latency;
  if (nodes <= 1)
    return gather;
  BytesPerSecond nic = capacity[static_cast<std::size_t>(topology::LinkKind::Nic)];
  if (const BytesPerSecond pcie = capacity[static_cast<std::size_t>(topology::LinkKind::Pcie)];
      pcie > BytesPerSecond{})
    nic = std::min(nic, pcie / node.pcie->nics);
  const BytesPerSecond outside = nic * (double(node.nics) / node.accelerators);
  const Bytes share = size / here;
  const Seconds between =
      share * ((nodes - 1) / nodes) / outside + (nodes - 1) * fabric.leaf_latency;
  const Seconds around = (n - nodes) * fabric.scale_up_latency + nodes * fabric.leaf_latency;
  const Seconds ring =
      ((n - 1) / n) * std::max(share / outside, here > 1 ? size / inside : Seconds{});
  return std::min(gather + between, around + ring);
}

Seconds LayoutEstimate::optimizer_time(const Trial& trial, const ResidentParameters& held,
                                       double layers) const {
  const ParallelismSpec& layout = trial.setting.layout;
  const double parameters =
      (held.dense / trial.groups.shard.size + held.experts / trial.groups.expert_shard.size) /
      plan::weight_copies(layout);
  const OptimizerTime time = execution::optimizer_time(setting_, parameters, layers);
  return time.device + time.host_update + time.host_copies +
         whole_weights_time(trial.setting, held.total(), held.total());
}

// What gradients, optimizer and parameters add to the passes. Gradients reduce under the last
// backward pass and the drain of the pipeline, parameters gather under its filling and the passes
// up to the first one of a rank's last chunk, as far as the NIC has room; the last bucket of each
// is exposed.
Seconds LayoutEstimate::data_exchange(const Trial& trial) const {
  const ParallelismSpec& layout = trial.setting.layout;
  const plan::StackSpec& stack = *setting_.stack;
  const plan::Groups& groups = trial.groups;
  const bool both_ways = layout.schedule == Schedule::DualPipe;
  const double turns = static_cast<double>(trial.chunks()) / layout.pipeline;
  Seconds most_after{}, most_before{}, filled{}, drained{};
  for (int r = 0; r < layout.pipeline; ++r) {
    ResidentParameters held;
    double layers = 0;
    for (const int i : plan::chunks_on_rank(layout, static_cast<int>(trial.chunks()), r)) {
      const std::size_t kind = trial.cut.kind_of[static_cast<std::size_t>(i)];
      held += trial.resident[kind].trained();
      layers += trial.cut.kinds[kind].layers();
    }
    const auto within = [&](Bytes bytes) { // shards
      return gather_time(bytes * held.dense, groups.shard) +
             gather_time(bytes * held.experts, groups.expert_shard);
    };
    const auto between = [&](Bytes bytes) { // their copies
      return gather_time(bytes * held.dense / groups.shard.size, groups.replicate) +
             gather_time(bytes * held.experts / groups.expert_shard.size, groups.expert_replicate);
    };
    const double last = 1 / std::max(1.0, layers);
    const auto late = [last](Seconds time, bool overlapped) {
      return overlapped ? last * time : time;
    };
    const auto early = [last](Seconds time, bool overlapped, Seconds room) {
      return overlapped ? above_zero((1 - last) * time - room) : Seconds{};
    };
    const ChunkCost& pass = trial.chunk(static_cast<std::size_t>(r));
    const Bytes gradient = stack.precision.gradient_bytes;
    const Seconds reduce =
        (layout.zero_stage == 1 ? within(gradient) : Seconds{}) + 2 * between(gradient);
    const Seconds gather =
        layout.zero_stage <= 2 ? within(stack.precision.weight_bytes) : Seconds{};
    const bool overlapped = stack.overlap.data_gradients, ahead = stack.overlap.data_parameters;
    most_after =
        std::max(most_after,
                 early(reduce, overlapped, free_scale_out(pass.backward, pass.backward_scale_out)) +
                     late(reduce, overlapped) + optimizer_time(trial, held, layers) +
                     late(gather, ahead) - drained);
    const double before =
        both_ways ? std::abs(layout.pipeline - 1 - 2 * r) + 1 : (turns - 1) * layout.pipeline + 1;
    most_before = std::max(
        most_before, early(gather, ahead,
                           filled + before * free_scale_out(pass.forward, pass.forward_scale_out)));
    if (!both_ways) {
      filled += pass.forward;
      drained += pass.backward;
    }
  }
  return most_before + most_after;
}

// Of a table at both ends of the pipeline, once all gradients are reduced.
Seconds LayoutEstimate::tied_gradients(const Trial& trial) const {
  const ParallelismSpec& layout = trial.setting.layout;
  const double shards = layout.zero_stage >= 2 ? trial.groups.shard.size : 1;
  const Bytes size = plan::table_at_both_ends(*setting_.model, layout) / shards *
                     setting_.stack->precision.gradient_bytes;
  const network::Group pipeline = trial.groups.pipeline;
  return size > Bytes{} ? 2 * gather_time(size, {2, (pipeline.size - 1) * pipeline.stride})
                        : Seconds{};
}

Seconds LayoutEstimate::step(const ParallelismSpec& layout) {
  StepSetting setting = setting_;
  setting.layout = layout;
  const plan::Groups groups = plan::groups_of(layout, setting.gpus());
  const Parts& parts = parts_of(setting, groups);
  Cut& cut = cut_of(layout);
  Trial trial{setting, groups, cut, {}, resident_of(cut, layout), {}};
  for (const StageChunk& kind : cut.kinds)
    trial.costs.push_back(chunk_cost(kind, parts));
  if (layout.pipeline > 1)
    trial.message = message_time(setting, groups);
  if (setting.mode != StepMode::Training)
    return passes(trial);
  return passes(trial) + data_exchange(trial) + tied_gradients(trial);
}

} // namespace sim::execution
