// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/layout.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/plan/memory_plan.hpp"
#include "sim/plan/resident.hpp"
#include "sim/plan/schedule/schedule.hpp"
#include "sim/workload/counts.hpp"

#include <catch2/catch.hpp>

#include <numeric>

using namespace sim;
using namespace sim::plan;

namespace {

workload::ModelSpec dense_model() {
  workload::ModelSpec model;
  model.title = "dense";
  model.layers = 32;
  model.hidden = 4096;
  model.attention.heads = 32;
  model.attention.kv_heads = 8;
  model.attention.head_dim = 128;
  model.inner = 14336;
  model.vocabulary = 128256;
  return model;
}

hardware::PoolSpec pool_of(int nodes) {
  hardware::PoolSpec pool;
  pool.nodes = nodes;
  pool.node.spec.accelerators = 8;
  hardware::AcceleratorSpec& accelerator = pool.node.spec.accelerator.spec;
  accelerator.title = "test chip";
  accelerator.memory = 80 * gibibyte;
  accelerator.streaming_multiprocessors = 132;
  return pool;
}

struct Fixture {
  hardware::PoolSpec pool = pool_of(8);
  workload::ModelSpec model = dense_model();
  StackSpec stack;
  StepSetting setting;
  Fixture() {
    setting.pool = &pool;
    setting.model = &model;
    setting.stack = &stack;
    setting.sequence_length = 4096;
    setting.batch = 256;
  }
  std::string refusal(const ParallelismSpec& layout) {
    try {
      resolve(layout, setting);
    } catch (const InfeasibleError& error) {
      return error.path();
    }
    return "";
  }
};

} // namespace

TEST_CASE_METHOD(Fixture, "the data-parallel degree is what the others leave") {
  ParallelismSpec layout;
  layout.tensor = 4;
  layout.pipeline = 2;
  layout.context = 2;
  CHECK(resolve(layout, setting).data == 4);
  layout.data = 4;
  CHECK(resolve(layout, setting).data == 4);
}

TEST_CASE_METHOD(Fixture, "degrees that cannot be are refused with the key to change") {
  ParallelismSpec layout;
  layout.tensor = 3;
  CHECK(refusal(layout) == "parallelism");
  layout = {};
  layout.data = 5;
  CHECK(refusal(layout) == "parallelism.data");
  layout = {};
  layout.tensor = layout.pipeline = 65536; // their product does not fit an int
  CHECK(refusal(layout) == "parallelism.tensor");
  layout = {};
  layout.context = 65;
  CHECK(refusal(layout) == "parallelism.context");
  layout = {};
  layout.pipeline = 64;
  CHECK(refusal(layout) == "parallelism.pipeline");
  layout = {};
  layout.expert = 8; // dense model
  CHECK(refusal(layout) == "parallelism.expert");
  layout = {};
  layout.micro_batch = 7;
  CHECK(refusal(layout) == "stages");
  layout = {};
  layout.pipeline = 8;
  layout.schedule = Schedule::DualPipe;
  stack.overlap.expert_pairs = true;
  setting.batch = 8 * 14; // 14 micro-batches, fewer than 2 * 8
  CHECK(refusal(layout) == "stages");
  layout.schedule = Schedule::OneForwardOneBackward;
  layout.virtual_stages = 2; // 14 is no multiple of 8
  CHECK(refusal(layout) == "parallelism.virtual_stages");
}

TEST_CASE_METHOD(Fixture, "schedules of pairs need a stack that overlaps the passes of a pair") {
  ParallelismSpec layout;
  layout.pipeline = 2;
  for (const Schedule schedule : {Schedule::OneForwardOneBackward, Schedule::GPipe,
                                  Schedule::ZeroBubbleH1, Schedule::ZeroBubbleV, Schedule::DualPipe,
                                  Schedule::DualPipeV, Schedule::CombinedOneForwardOneBackward}) {
    layout.schedule = schedule;
    const PipelineProgram program = pipeline_program(schedule, {2, 8, 1, StepMode::Training});
    bool pairs = false;
    for (const auto& rank : program.ranks)
      for (const ScheduledPass& pass : rank)
        pairs = pairs || pass.pass.kind == PassKind::Pair;
    INFO(rule_of(schedule).title);
    CHECK(rule_of(schedule).pairs == pairs);
    stack.overlap.expert_pairs = false;
    CHECK(refusal(layout) == (pairs ? "stack.overlap.expert_pairs" : ""));
    setting.mode = StepMode::ForwardOnly; // no pairs
    CHECK(refusal(layout).empty());
    setting.mode = StepMode::Training;
    stack.overlap.expert_pairs = true;
    CHECK(refusal(layout).empty());
  }
}

TEST_CASE_METHOD(Fixture, "experts may lie on tensor, context and data ranks") {
  model.experts = workload::ExpertsSpec{256, 0, 8, 2048, 0};
  ParallelismSpec layout;
  layout.tensor = 8;
  layout.context = 2;
  layout.pipeline = 2;
  layout.expert = 16; // of 64 / 16 = 2 data x 2 context ranks
  CHECK(refusal(layout) == "parallelism.expert");
  layout.expert_tensor = 1;
  REQUIRE(refusal(layout).empty());
  const Groups groups = groups_of(resolve(layout, setting), setting.gpus());
  CHECK((groups.expert.size == 16 && groups.expert.stride == 1));
  CHECK((groups.expert_data.size == 2 && groups.expert_data.stride == 16));
  CHECK((groups.expert_shard.size == 2 && groups.expert_tensor.size == 1));
  // Whatever holds an expert: all ranks of a stage hold all experts once or more.
  for (const int cut : {1, 2, 4, 8})
    for (const int expert : {1, 2, 4, 8, 16, 32}) {
      layout.expert = expert;
      layout.expert_tensor = cut;
      if (cut * expert > 32 || (cut == 8 && expert > 4))
        continue;
      const ParallelismSpec resolved = resolve(layout, setting);
      const Groups each = groups_of(resolved, setting.gpus());
      CHECK(each.expert_tensor.size * each.expert.size * each.expert_data.size == 32);
      StageChunk chunk;
      chunk.expert_layers = 1;
      const double held = resident_parameters(model, chunk, resolved).experts;
      CHECK(held * 32 / each.expert_data.size ==
            workload::layer_parameters(model, workload::LayerKind::Experts).experts);
    }
}

TEST_CASE_METHOD(Fixture, "a cut of experts that cannot be is refused with the key to change") {
  ParallelismSpec layout;
  layout.tensor = 4;
  layout.expert_tensor = 2; // dense model
  CHECK(refusal(layout) == "parallelism.expert_tensor");
  model.experts = workload::ExpertsSpec{256, 0, 8, 2048, 0};
  CHECK(refusal(layout).empty());
  layout.expert_tensor = 3;
  CHECK(refusal(layout) == "parallelism.expert_tensor");
  layout.expert_tensor = 1;
  layout.sequence_parallel = false;
  CHECK(refusal(layout) == "parallelism.expert_tensor");
  layout.sequence_parallel = true;
  layout.expert = 8;
  layout.rank_order = RankOrder::TensorContextPipelineData;
  CHECK(refusal(layout) == "parallelism.rank_order");
  layout.expert = 4; // fills the tensor group
  CHECK(refusal(layout).empty());
  layout.pipeline = 2;
  const Groups groups = groups_of(resolve(layout, setting), setting.gpus());
  CHECK((groups.expert.size == 4 && groups.expert.stride == 1));
  CHECK((groups.expert_data.size == 8 && groups.expert_data.stride == 8));
}

TEST_CASE_METHOD(Fixture, "a stack that contradicts itself or the chip is refused") {
  setting.stack = &stack;
  stack.communication_sms = 132;
  CHECK(refusal({}) == "stack.communication_sms");
  stack = {};
  stack.recompute_modules = {workload::Module::Norm};
  CHECK(refusal({}) == "stack.recompute_modules");
  stack.recompute = Recompute::Selective;
  CHECK(refusal({}).empty());
  stack.recompute_layers = 3;
  CHECK(refusal({}) == "stack.recompute_layers");
  stack = {};
  stack.offload_layers = 1; // no link to the host
  CHECK(refusal({}) == "stack.offload_layers");
  stack = {};
  ParallelismSpec layout;
  layout.reshard_after_forward = false;
  CHECK(refusal(layout) == "parallelism.reshard_after_forward");
  layout.zero_stage = 3;
  CHECK(refusal(layout).empty());
}

TEST_CASE_METHOD(Fixture,
                 "layers per stage must be those of the model, on the stages that there are") {
  ParallelismSpec layout;
  layout.pipeline = 4;
  const auto refused = [&](std::vector<int> layers) {
    layout.layers_per_stage = std::move(layers);
    return refusal(layout) == "parallelism.layers_per_stage";
  };
  CHECK_FALSE(refused({7, 9, 9, 7}));
  CHECK_FALSE(refused({0, 16, 16, 0})); // embedding and head alone
  CHECK(refused({8, 8, 16}));
  CHECK(refused({8, 8, 8, 9}));
  CHECK(refused({8, 0, 12, 12}));
  layout.virtual_stages = 2;
  CHECK(refused({7, 9, 9, 7}));
  CHECK_FALSE(refused({3, 4, 4, 4, 4, 4, 5, 4}));
  layout.virtual_stages = 1;
  layout.schedule = Schedule::DualPipeV;
  stack.overlap.expert_pairs = true;
  CHECK_FALSE(refused({3, 4, 4, 4, 4, 4, 5, 4}));
  layout.schedule = Schedule::DualPipe; // chunk i on ranks i and 3 - i
  CHECK(refused({3, 4, 4, 4, 4, 4, 5, 4}));
  CHECK_FALSE(refused({7, 9, 9, 7}));
}

TEST_CASE_METHOD(Fixture, "memory follows the layers that a stage is given") {
  ParallelismSpec layout;
  layout.pipeline = 4;
  layout.layers_per_stage = {4, 20, 4, 4};
  setting.layout = resolve(layout, setting);
  const MemoryPlan plan = memory_plan(setting);
  CHECK(plan.stage == 1);
  const double layer = workload::layer_parameters(model, workload::LayerKind::Dense).total();
  CHECK(plan.weights / byte == Approx(2 * 20 * layer));
}

TEST_CASE_METHOD(Fixture, "memory of every rank; of those that do not fit the first is told") {
  ParallelismSpec layout;
  layout.pipeline = 4;
  layout.layers_per_stage = {4, 20, 4, 4};
  setting.layout = resolve(layout, setting);
  const std::vector<StageChunk> chunks = chunks_of(model, setting.layout, setting.sequence_length);
  const std::vector<MemoryPlan> ranks = memory_by_rank(setting, chunks);
  REQUIRE(ranks.size() == 4);
  const double layer = workload::layer_parameters(model, workload::LayerKind::Dense).total();
  for (int rank = 0; rank < 4; ++rank)
    CHECK(ranks[static_cast<std::size_t>(rank)].stage == rank);
  CHECK((ranks[1].weights - ranks[2].weights) / byte == Approx(2 * 16 * layer));
  CHECK(fullest(ranks).stage == 1);
  CHECK(fullest(ranks).total() / byte == memory_plan(setting).total() / byte);
  const auto refused = [&](Bytes memory) -> std::string {
    pool.node.spec.accelerator.spec.memory = memory;
    try {
      require_fit(memory_by_rank(setting, chunks), setting);
    } catch (const InfeasibleError& error) {
      return error.message();
    }
    return "";
  };
  CHECK(refused(1.01 * fullest(ranks).total()).empty());
  const std::string one = refused(0.99 * fullest(ranks).total());
  CHECK(one.find("pipeline stage 1 needs") == 0);
  const std::string all = refused(1e9 * byte);
  CHECK(all.find("pipeline stage 1 (the fullest of 4 stages that do not fit; the first is 0)") ==
        0);
}

TEST_CASE_METHOD(Fixture, "optimizer state in the host's memory leaves the device") {
  setting.layout = resolve({}, setting);
  const MemoryPlan before = memory_plan(setting);
  CHECK(before.host / byte == 0);
  stack.optimizer_offload = OptimizerOffloadSpec{0.75, false, false};
  CHECK(refusal({}) == "stack.optimizer_offload"); // no link to the host
  pool.node.spec.accelerator.spec.host_bandwidth = 64e9 * (byte / second);
  const MemoryPlan after = memory_plan(setting);
  CHECK(after.optimizer / before.optimizer == Approx(0.25));
  CHECK(after.gradients / before.gradients == Approx(1));
  // 12 bytes of state and 4 of gradient, over 64 ranks.
  CHECK(after.host / byte == Approx(0.75 * 16 * 8030261248.0 / 64));
  const auto refused = [&] {
    try {
      require_fit(memory_plan(setting), setting);
    } catch (const InfeasibleError& error) {
      return error.path() == "stack.optimizer_offload";
    }
    return false;
  };
  CHECK(refused()); // nobody says what the host has
  pool.node.spec.host = hardware::HostSpec{1.001 * 8.0 * after.host, 1e12 * (byte / second), 0.8};
  stack.recompute = Recompute::Full;
  CHECK_FALSE(refused());
  pool.node.spec.host->memory = 0.999 * 8.0 * after.host;
  CHECK(refused());
  stack.optimizer_offload->gradients = true; // only where passes reduce them
  CHECK(refusal({}) == "stack.optimizer_offload.gradients");
  ParallelismSpec layout;
  layout.zero_stage = 2;
  CHECK(refusal(layout).empty());
  setting.layout = resolve(layout, setting);
  CHECK(memory_plan(setting).gradients / byte == Approx(0.25 * 4 * 8030261248.0 / 64));
}

TEST_CASE_METHOD(Fixture, "more layers in 16 bit than there are, are refused") {
  stack.precision.bf16_layers_at_start = 2;
  stack.precision.bf16_layers_at_end = 30;
  CHECK(refusal({}).empty());
  stack.precision.bf16_layers_at_end = 31;
  CHECK(refusal({}) == "stack.precision.bf16_layers_at_end");
}

TEST_CASE_METHOD(Fixture, "messages between stages are cut by sequence parallelism or the stack") {
  ParallelismSpec layout;
  layout.tensor = 4;
  layout.pipeline = 2;
  setting.layout = resolve(layout, setting);
  const double whole = 2 * 4096.0 * 4096;
  CHECK(boundary_message(setting) / byte == whole / 4);
  setting.layout.sequence_parallel = false;
  CHECK(boundary_message(setting) / byte == whole);
  CHECK_FALSE(gathers_messages(setting));
  stack.scatter_gather = true;
  CHECK(boundary_message(setting) / byte == whole / 4);
  CHECK(gathers_messages(setting));
}

TEST_CASE_METHOD(Fixture, "adapters alone have gradients and optimizer state") {
  // Llama-3.1 8B, rank 16: 16 x (4096 + 6144) x 32 parameters of adapters.
  setting.layout = resolve({}, setting);
  const MemoryPlan all = memory_plan(setting);
  model.adapters = workload::AdaptersSpec{16, {workload::AdaptedLayer::QueryKeyValue}};
  const double adapters = 16.0 * (4096 + 6144) * 32;
  const MemoryPlan plan = memory_plan(setting);
  CHECK((plan.weights - all.weights) / byte == Approx(2 * adapters));
  CHECK(plan.gradients / byte == Approx(4 * adapters));
  CHECK(plan.optimizer / byte == Approx(12 * adapters / 64));
}

TEST_CASE_METHOD(Fixture, "memory falls with layers that are recomputed or wait in the host") {
  setting.layout = resolve({}, setting);
  pool.node.spec.accelerator.spec.host_bandwidth = 50e9 * (byte / second);
  const Bytes all = memory_plan(setting).activations;
  stack.recompute = Recompute::Full;
  const Bytes none = memory_plan(setting).activations;
  CHECK(none / byte == Approx(32 * 2 * 4096.0 * 4096)); // inputs of 32 layers
  stack.recompute_layers = 8;
  CHECK((memory_plan(setting).activations - none) / (all - none) == Approx(24.0 / 32));
  stack.offload_layers = 12; // the 8 and 4 others
  CHECK(memory_plan(setting).activations / all == Approx(20.0 / 32));
  stack.recompute = Recompute::None;
  stack.recompute_layers = 0;
  CHECK(memory_plan(setting).activations / all == Approx(20.0 / 32));
}

TEST_CASE("groups cover all GPUs: sizes times strides") {
  ParallelismSpec layout;
  layout.tensor = 2;
  layout.context = 2;
  layout.pipeline = 4;
  layout.data = 16;
  layout.expert = 8;
  const Groups groups = groups_of(layout, 256);
  CHECK(groups.tensor.size == 2);
  CHECK(groups.tensor.stride == 1);
  CHECK(groups.context.stride == 2);
  CHECK(groups.data.size == 32);
  CHECK(groups.data.stride == 2);
  CHECK(groups.expert.size == 8);
  CHECK(groups.expert_data.size == 4);
  CHECK(groups.expert_data.stride == 16);
  CHECK(groups.pipeline.size * groups.pipeline.stride == 256);
}

TEST_CASE("stages hold every layer once, embedding first, head last") {
  const workload::ModelSpec model = dense_model();
  for (const int p : {1, 2, 4, 8, 16})
    for (const int v : {1, 2}) {
      ParallelismSpec layout;
      layout.pipeline = p;
      layout.virtual_stages = v;
      const std::vector<StageChunk> chunks = chunks_of(model, layout, 4096);
      REQUIRE(chunks.size() == static_cast<std::size_t>(p * v));
      int layers = 0;
      for (const StageChunk& chunk : chunks)
        layers += chunk.layers();
      CHECK(layers == model.layers);
      CHECK(chunks.front().embedding);
      CHECK(chunks.back().head);
    }
}

TEST_CASE("the cut is even: a head that costs two layers takes two layers' place") {
  // Forward FLOPs per token: a layer 2 * 218.1e6 weights + attention 2 * 2048.5 * 32 * 256 =
  // 469.7e6; the head 2 * 4096 * 128256 = 1050.7e6 is 2.24 layers. 31 layers and the head are 33.24
  // units over 4 stages: at most 9 layers, and the last stage 6 at most.
  ParallelismSpec layout;
  layout.pipeline = 4;
  workload::ModelSpec model = dense_model();
  model.layers = 31;
  const std::vector<StageChunk> chunks = chunks_of(model, layout, 4096);
  CHECK(chunks[0].layers() <= 9);
  CHECK(chunks[3].layers() <= 6);
  CHECK(chunks[3].layers() >= 4);
  // 32 go evenly.
  for (const StageChunk& chunk : chunks_of(dense_model(), layout, 4096))
    CHECK(chunk.layers() == 8);
}

TEST_CASE("resident parameters of all ranks are the model") {
  const workload::ModelSpec model = dense_model();
  ParallelismSpec layout;
  layout.pipeline = 4;
  layout.virtual_stages = 2;
  const std::vector<StageChunk> chunks = chunks_of(model, layout, 4096);
  double sum = 0;
  for (int rank = 0; rank < 4; ++rank)
    for (const int chunk : chunks_on_rank(layout, 8, rank)) {
      const ResidentParameters held =
          resident_parameters(model, chunks[static_cast<std::size_t>(chunk)], layout);
      sum += held.dense + held.experts;
    }
  CHECK(sum == 8030261248.0); // Llama 3.1 8B
}

TEST_CASE_METHOD(Fixture,
                 "memory: 18 bytes per parameter on one GPU, sharded optimizer with ZeRO-1") {
  pool.nodes = 1;
  pool.node.spec.accelerators = 1;
  setting.batch = 1;
  setting.layout = resolve({}, setting);
  const double n = 8030261248.0;
  const MemoryPlan alone = memory_plan(setting);
  CHECK(alone.weights / byte == Approx(2 * n));
  CHECK(alone.gradients / byte == Approx(4 * n));
  CHECK(alone.optimizer / byte == Approx(12 * n));
  CHECK_FALSE(alone.fits());
  CHECK_THROWS_AS(require_fit(alone, setting), InfeasibleError);

  pool.node.spec.accelerators = 8;
  setting.batch = 8;
  setting.layout = resolve({}, setting);
  CHECK(memory_plan(setting).optimizer / byte == Approx(12 * n / 8));
  setting.layout.zero_stage = 0;
  CHECK(memory_plan(setting).optimizer / byte == Approx(12 * n));
  setting.mode = StepMode::ForwardOnly;
  const MemoryPlan forward = memory_plan(setting);
  CHECK(forward.gradients / byte == 0);
  CHECK(forward.optimizer / byte == 0);
}

TEST_CASE_METHOD(Fixture, "memory by ZeRO stage: 2 + 2 + 12 bytes, each over the shards") {
  PrecisionSpec precision;
  precision.gradient_bytes = 2 * byte;
  StackSpec own;
  own.precision = precision;
  setting.stack = &own;
  pool.nodes = 1;
  pool.node.spec.accelerators = 8;
  setting.batch = 8;
  const double n = 8030261248.0, table = 128256.0 * 4096;
  const double layer = (n - 2 * table - 4096) / 32;
  Bytes without{};
  for (const int stage : {0, 1, 2, 3}) {
    ParallelismSpec layout;
    layout.zero_stage = stage;
    setting.layout = resolve(layout, setting);
    const MemoryPlan plan = memory_plan(setting);
    // Rajbhandari et al. 2020 (arXiv 1910.02054), figure 1.
    CHECK(plan.optimizer / byte == Approx(12 * n / (stage >= 1 ? 8 : 1)));
    CHECK(plan.gradients / byte == Approx(2 * n / (stage >= 2 ? 8 : 1)));
    CHECK(plan.weights / byte == Approx(2 * n / (stage >= 3 ? 8 : 1)));
    if (stage == 0)
      without = plan.temporaries;
    // Beside the logits, which need more than a layer does: gradients of the head. Weights: the
    // head, which stays, and the two largest others.
    const double head = 2 * (table + 4096);
    const double under_way = stage == 3 ? 2 * head + 2 * (table + layer) : stage == 2 ? head : 0;
    CHECK((plan.temporaries - without) / byte == Approx(under_way).margin(1));
  }
  ParallelismSpec kept;
  kept.zero_stage = 3;
  kept.reshard_after_forward = false;
  setting.layout = resolve(kept, setting);
  CHECK((memory_plan(setting).temporaries - without) / byte == Approx(2 * (table + 4096) + 2 * n));
  kept.data_shard = 2; // HSDP: four copies of two shards
  setting.layout = resolve(kept, setting);
  CHECK(memory_plan(setting).weights / byte == Approx(2 * n / 2));
}

TEST_CASE_METHOD(Fixture, "sharding that cannot be is refused with the key to change") {
  setting.batch = 512;
  ParallelismSpec layout;
  layout.zero_stage = 3;
  CHECK(refusal(layout).empty());
  layout.data_shard = 3;
  CHECK(refusal(layout) == "parallelism.data_shard");
  layout.data_shard = 8;
  CHECK(refusal(layout).empty());
  layout.zero_stage = 0;
  CHECK(refusal(layout) == "parallelism.data_shard");
  layout = {};
  layout.pipeline = 2;
  layout.schedule = Schedule::DualPipe;
  stack.overlap.expert_pairs = true;
  CHECK(refusal(layout).empty());
  for (const int stage : {2, 3}) {
    layout.zero_stage = stage;
    CHECK(refusal(layout) == "parallelism.zero_stage");
  }
  model.experts = workload::ExpertsSpec{32, 0, 4, 1024, 0};
  layout = {};
  layout.zero_stage = 3;
  layout.expert = 8;
  layout.data_shard = 4; // a shard group holds half of the experts
  CHECK(refusal(layout) == "parallelism.data_shard");
  layout.data_shard = 16;
  CHECK(refusal(layout).empty());
}

TEST_CASE_METHOD(Fixture, "context parallelism keeps what a layer gathers, and its gradients") {
  model.vocabulary = 1000; // so that a layer needs more than the logits
  pool.nodes = 1;
  pool.node.spec.accelerators = 8;
  setting.batch = 8;
  ParallelismSpec layout;
  layout.context = 8;
  setting.layout = resolve(layout, setting);
  setting.sequence_length = 131072;
  const double more = memory_plan(setting).temporaries / byte;
  // The layer's own working set is that of 16,384 tokens; beside it 8 heads of 2 x 128 elements of
  // 2 bytes per token of the sequence, twice.
  layout.context = 1;
  setting.layout = resolve(layout, setting);
  setting.sequence_length = 16384;
  const double alone = memory_plan(setting).temporaries / byte;
  CHECK(more - alone == Approx(131072.0 * 8 * 256 * 2 * 2));
}

TEST_CASE_METHOD(Fixture, "the first pipeline rank stores p micro-batches of L / p layers") {
  // One rank: one micro-batch of 32 layers; p ranks: p micro-batches of 32 / p layers on the first.
  // Head and embedding store nothing here, and the cut gives the first of two ranks at most 18
  // layers.
  setting.batch = 256;
  setting.layout = resolve({}, setting);
  const double one = memory_plan(setting).activations / byte;
  ParallelismSpec layout;
  layout.pipeline = 2;
  setting.layout = resolve(layout, setting);
  const double two = memory_plan(setting).activations / byte;
  CHECK(two >= one);
  CHECK(two <= one * 2 * 18 / 32);
}
