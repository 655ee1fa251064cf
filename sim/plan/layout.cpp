// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/layout.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/lazy_text.hpp"
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace sim::plan {
namespace {

template <class Message, class Remedy>
void require(bool holds, const char* path, const Message& message, const Remedy& remedy) {
  if (!holds)
    throw InfeasibleError(path, written(message), written(remedy));
}

// Written out layer by layer.
void check_stages(const ParallelismSpec& layout, const workload::ModelSpec& model) {
  const std::vector<int>& given = layout.layers_per_stage;
  if (given.empty())
    return;
  constexpr const char* path = "parallelism.layers_per_stage";
  const int chunks = chunk_count(layout);
  require(given.size() == static_cast<std::size_t>(chunks), path,
          lazy_text("{} numbers for {} stages: {} on pipeline = {} ranks", given.size(), chunks,
                    rule_of(layout.schedule).title, layout.pipeline),
          lazy_text("{} numbers, or leave it out", chunks));
  const std::int64_t sum = std::accumulate(given.begin(), given.end(), std::int64_t{0});
  require(sum == model.layers, path,
          lazy_text("the stages hold {} layers, the model has {}", sum, model.layers),
          lazy_text("numbers that add up to {}", model.layers));
  for (std::size_t i = 1; i + 1 < given.size(); ++i)
    require(given[i] > 0, path, lazy_text("stage {} (counted from 0) would hold nothing", i),
            "at least one layer; only the first stage, with the embedding, and the last, with the "
            "head, can do without");
}

void check_model(const ParallelismSpec& layout, const workload::ModelSpec& model) {
  const int heads = model.attention.heads;
  require(heads % layout.tensor == 0, "parallelism.tensor",
          lazy_text("{} attention heads do not divide over tensor = {}", heads, layout.tensor),
          lazy_text("choose a divisor of {}", heads));
  const ScheduleRule& rule = rule_of(layout.schedule);
  require(rule.interleaves || layout.virtual_stages == 1, "parallelism.virtual_stages",
          lazy_text("virtual_stages = {} but {} gives every rank its own number of chunks",
                    layout.virtual_stages, rule.title),
          "leave virtual_stages out, or schedule: 1f1b or gpipe");
  const int chunks = chunk_count(layout);
  require(chunks <= model.layers + 2,
          layout.virtual_stages > 1 ? "parallelism.virtual_stages" : "parallelism.pipeline",
          lazy_text("{} pipeline stages for {} layers", chunks, model.layers),
          lazy_text("pipeline times the chunks of a rank at most {}", model.layers + 2));
  check_stages(layout, model);
  if (layout.expert > 1) {
    require(model.experts.has_value(), "parallelism.expert",
            lazy_text("expert = {} but the model is dense", layout.expert), "leave expert out");
    require(model.experts->routed % layout.expert == 0, "parallelism.expert",
            lazy_text("{} routed experts do not divide over expert = {}", model.experts->routed,
                      layout.expert),
            lazy_text("choose a divisor of {}", model.experts->routed));
  }
}

void check_experts(const ParallelismSpec& layout, const workload::ModelSpec& model) {
  const int cut = expert_tensor(layout);
  const std::int64_t holders = std::int64_t{cut} * layout.expert;
  const std::int64_t ranks = std::int64_t{layout.tensor} * layout.data * layout.context;
  if (cut == layout.tensor) {
    require((layout.data * layout.context) % layout.expert == 0, "parallelism.expert",
            lazy_text("expert = {} does not divide the {} data and context ranks", layout.expert,
                      layout.data * layout.context),
            lazy_text("a divisor of {}{}", layout.data * layout.context,
                      layout.tensor > 1 ? ", or expert_tensor: 1 to use tensor ranks too" : ""));
    return;
  }
  require(model.experts.has_value(), "parallelism.expert_tensor",
          lazy_text("expert_tensor = {} but the model is dense", cut), "leave expert_tensor out");
  require(ranks % holders == 0, "parallelism.expert_tensor",
          lazy_text("expert * expert_tensor = {} * {} does not divide the {} tensor, context and "
                    "data ranks of a stage",
                    layout.expert, cut, ranks),
          lazy_text("degrees whose product divides {}", ranks));
  require(layout.tensor == 1 || layout.sequence_parallel, "parallelism.expert_tensor",
          lazy_text("without sequence parallelism all {} tensor ranks hold the same tokens, which "
                    "experts cut over {} ranks would take more than once",
                    layout.tensor, cut),
          "sequence_parallel: true, or leave expert_tensor out");
  require(layout.rank_order == RankOrder::TensorContextDataPipeline || holders == layout.tensor,
          "parallelism.rank_order",
          lazy_text("the {} ranks that hold one set of experts are not evenly spaced", holders),
          "rank_order: tensor-context-data-pipeline");
}

void check_optimizer_offload(const StepSetting& setting, const ParallelismSpec& layout) {
  const StackSpec& stack = *setting.stack;
  if (!stack.optimizer_offload)
    return;
  const hardware::AcceleratorSpec& accelerator = setting.accelerator();
  require(setting.pool->node->host.has_value(), "stack.optimizer_offload",
          "nothing is known of the memory of the node's host",
          "describe the node's host: {memory, memory_bandwidth, efficiency}");
  require(accelerator.host_bandwidth > BytesPerSecond{}, "stack.optimizer_offload",
          lazy_text("no link to the host is known of {}", accelerator.title),
          "give it host_bandwidth");
  require(!stack.optimizer_offload->gradients || layout.zero_stage >= 2,
          "stack.optimizer_offload.gradients",
          lazy_text("at zero_stage {} gradients are reduced after the last backward pass, not in "
                    "each",
                    layout.zero_stage),
          "zero_stage: 2 or 3, or gradients: false");
}

// A stack's keys that contradict one another or the chip.
void check_stack(const StackSpec& stack, const ParallelismSpec& layout,
                 const hardware::AcceleratorSpec& accelerator) {
  const int all = accelerator.streaming_multiprocessors;
  const auto leaves_some = [&](int held, const char* path) {
    require(held < all, path,
            lazy_text("communication holds {} of the {} SMs of {}", held, all, accelerator.title),
            lazy_text("fewer than {}", all));
  };
  leaves_some(stack.communication_sms, "stack.communication_sms");
  if (layout.expert > 1)
    leaves_some(stack.dispatch_sms, "stack.dispatch_sms");
  require(stack.recompute_modules.empty() || stack.recompute == Recompute::Selective,
          "stack.recompute_modules",
          lazy_text("modules are named, but recompute is {}", name_of(stack.recompute)),
          "recompute: selective");
  require(
      stack.recompute_layers == 0 || keeps_inputs_only(stack.recompute), "stack.recompute_layers",
      lazy_text("{} layers, but recompute is {}", stack.recompute_layers, name_of(stack.recompute)),
      "recompute: full");
  require(stack.offload_layers == 0 || layout.schedule == Schedule::OneForwardOneBackward,
          "stack.offload_layers",
          lazy_text("copies to the host are modelled beside 1F1B, not {}",
                    rule_of(layout.schedule).title),
          "schedule: 1f1b, or 0");
  require(stack.offload_layers == 0 || accelerator.host_bandwidth > BytesPerSecond{},
          "stack.offload_layers",
          lazy_text("no link to the host is known of {}", accelerator.title),
          "give it host_bandwidth");
}

// Where passes run in pairs, the stack must overlap the two.
void check_pairs(const StepSetting& setting, const ParallelismSpec& layout) {
  const ScheduleRule& rule = rule_of(layout.schedule);
  require(!rule.pairs || setting.stack->overlap.expert_pairs || setting.mode != StepMode::Training,
          "stack.overlap.expert_pairs",
          lazy_text("{} runs passes in pairs, which {} does not overlap", rule.title,
                    setting.stack->title),
          "overlap: {expert_pairs: true}, or schedule: 1f1b");
}

void check_batch(const ParallelismSpec& layout, const StepSetting& setting) {
  const std::int64_t per_pass = static_cast<std::int64_t>(layout.data) * layout.micro_batch;
  require(setting.batch % per_pass == 0 && setting.batch > 0, "stages",
          lazy_text("a batch of {} sequences does not divide over data * micro_batch = {} * {}",
                    setting.batch, layout.data, layout.micro_batch),
          lazy_text("choose a multiple of {}", per_pass));
  const std::int64_t micro_batches = setting.batch / per_pass;
  if (setting.mode == StepMode::Training) {
    const ScheduleRule& rule = rule_of(layout.schedule);
    require(!rule.even || layout.pipeline % 2 == 0, "parallelism.pipeline",
            lazy_text("{} runs on an even number of ranks, not {}", rule.title, layout.pipeline),
            "an even number");
    require(has_enough_micro_batches(layout, micro_batches), "stages",
            lazy_text("{} needs {}at least twice the pipeline's {} ranks; the batch gives {}",
                      rule.title,
                      rule.even ? "an even number of micro-batches, " : "micro-batches of ",
                      layout.pipeline, micro_batches),
            lazy_text("a batch of at least {} sequences, or schedule: 1f1b",
                      2 * layout.pipeline * per_pass));
  }
  if ((layout.schedule == Schedule::OneForwardOneBackward ||
       layout.schedule == Schedule::CombinedOneForwardOneBackward) &&
      layout.virtual_stages > 1)
    require(micro_batches % layout.pipeline == 0, "parallelism.virtual_stages",
            lazy_text("interleaved 1F1B needs micro-batches ({}) in multiples of pipeline = {}",
                      micro_batches, layout.pipeline),
            "another batch, or virtual_stages: 1");
}

// Fills in data_shard: 1 where nothing is sharded.
void resolve_sharding(ParallelismSpec& layout) {
  const int replicas = layout.data * layout.context;
  if (layout.data_shard == 0)
    layout.data_shard = layout.zero_stage == 0 ? 1 : replicas;
  const int shard = layout.data_shard;
  require(layout.zero_stage > 0 || shard == 1, "parallelism.data_shard",
          lazy_text("data_shard = {} but zero_stage 0 shards nothing", shard),
          "leave data_shard out, or choose a zero_stage of 1 to 3");
  require(
      replicas % shard == 0, "parallelism.data_shard",
      lazy_text("data_shard = {} does not divide the {} data and context ranks", shard, replicas),
      lazy_text("a divisor of {}", replicas));
  const std::int64_t holders = std::int64_t{expert_tensor(layout)} * layout.expert;
  require(layout.zero_stage == 0 || std::int64_t{shard} * layout.tensor % holders == 0,
          "parallelism.data_shard",
          lazy_text("data_shard = {} is no multiple of expert = {}: whole experts would lie "
                    "within fewer ranks than they are spread over",
                    shard, layout.expert),
          lazy_text("a multiple of {} that divides {}", layout.expert, replicas));
  require(layout.zero_stage == 3 || layout.reshard_after_forward,
          "parallelism.reshard_after_forward",
          lazy_text("weights stay after forward anyway at zero_stage {}", layout.zero_stage),
          "zero_stage: 3, or leave it out");
  const ScheduleRule& rule = rule_of(layout.schedule);
  require(layout.zero_stage < 2 || !rule.splits_backward, "parallelism.zero_stage",
          lazy_text("zero_stage {} reduces the gradients of every backward pass, and {} leaves "
                    "weight gradients to later passes",
                    layout.zero_stage, rule.title),
          "zero_stage 0 or 1, or schedule: 1f1b");
  require(layout.zero_stage < 2 || layout.schedule != Schedule::CombinedOneForwardOneBackward,
          "parallelism.zero_stage",
          lazy_text("gathers and reductions of zero_stage {} are not modelled in pairs of passes",
                    layout.zero_stage),
          "zero_stage 0 or 1, or schedule: 1f1b");
}

} // namespace

ParallelismSpec resolve(const ParallelismSpec& given, const StepSetting& setting) {
  ParallelismSpec layout = given;
  const int gpus = setting.gpus();
  const std::pair<const char*, int> degrees[] = {
      {"parallelism.tensor", layout.tensor},
      {"parallelism.pipeline", layout.pipeline},
      {"parallelism.context", layout.context},
      {"parallelism.expert", layout.expert},
      {"parallelism.expert_tensor", layout.expert_tensor}};
  for (const auto& [path, degree] : degrees)
    require(degree <= gpus, path, lazy_text("a degree of {} for {} GPUs", degree, gpus),
            lazy_text("degrees of at most {}", gpus));
  const std::int64_t product = std::int64_t{layout.tensor} * layout.pipeline; // at most 2^40
  require(product <= gpus && product * layout.context <= gpus, "parallelism",
          lazy_text("tensor * pipeline * context = {} * {} * {} is more than {} GPUs",
                    layout.tensor, layout.pipeline, layout.context, gpus),
          "smaller degrees");
  const int fixed = layout.tensor * layout.pipeline * layout.context;
  require(gpus % fixed == 0, "parallelism",
          lazy_text("{} GPUs do not divide into tensor * pipeline * context = {} * {} * {}", gpus,
                    layout.tensor, layout.pipeline, layout.context),
          "degrees whose product divides the number of GPUs");
  const int data = gpus / fixed;
  require(layout.data == 0 || layout.data == data, "parallelism.data",
          lazy_text("data = {} but {} GPUs / ({} * {} * {}) = {}", layout.data, gpus, layout.tensor,
                    layout.pipeline, layout.context, data),
          lazy_text("{}, or leave it out", data));
  layout.data = data;
  check_experts(layout, *setting.model);
  check_stack(*setting.stack, layout, setting.accelerator());
  check_optimizer_offload(setting, layout);
  check_pairs(setting, layout);
  const PrecisionSpec& precision = setting.stack->precision;
  require(std::int64_t{precision.bf16_layers_at_start} + precision.bf16_layers_at_end <=
              setting.model->layers,
          "stack.precision.bf16_layers_at_end",
          lazy_text("{} layers at the start and {} at the end stay in 16 bit, of {}",
                    precision.bf16_layers_at_start, precision.bf16_layers_at_end,
                    setting.model->layers),
          "fewer, or gemm: bf16");
  require(
      layout.rank_order == RankOrder::TensorContextDataPipeline || layout.context == 1,
      "parallelism.rank_order",
      lazy_text("context = {} ranks and the data ranks beyond the pipeline are not evenly spaced",
                layout.context),
      "rank_order: tensor-context-data-pipeline");
  resolve_sharding(layout);
  check_model(layout, *setting.model);
  check_batch(layout, setting);
  return layout;
}

namespace {

// Of what is sharded over groups.shard. Ranks that cut an expert are neighbours, those that hold
// the others lie beyond them, replicas of both beyond these. With the pipeline inside data they
// fill the tensor group, or lie beyond it.
void place_experts(const ParallelismSpec& layout, int replica_stride, Groups& groups) {
  const int cut = expert_tensor(layout), holders = cut * layout.expert;
  const int replicas = layout.context * layout.data, shard = groups.shard.size;
  groups.expert_tensor = {cut, 1};
  if (cut == layout.tensor) {
    groups.expert = {layout.expert, replica_stride};
    groups.expert_data = {replicas / layout.expert, replica_stride * layout.expert};
    groups.expert_shard = {std::max(1, shard / layout.expert), replica_stride * layout.expert};
    return;
  }
  groups.expert = {layout.expert, cut};
  const int stride = holders == layout.tensor ? replica_stride : holders;
  groups.expert_data = {layout.tensor * replicas / holders, stride};
  const int sharded = layout.zero_stage > 0 ? layout.tensor * shard / holders : 1;
  groups.expert_shard = {std::max(1, sharded), stride};
}

} // namespace
int chunk_count(const ParallelismSpec& layout) {
  const ScheduleRule& rule = rule_of(layout.schedule);
  if (rule.placement == Placement::VShaped)
    return 2 * layout.pipeline;
  return layout.pipeline * (rule.interleaves ? layout.virtual_stages : 1);
}

bool has_enough_micro_batches(const ParallelismSpec& layout, std::int64_t micro_batches) {
  const ScheduleRule& rule = rule_of(layout.schedule);
  return (!rule.even || micro_batches % 2 == 0) &&
         micro_batches >= std::int64_t{rule.micro_batches_a_rank} * layout.pipeline;
}

Groups groups_of(const ParallelismSpec& layout, int gpus) {
  Groups groups;
  const int replicas = layout.context * layout.data; // ranks that hold the same dense weights
  const bool pipeline_inside = layout.rank_order == RankOrder::TensorContextPipelineData;
  const int inner = layout.tensor * layout.context;
  const int replica_stride = pipeline_inside ? inner * layout.pipeline : layout.tensor;
  groups.tensor = {layout.tensor, 1};
  groups.context = {layout.context, layout.tensor};
  groups.data = {replicas, replica_stride};
  const int given = layout.data_shard > 0 ? layout.data_shard : replicas;
  const int shard = layout.zero_stage > 0 ? given : 1;
  groups.shard = {shard, replica_stride};
  place_experts(layout, replica_stride, groups);
  const auto beyond = [](network::Group all, network::Group part) {
    return network::Group{all.size / part.size, part.stride * part.size};
  };
  groups.replicate = beyond(groups.data, groups.shard);
  groups.expert_replicate = beyond(groups.expert_data, groups.expert_shard);
  groups.pipeline = {layout.pipeline, pipeline_inside ? inner : gpus / layout.pipeline};
  return groups;
}

bool gathers_messages(const StepSetting& setting) {
  const ParallelismSpec& layout = setting.layout;
  return setting.stack->scatter_gather && layout.tensor > 1 && layout.pipeline > 1 &&
         !layout.sequence_parallel;
}

Bytes boundary_message(const StepSetting& setting) {
  const ParallelismSpec& layout = setting.layout;
  const bool cut = layout.tensor > 1 && (layout.sequence_parallel || gathers_messages(setting));
  return 2 * byte * shard_of(setting).tokens() * setting.model->hidden / (cut ? layout.tensor : 1);
}

workload::Shard shard_of(const StepSetting& setting) {
  workload::Shard shard;
  shard.tensor = setting.layout.tensor;
  shard.context = setting.layout.context;
  shard.exchange_heads =
      setting.layout.context > 1 && setting.stack->context_exchange == ContextExchange::AllToAll;
  shard.expert = setting.layout.expert;
  shard.expert_tensor = setting.layout.expert_tensor;
  shard.sequence_parallel = setting.layout.sequence_parallel && setting.layout.tensor > 1;
  shard.sequence_length = setting.sequence_length;
  shard.sequences = setting.layout.micro_batch;
  shard.attended_length = setting.attended_length;
  shard.expert_imbalance = setting.stack->expert_capacity.value_or(
      setting.layout.expert > 1 ? setting.stack->expert_imbalance : 1);
  shard.fused_attention = setting.stack->attention != hardware::unfused_attention;
  shard.dropout = setting.stack->dropout;
  return shard;
}

} // namespace sim::plan
