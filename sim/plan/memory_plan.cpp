// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/memory_plan.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/plan/activations.hpp"
#include "sim/plan/resident.hpp"
#include "sim/plan/schedule/schedule.hpp"
#include "sim/workload/counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

namespace sim::plan {
namespace {

constexpr double wide = 2; // bytes of a 16-bit element

// Whole weights and gradients of the units under way (zero_stage 2 and 3): the weights that are
// gathered, with those that stay; gradients of the head, and of any other unit with the one before,
// which are reduced.
struct UnshardedUnits {
  Bytes weights{}, head_gradients{}, gradients{};
};
UnshardedUnits unsharded_units(const StepSetting& setting, const StageChunk& chunk) {
  const ParallelismSpec& layout = setting.layout;
  const StackSpec& stack = *setting.stack;
  const bool training = setting.mode == StepMode::Training;
  const UnitParameters units = unit_parameters(*setting.model, chunk, layout);
  const double head = units.tied ? units.embedding.total() : units.head.total();
  std::vector<double> sizes, trained;
  const auto add = [&](const ResidentParameters& unit, int count) {
    sizes.insert(sizes.end(), static_cast<std::size_t>(count), unit.total());
    trained.insert(trained.end(), static_cast<std::size_t>(count), unit.trained().total());
  };
  add(units.dense_layer, chunk.dense_layers);
  add(units.expert_layer, chunk.expert_layers);
  add(units.prediction_module, chunk.prediction_modules);
  add(units.embedding, units.tied ? 0 : 1);
  const auto largest = [](std::vector<double>& of, int count) {
    std::sort(of.begin(), of.end(), std::greater<>());
    return std::accumulate(of.begin(), of.begin() + std::min(count, static_cast<int>(of.size())),
                           0.0);
  };
  UnshardedUnits under_way;
  if (layout.zero_stage == 3) {
    const int ahead = stack.overlap.data_parameters ? stack.sharding.prefetch : 0;
    const bool stay = training && !layout.reshard_after_forward;
    under_way.weights = stack.precision.weight_bytes *
                        (head + largest(sizes, stay ? static_cast<int>(sizes.size()) : 1 + ahead));
  }
  if (layout.zero_stage >= 2 && training) {
    const double table = (units.tied ? units.embedding : units.head).trained().total();
    under_way.head_gradients = stack.precision.gradient_bytes * table;
    under_way.gradients = stack.precision.gradient_bytes *
                          (units.tied ? table + largest(trained, 1) : largest(trained, 2));
  }
  return under_way;
}

// Logits and their gradient on the last stage; one layer's working set elsewhere (all of a layer
// when it is recomputed); and the whole gradients that lie beside them.
Bytes temporaries(const StepSetting& setting, const StageChunk& chunk) {
  const double tokens = shard_of(setting).tokens();
  const UnshardedUnits units = unsharded_units(setting, chunk);
  Bytes most{};
  if (chunk.head)
    most = (4 + wide) * tokens * setting.model->vocabulary / setting.layout.tensor * byte +
           units.head_gradients;
  const auto kind =
      chunk.expert_layers > 0 ? workload::LayerKind::Experts : workload::LayerKind::Dense;
  if (chunk.layers() > 0) {
    // Keys and values of whole sequences lie there once gathered, and their gradients beside them.
    const double gathered = 2 * workload::gathered_kv_elements(*setting.model, shard_of(setting));
    // Of a layer whose activations travel to or from the host beside those of the one that
    // computes.
    const Bytes travelling = setting.stack->offload_layers > 0 && setting.mode == StepMode::Training
                                 ? kept_activations(setting, kind, 0, chunk.wide(0))
                                 : Bytes{};
    const bool any_wide = chunk.wide_first + chunk.wide_last > 0;
    most = std::max(most, working_set(setting, kind, any_wide) + travelling +
                              wide * gathered * byte + units.gradients);
  }
  return most;
}

// What a rank keeps of one chunk.
struct ChunkMemory {
  ResidentParameters held;
  Bytes activations{}, deferred{}; // of a micro-batch; deferred: between input and weight gradient
  Bytes away{};                    // activations in the host's memory
  Bytes temporaries{}, gathered{}; // gathered: whole weights (zero_stage 3)
};

// Few chunks of a layout differ: each kind is counted once.
class ChunkMemories {
public:
  // `deferring`: the setting of what is kept between input and weight gradient.
  ChunkMemories(const StepSetting& setting, const StepSetting& deferring)
      : setting_(setting), deferring_(deferring) {}

  const ChunkMemory& of(const StageChunk& chunk) {
    for (const auto& [known, memory] : known_)
      if (known == chunk)
        return memory;
    ChunkMemory memory;
    memory.held = resident_parameters(*setting_.model, chunk, setting_.layout);
    memory.activations = chunk_activations(setting_, chunk, false);
    memory.away = chunk_activations(setting_, chunk, true);
    if (rule_of(setting_.layout.schedule).splits_backward)
      memory.deferred = chunk_activations(deferring_, chunk, false);
    memory.temporaries = temporaries(setting_, chunk);
    memory.gathered = unsharded_units(setting_, chunk).weights;
    return known_.emplace_back(chunk, memory).second;
  }

private:
  const StepSetting &setting_, &deferring_;
  std::vector<std::pair<StageChunk, ChunkMemory>> known_;
};

// To the host's memory, with the gradients that its update reads.
void move_optimizer(const StepSetting& setting, Bytes shard_gradients, MemoryPlan& plan) {
  const auto& offload = setting.stack->optimizer_offload;
  if (!offload)
    return;
  plan.host += offload->share * (plan.optimizer + shard_gradients);
  plan.optimizer = (1 - offload->share) * plan.optimizer;
  if (offload->gradients)
    plan.gradients = (1 - offload->share) * plan.gradients;
}

MemoryPlan rank_plan(const StepSetting& setting, const std::vector<StageChunk>& chunks,
                     ChunkMemories& memories, const StoredPeaks& stored, int rank) {
  const ParallelismSpec& layout = setting.layout;
  const PrecisionSpec& precision = setting.stack->precision;
  const Groups groups = groups_of(layout, setting.gpus());
  ResidentParameters held;
  Bytes activations{}, deferred{}, one{}, all{}; // one, all: whole weights of a chunk
  Bytes away{};                                  // activations in the host's memory
  MemoryPlan plan;
  const std::vector<int> local = chunks_on_rank(layout, static_cast<int>(chunks.size()), rank);
  for (const int index : local) {
    const ChunkMemory& chunk = memories.of(chunks[static_cast<std::size_t>(index)]);
    held += chunk.held;
    const auto share = static_cast<double>(local.size());
    activations += chunk.activations / share;
    away += chunk.away / share;
    deferred += chunk.deferred / share;
    plan.temporaries = std::max(plan.temporaries, chunk.temporaries);
    one = std::max(one, chunk.gathered);
    all += chunk.gathered;
  }
  plan.temporaries += layout.reshard_after_forward ? one : all;
  plan.stage = rank;
  const auto sharded = [&](const ResidentParameters& whole) {
    return ResidentParameters{whole.dense / groups.shard.size,
                              whole.experts / groups.expert_shard.size};
  };
  plan.weights = precision.weight_bytes * (layout.zero_stage >= 3 ? sharded(held) : held).total();
  plan.framework = setting.stack->framework_memory;
  if (setting.mode == StepMode::Training) {
    const ResidentParameters trained = held.trained(), shard = sharded(trained);
    plan.gradients = precision.gradient_bytes * (layout.zero_stage >= 2 ? shard : trained).total();
    // Both copies of a weight share one optimizer state.
    plan.optimizer =
        (precision.master_bytes + precision.moment_bytes) * shard.total() / weight_copies(layout);
    for (const Stored& moment : stored) {
      plan.activations =
          std::max(plan.activations, moment.whole * activations + moment.deferred * deferred);
      plan.host = std::max(plan.host, moment.whole * away);
    }
    move_optimizer(setting, precision.gradient_bytes * shard.total() / weight_copies(layout), plan);
  }
  plan.capacity = setting.accelerator().memory;
  const hardware::NodeSpec& node = setting.pool->node.spec;
  if (node.host)
    plan.host_capacity = node.host->memory / node.accelerators;
  plan.fragmentation = setting.stack->fragmentation * plan.total();
  return plan;
}

// Ranks that need no look: another one holds equal chunks and stores no less.
class Seen {
public:
  Seen(const ParallelismSpec& layout, const std::vector<StageChunk>& chunks)
      : layout_(layout), chunks_(chunks) {}

  bool covers(int rank, const StoredPeaks& stored) {
    const std::vector<int> local = held(rank);
    for (const auto& [other, most] : seen_)
      if (no_more(stored, most) && alike(local, held(other)))
        return true;
    seen_.emplace_back(rank, stored);
    return false;
  }

private:
  [[nodiscard]] std::vector<int> held(int rank) const {
    return chunks_on_rank(layout_, static_cast<int>(chunks_.size()), rank);
  }
  [[nodiscard]] bool alike(const std::vector<int>& one, const std::vector<int>& other) const {
    return std::equal(one.begin(), one.end(), other.begin(), other.end(), [this](int a, int b) {
      return chunks_[static_cast<std::size_t>(a)] == chunks_[static_cast<std::size_t>(b)];
    });
  }
  static bool no_more(const StoredPeaks& one, const StoredPeaks& other) {
    return std::equal(one.begin(), one.end(), other.begin(), [](const Stored& a, const Stored& b) {
      return a.whole <= b.whole && a.deferred <= b.deferred;
    });
  }
  const ParallelismSpec& layout_;
  const std::vector<StageChunk>& chunks_;
  std::vector<std::pair<int, StoredPeaks>> seen_;
};

} // namespace

namespace {

// The plans of a model's pipeline ranks, one by one.
class RankPlans {
public:
  RankPlans(const StepSetting& setting, const std::vector<StageChunk>& chunks)
      : setting_(setting), chunks_(chunks),
        rule_(rule_of(setting.layout.schedule)), shape_{setting.layout.pipeline,
                                                        setting.micro_batches(),
                                                        setting.layout.virtual_stages,
                                                        setting.mode},
        selective_(*setting.stack), deferring_(setting), memories_(setting, deferring_) {
    // Between input and weight gradient: operands of the multiplies and the gradients of their
    // results, which take what the results did (32 s b h of GPT's 34 s b h, arXiv 2401.10241, table
    // 1); what was computed again is kept until then.
    selective_.recompute = Recompute::Selective;
    selective_.recompute_modules.clear();
    selective_.recompute_layers = 0;
    deferring_.stack = &selective_;
  }
  RankPlans(const RankPlans&) = delete;
  RankPlans& operator=(const RankPlans&) = delete;

  [[nodiscard]] StoredPeaks stored(int rank) const { return rule_.stored(shape_, rank); }
  MemoryPlan of(int rank, const StoredPeaks& stored) {
    return rank_plan(setting_, chunks_, memories_, stored, rank);
  }

private:
  const StepSetting& setting_;
  const std::vector<StageChunk>& chunks_;
  const ScheduleRule& rule_;
  PipelineShape shape_;
  StackSpec selective_;
  StepSetting deferring_;
  ChunkMemories memories_;
};

} // namespace

MemoryPlan memory_plan(const StepSetting& setting) {
  return memory_plan(setting, chunks_of(*setting.model, setting.layout, setting.sequence_length));
}

MemoryPlan memory_plan(const StepSetting& setting, const std::vector<StageChunk>& chunks) {
  std::vector<MemoryPlan> different;
  RankPlans plans(setting, chunks);
  Seen seen(setting.layout, chunks);
  for (int rank = 0; rank < setting.layout.pipeline; ++rank)
    if (const StoredPeaks stored = plans.stored(rank); !seen.covers(rank, stored))
      different.push_back(plans.of(rank, stored));
  return fullest(different);
}

std::vector<MemoryPlan> memory_by_rank(const StepSetting& setting,
                                       const std::vector<StageChunk>& chunks) {
  std::vector<MemoryPlan> ranks;
  RankPlans plans(setting, chunks);
  for (int rank = 0; rank < setting.layout.pipeline; ++rank)
    ranks.push_back(plans.of(rank, plans.stored(rank)));
  return ranks;
}

MemoryPlan fullest(std::span<const MemoryPlan> ranks) {
  MemoryPlan worst = ranks.front(), host = worst;
  for (const MemoryPlan& plan : ranks.subspan(1)) {
    if (plan.host > host.host)
      host = plan;
    if (plan.total() > worst.total())
      worst = plan;
  }
  worst.host = host.host;
  worst.host_stage = host.stage;
  return worst;
}

namespace {

double gib(Bytes bytes) { return bytes / gibibyte; }

void require_host_fit(const MemoryPlan& memory, const StepSetting& setting) {
  const bool known = memory.host_capacity > Bytes{};
  if (setting.stack->optimizer_offload && setting.mode == StepMode::Training && !known)
    throw InfeasibleError("stack.optimizer_offload",
                          "nothing is known of the memory of the node's host",
                          "give the node a host: {memory: ..., memory_bandwidth: ..., efficiency: "
                          "...}, or leave optimizer_offload out");
  if (known && memory.host > memory.host_capacity)
    throw InfeasibleError(
        setting.stack->optimizer_offload ? "stack.optimizer_offload" : "stack.offload_layers",
        fmt::format("pipeline stage {} keeps {:.1f} GiB a GPU in the host's memory, whose share "
                    "for each GPU is {:.1f} GiB",
                    memory.host_stage, gib(memory.host), gib(memory.host_capacity)),
        "a smaller share, more data-parallel ranks to shard over, or a host with more memory");
}

} // namespace

namespace {

// Of several stages that do not fit, which; empty where one does not.
std::string others_text(std::span<const MemoryPlan> ranks) {
  int first = 0, count = 0;
  for (const MemoryPlan& plan : ranks)
    if (plan.total() > plan.capacity && count++ == 0)
      first = plan.stage;
  return count > 1 ? fmt::format(" (the fullest of {} stages that do not fit; the first is {})",
                                 count, first)
                   : "";
}

} // namespace

void require_fit(const MemoryPlan& memory, const StepSetting& setting) {
  require_fit(std::span(&memory, 1), setting);
}

void require_fit(std::span<const MemoryPlan> ranks, const StepSetting& setting) {
  const MemoryPlan memory = fullest(ranks);
  require_host_fit(memory, setting);
  if (memory.fits())
    return;
  throw InfeasibleError(
      "parallelism",
      fmt::format("pipeline stage {}{} needs {:.1f} GiB of the {:.1f} GiB of {}: weights {:.1f}, "
                  "gradients {:.1f}, optimizer {:.1f}, "
                  "activations {:.1f}, temporaries {:.1f}, framework {:.1f}, fragmentation {:.1f}",
                  memory.stage, others_text(ranks), gib(memory.total()), gib(memory.capacity),
                  setting.accelerator().title, gib(memory.weights), gib(memory.gradients),
                  gib(memory.optimizer), gib(memory.activations), gib(memory.temporaries),
                  gib(memory.framework), gib(memory.fragmentation)),
      "more pipeline, tensor, expert or context parallelism, a higher zero_stage, a smaller "
      "micro_batch, or recompute in the stack");
}

} // namespace sim::plan
