// SPDX-License-Identifier: Apache-2.0
#include "sim/workload/operators.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/workload/counts.hpp"
#include "sim/workload/dimensions.hpp"
#include "tests/workload/models.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <random>
#include <string>

using namespace sim;
using namespace sim::workload;

namespace {

std::vector<Operator> all_of(const LayerOperators& layer) {
  std::vector<Operator> list;
  for (const auto* part :
       {&layer.attention, &layer.router, &layer.experts, &layer.shared, &layer.feed_forward})
    list.insert(list.end(), part->begin(), part->end());
  return list;
}

const Operator& named(const std::vector<Operator>& list, std::string_view name) {
  for (const Operator& each : list)
    if (each.name == name)
      return each;
  FAIL("no operator " << name);
  return list.front();
}

// Forward FLOPs of the whole model on one rank's shard, prediction modules aside.
FlopCount model_flops(const ModelSpec& model, const Shard& shard) {
  FlopCount sum = forward_flops(head_operators(model, shard));
  for (int layer = 0; layer < model.layers; ++layer) {
    const FlopCount one =
        forward_flops(all_of(layer_operators(model, layer_kind(model, layer), shard)));
    sum.causal += one.causal;
    sum.full += one.full;
  }
  return sum;
}

ModelSpec random_model(std::mt19937_64& bits) {
  const auto pick = [&bits](int low, int high) {
    return low + static_cast<int>(bits() % static_cast<unsigned>(high - low + 1));
  };
  ModelSpec model;
  model.layers = pick(1, 12);
  model.hidden = 64 * pick(1, 64);
  model.vocabulary = 8 * pick(100, 20000);
  model.inner = 64 * pick(1, 200);
  model.feed_forward = static_cast<FeedForwardKind>(pick(0, 3));
  model.tied_embeddings = pick(0, 1) == 0;
  model.biases = pick(0, 1) == 0;
  model.learned_positions = pick(0, 1) * 4096;
  model.attention.kv_heads = 8 * pick(1, 4);
  model.attention.heads = model.attention.kv_heads * pick(1, 8);
  model.attention.head_dim = 32 * pick(1, 4);
  if (pick(0, 1) == 0) {
    model.attention.kind = AttentionKind::Latent;
    model.attention.query_rank = pick(0, 1) * 64 * pick(1, 8);
    model.attention.kv_rank = 64 * pick(1, 8);
    model.attention.rope_dim = 64;
    model.attention.value_dim = 32 * pick(1, 4);
  }
  if (pick(0, 2) == 0)
    model.attention.window = pick(1, 5000);
  model.parallel_block = pick(0, 3) == 0;
  if (!model.parallel_block && pick(0, 1) == 0) {
    model.dense_layers = pick(0, model.layers);
    const int routed = 8 * pick(1, 32);
    model.experts = ExpertsSpec{
        .routed = routed, .shared = pick(0, 2), .active = pick(1, 8), .inner = 64 * pick(1, 32)};
  }
  return model;
}

} // namespace

TEST_CASE("operators and closed formulas count the same FLOPs") {
  std::mt19937_64 bits(7);
  for (int i = 0; i < 300; ++i) {
    const ModelSpec model = random_model(bits);
    Shard shard{.sequence_length = 128.0 * (1 + static_cast<double>(bits() % 64)),
                .sequences = 1 + static_cast<double>(bits() % 4)};
    if (i % 3 == 0)
      shard.attended_length = shard.sequence_length / 3;
    shard.fused_attention = i % 2 == 0;
    shard.dropout = i % 5 == 0;
    const FlopCount forward = model_flops(model, shard);
    const TrainingFlops training =
        training_flops_per_token(model, shard.sequence_length, shard.attended_length);
    REQUIRE(3 * forward.causal / (shard.tokens() * training.causal) == Approx(1).epsilon(1e-12));
    REQUIRE(3 * forward.full / (shard.tokens() * training.full) == Approx(1).epsilon(1e-12));
    REQUIRE(forward.causal / (shard.tokens() * training.forward_causal) ==
            Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("with adapters, operators and closed formulas count the same FLOPs and parameters") {
  std::mt19937_64 bits(9);
  const std::array all{AdaptedLayer::QueryKeyValue, AdaptedLayer::Output,
                       AdaptedLayer::FeedForwardUp, AdaptedLayer::FeedForwardDown};
  for (int i = 0; i < 300; ++i) {
    ModelSpec model = random_model(bits);
    const ModelSpec bare = model;
    model.adapters = AdaptersSpec{static_cast<int>(1 + bits() % 64), {all[bits() % 4]}};
    for (const AdaptedLayer layer : all)
      if (bits() % 2 == 0)
        model.adapters->layers.push_back(layer);
    const Shard shard{.sequence_length = 2048};
    const TrainingFlops training = training_flops_per_token(model, 2048);
    const FlopCount forward = model_flops(model, shard);
    REQUIRE(forward.causal / (2048 * training.forward_causal) == Approx(1).epsilon(1e-12));
    // Frozen multiplies run forward and for the input gradient, everything else three times.
    const Flops frozen = 2 * parameters(bare).active_matrices * flop;
    REQUIRE((3 * forward.causal - 2048 * frozen) / (2048 * training.causal) ==
            Approx(1).epsilon(1e-12));
    REQUIRE(parameters(model).total == parameters(bare).total);
    double weights = 0;
    for (int layer = 0; layer < model.layers; ++layer) {
      const LayerOperators operators = layer_operators(model, layer_kind(model, layer), shard);
      for (const auto* part : {&operators.attention, &operators.router, &operators.experts,
                               &operators.shared, &operators.feed_forward})
        for (const Operator& op : *part) {
          REQUIRE(op.frozen == !op.adapter);
          weights += op.adapter ? op.weight_elements : 0;
        }
    }
    const double modules = model.multi_token_prediction;
    const AdapterParameters module = adapter_parameters(model, layer_kind(model, model.layers));
    REQUIRE(parameters(model).adapters - modules * (module.dense + module.experts) ==
            Approx(weights).epsilon(1e-12));
  }
}

TEST_CASE("LoRA of rank 8 beside Llama-2's query-key-value projection has 4,194,304 parameters") {
  // 8 x (4096 + 3 x 4096) x 32 layers; the library peft counts as many for rank 8 on query and
  // value apart, 2 x 8 x (4096 + 4096) x 32.
  ModelSpec model = llama_3(32, 4096, 32, 11008);
  model.attention.kv_heads = 0;
  model.adapters = AdaptersSpec{8, {AdaptedLayer::QueryKeyValue}};
  CHECK(parameters(model).adapters == 4194304);
}

TEST_CASE("tensor ranks share an adapter") {
  ModelSpec model = llama_3_70b();
  model.adapters = AdaptersSpec{16};
  const Shard whole{.sequence_length = 4096};
  const Shard part{.tensor = 8, .sequence_parallel = true, .sequence_length = 4096};
  CHECK(8 * model_flops(model, part).causal / model_flops(model, whole).causal ==
        Approx(1).epsilon(1e-12));
}

TEST_CASE("a frozen norm makes its input gradient only; a frozen embedding nothing") {
  ModelSpec model = llama_3_8b();
  model.adapters = AdaptersSpec{16, {AdaptedLayer::Output}};
  const Shard shard{.sequence_length = 1024};
  const Operator norm =
      named(layer_operators(model, LayerKind::Dense, shard).attention, "attention_norm");
  CHECK(norm.backward_elements == Approx(3 * 1024 * 4096.0));
  CHECK(norm.backward_kernels == 1);
  CHECK(named(embedding_operators(model, shard), "embedding_lookup").backward_elements == 0);
  CHECK(named(head_operators(model, shard), "logits_projection").frozen);
}

TEST_CASE("experts cut over fewer ranks than the tensor group do the same work in all") {
  const ModelSpec model = deepseek_v3();
  Shard shard{.tensor = 4, .expert = 8, .sequence_parallel = true, .sequence_length = 4096};
  const FlopCount cut = forward_flops(layer_operators(model, LayerKind::Experts, shard).experts);
  for (const int expert_tensor : {1, 2, 4}) {
    shard.expert_tensor = expert_tensor;
    const LayerOperators layer = layer_operators(model, LayerKind::Experts, shard);
    CHECK(forward_flops(layer.experts).causal / cut.causal == Approx(1).epsilon(1e-14));
    const Operator& up = named(layer.experts, "expert_gate_up_projection");
    CHECK(up.n == 2 * 2048.0 / expert_tensor);
    // A quarter of the tokens' eight copies from each rank whose rows are gathered.
    CHECK(up.groups * up.m == 4096 / 4 * 8.0 * expert_tensor);
  }
  shard.expert_tensor = 3;
  CHECK_THROWS_AS(layer_operators(model, LayerKind::Experts, shard), InfeasibleError);
}

TEST_CASE("the parts of all ranks add up to the whole") {
  std::mt19937_64 bits(8);
  for (int i = 0; i < 300; ++i) {
    const ModelSpec model = random_model(bits);
    const int degrees[] = {1, 2, 4, 8};
    const Shard whole{.sequence_length = 8192, .sequences = 2};
    const Shard part{.tensor = degrees[bits() % 4],
                     .context = degrees[bits() % 4],
                     .expert = model.experts ? degrees[bits() % 4] : 1,
                     .sequence_parallel = true,
                     .sequence_length = 8192,
                     .sequences = 2};
    const double ranks = part.tensor * part.context;
    // Every context rank expands the latents of the whole sequences, the others' too.
    const AttentionSpec& attention = model.attention;
    Flops again{};
    if (attention.kind == AttentionKind::Latent)
      again = (part.context * gathered_tokens(model, part) - 2 * 8192) * 2.0 * attention.kv_rank *
              attention.heads * (attention.head_dim + attention_dimensions(attention).value_dim) *
              model.layers * flop;
    REQUIRE(ranks * model_flops(model, part).causal / (model_flops(model, whole).causal + again) ==
            Approx(1).epsilon(1e-12));
    REQUIRE(ranks * model_flops(model, part).full / (model_flops(model, whole).full + again) ==
            Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("context ranks expand the keys and values of whole sequences from gathered latents") {
  const Shard alone{.sequence_length = 4096};
  const Shard shared{.context = 8, .sequence_length = 32768}; // 4,096 tokens of 32,768
  const std::vector<Operator> one =
      all_of(layer_operators(deepseek_v3(), LayerKind::Experts, alone));
  const std::vector<Operator> part =
      all_of(layer_operators(deepseek_v3(), LayerKind::Experts, shared));
  for (const std::string_view local : {"query_up_projection", "kv_down_projection"})
    CHECK(named(part, local).m == named(one, local).m);
  CHECK(named(part, "kv_up_projection").m == 32768);
  // Rotating reads and writes 128 + 1 heads of 64; assembling reads 128 heads of 128 and one
  // rotated part, and writes 128 heads of 192.
  CHECK(named(part, "rotary_embedding").forward_elements ==
        4096.0 * 2 * 129 * 64 + 32768.0 * (128 * 128 + 64 + 128 * 192));
}

TEST_CASE("weights of the operators are the model's matrices") {
  std::mt19937_64 bits(9);
  for (int i = 0; i < 200; ++i) {
    ModelSpec model = random_model(bits);
    model.biases = false;
    for (const LayerKind kind : {LayerKind::Dense, LayerKind::Experts}) {
      if (kind == LayerKind::Experts && !model.experts)
        continue;
      double weights = 0;
      for (const Operator& each : all_of(layer_operators(model, kind, {.sequence_length = 1024})))
        weights += each.weight_elements;
      const LayerParameters layer = layer_parameters(model, kind);
      REQUIRE(weights == Approx(layer.total() - layer.norms).epsilon(1e-12));
    }
  }
}

TEST_CASE("a window cuts the keys that queries see") {
  // Queries 1 to w see 1 to w keys, the others w: w - w (w - 1) / (2 s) on average.
  for (const int window : {1, 7, 100, 4095, 4096, 5000}) {
    double sum = 0;
    for (int query = 1; query <= 4096; ++query)
      sum += std::min(query, window);
    CHECK(causal_keys(4096, 0, window) == Approx(sum / 4096).epsilon(1e-12));
  }
  ModelSpec model = llama_3_405b();
  Shard shard{.context = 8, .sequence_length = 65536};
  const Operator all =
      named(layer_operators(model, LayerKind::Dense, shard).attention, "attention_core");
  model.attention.window = 1024;
  const Operator band =
      named(layer_operators(model, LayerKind::Dense, shard).attention, "attention_core");
  CHECK(all.masked_edges == 1);
  CHECK(band.masked_edges == 2);
  CHECK(band.keys == 1024);
  CHECK(band.scores == Approx(128 * 8192 * (1024 - 1024 * 1023 / (2 * 65536.0))));
  CHECK(band.core_full / all.core_full == Approx(1024.0 / 65536));
  // Each of a rank's two pieces needs its own keys and a window before it.
  CHECK(gathered_kv_elements(model, shard) == (65536 / 8 + 2 * 1024) * 2.0 * 8 * 128);
}

TEST_CASE("a parallel block has one norm and one sum of three") {
  ModelSpec model = gpt_3();
  model.parallel_block = true;
  const std::vector<Operator> list =
      all_of(layer_operators(model, LayerKind::Dense, {.sequence_length = 2048}));
  const auto count = [&list](OperatorKind kind) {
    return std::count_if(list.begin(), list.end(),
                         [kind](const Operator& o) { return o.kind == kind; });
  };
  CHECK(count(OperatorKind::Norm) == 1);
  CHECK(count(OperatorKind::Gemm) == 4);
  // Layer input and both branches are read, their sum is written.
  CHECK(named(list, "feed_forward_residual_add").forward_elements == 4 * 2048.0 * 12288);
  model.experts = ExpertsSpec{.routed = 8, .active = 2, .inner = 64};
  CHECK_THROWS_AS(layer_operators(model, LayerKind::Dense, {.sequence_length = 2048}),
                  InfeasibleError);
}

TEST_CASE("unfused attention: two multiplies with softmax and dropout between them") {
  // 22B model of Korthikanti et al. on 8 tensor ranks, 4 sequences: 32 heads of 2048 x 2048 scores.
  ModelSpec model = gpt_3();
  model.hidden = 6144;
  model.attention.heads = 64;
  model.attention.head_dim = 96;
  model.inner = 4 * 6144;
  Shard shard{.tensor = 8, .sequence_length = 2048, .sequences = 4};
  shard.fused_attention = false;
  shard.dropout = true;
  const std::vector<Operator> list = all_of(layer_operators(model, LayerKind::Dense, shard));
  const double scores = 32 * 2048.0 * 2048;
  const Operator& product = named(list, "attention_scores");
  CHECK((product.groups == 32 && product.m == 2048 && product.n == 2048 && product.k == 96));
  CHECK(product.output_elements == scores);
  const Operator& sum = named(list, "attention_values");
  CHECK((sum.groups == 32 && sum.m == 2048 && sum.n == 96 && sum.k == 2048));
  CHECK(product.core_full + sum.core_full == 4 * scores * 96 * flop);
  // Of the softmax's input the masked half is not read. The dropout's mask is a byte.
  CHECK(named(list, "attention_softmax").forward_elements == 1.5 * scores);
  CHECK(named(list, "attention_dropout").forward_elements == 2.5 * scores);
  CHECK(named(list, "attention_residual_add").forward_elements == 3.5 * 4 * 2048 * 6144);
  // Selective recomputation computes these four again.
  CHECK(std::count_if(list.begin(), list.end(),
                      [](const Operator& o) { return o.module == Module::AttentionCore; }) == 4);
}

TEST_CASE("prediction modules: operators and closed formula") {
  const ModelSpec model = deepseek_v3();
  const Shard shard{.sequence_length = 4096};
  Flops forward = forward_flops(prediction_projection_operators(model, shard)).causal;
  forward += forward_flops(all_of(layer_operators(model, LayerKind::Experts, shard))).causal;
  forward += forward_flops(head_operators(model, shard)).causal;
  const TrainingFlops training = training_flops_per_token(model, 4096);
  CHECK(3 * forward / (4096 * training.prediction_causal) == Approx(1).epsilon(1e-12));
}

TEST_CASE("shapes of a DeepSeek-V3 expert layer on 64 expert-parallel ranks") {
  // One sequence of 4096 tokens per rank: 4096 x 8 rows arrive over 256 / 64 = 4 experts, 8192
  // each, times the imbalance.
  const Shard shard{.expert = 64, .sequence_length = 4096, .expert_imbalance = 1.05};
  const LayerOperators layer = layer_operators(deepseek_v3(), LayerKind::Experts, shard);

  const Operator& down = named(layer.attention, "query_down_projection");
  CHECK((down.m == 4096 && down.n == 1536 && down.k == 7168));
  const Operator& up = named(layer.attention, "query_up_projection");
  CHECK((up.m == 4096 && up.n == 24576 && up.k == 1536 && up.module == Module::LatentUpProjection));
  const Operator& kv_down = named(layer.attention, "kv_down_projection");
  CHECK((kv_down.n == 576 && kv_down.k == 7168 && !kv_down.module));
  const Operator& kv_up = named(layer.attention, "kv_up_projection");
  CHECK((kv_up.n == 32768 && kv_up.k == 512 && kv_up.module == Module::LatentUpProjection));
  const Operator& output = named(layer.attention, "output_projection");
  CHECK((output.n == 7168 && output.k == 16384));
  const Operator& core = named(layer.attention, "attention_core");
  CHECK(core.core_forward / flop == 2 * 2048.5 * 128 * 320 * 4096);
  CHECK(core.core_full / flop == 2 * 4096.0 * 128 * 320 * 4096);
  CHECK(core.keys == 4096);
  // Query, key, value (one per head after expansion), output; one FP32 statistic a row.
  CHECK(core.forward_elements == 4096.0 * 128 * (192 + 192 + 128 + 128 + 2));

  const Operator& gate = named(layer.router, "router_gate");
  CHECK((gate.m == 4096 && gate.n == 256 && gate.k == 7168 && !gate.low_precision));
  const Operator& expert = named(layer.experts, "expert_gate_up_projection");
  CHECK((expert.groups == 4 && expert.n == 4096 && expert.k == 7168 && expert.low_precision));
  CHECK(expert.m == Approx(8192 * 1.05));
  CHECK(expert.input_elements == Approx(4096 * 8 * 1.05 * 7168));
  CHECK(expert.output_elements == Approx(4096 * 8 * 1.05 * 4096));
  CHECK(expert.weight_elements == 4.0 * 7168 * 4096);
  const Operator& expert_down = named(layer.experts, "expert_down_projection");
  CHECK((expert_down.n == 7168 && expert_down.k == 2048));
  const Operator& shared = named(layer.shared, "shared_gate_up_projection");
  CHECK((shared.m == 4096 && shared.n == 4096 && shared.groups == 1));
}

TEST_CASE("shapes of a Llama layer under tensor, sequence and context parallelism") {
  const ModelSpec model = llama_3_405b();
  const Shard shard{.tensor = 8,
                    .context = 4,
                    .sequence_parallel = true,
                    .sequence_length = 32768,
                    .sequences = 2};
  const double tokens = 16384;
  const std::vector<Operator> list = all_of(layer_operators(model, LayerKind::Dense, shard));
  const Operator& projection = named(list, "query_key_value_projection");
  CHECK((projection.m == tokens && projection.k == 16384));
  CHECK(projection.n == (128 + 2 * 8) * 128 / 8.0);
  CHECK(named(list, "attention_norm").forward_elements == 2 * tokens * 16384 / 8);
  CHECK(named(list, "attention_residual_add").forward_elements == 3 * tokens * 16384 / 8);
  CHECK(named(list, "gate_up_projection").n == 2 * 53248 / 8.0);
  CHECK(named(list, "down_projection").k == 53248 / 8.0);
  CHECK(named(list, "activation").forward_elements == 3 * tokens * 53248 / 8);
  CHECK(named(list, "activation").backward_elements == 5 * tokens * 53248 / 8);
  // 16 query heads and one key-value head per rank; keys of the whole sequences are gathered.
  const Operator& core = named(list, "attention_core");
  CHECK(core.core_forward / flop == Approx(4 * tokens * 16384.5 * 16 * 128).epsilon(1e-14));
  CHECK(core.keys == 32768);
  CHECK(core.forward_elements == tokens * 16 * 258 + 4 * tokens * 256);
  // Rotary embedding reads and writes queries and keys.
  CHECK(named(list, "rotary_embedding").forward_elements == 2 * tokens * (16 + 1) * 128);

  Shard plain = shard;
  plain.sequence_parallel = false;
  const std::vector<Operator> unsharded = all_of(layer_operators(model, LayerKind::Dense, plain));
  CHECK(named(unsharded, "attention_norm").forward_elements == 2 * tokens * 16384);
}

TEST_CASE("more tensor ranks than key-value heads keep one each") {
  const Shard shard{.tensor = 16, .sequence_length = 8192};
  const LayerOperators layer = layer_operators(llama_3_405b(), LayerKind::Dense, shard);
  CHECK(named(layer.attention, "query_key_value_projection").n == (8 + 2) * 128);
}

TEST_CASE("a GPT layer has no rotary embedding and two matrices in its feed-forward") {
  const LayerOperators layer =
      layer_operators(gpt_3(), LayerKind::Dense, {.sequence_length = 2048});
  for (const Operator& each : layer.attention)
    CHECK(each.kind != OperatorKind::Rotary);
  CHECK(named(layer.feed_forward, "up_projection").n == 4 * 12288);
  CHECK(named(layer.feed_forward, "activation").forward_elements == 2 * 2048.0 * 4 * 12288);
  CHECK(layer.experts.empty());
  CHECK(layer.router.empty());
  CHECK(embedding_operators(gpt_3(), {.sequence_length = 2048}).size() == 2);
}

TEST_CASE("layers: the first dense ones, then experts") {
  const ModelSpec model = deepseek_v3();
  CHECK(layer_kind(model, 2) == LayerKind::Dense);
  CHECK(layer_kind(model, 3) == LayerKind::Experts);
  CHECK(layer_kind(llama_3_8b(), 31) == LayerKind::Dense);
}

TEST_CASE("kernels per layer are of the measured order") {
  // DeepSeek's training trace shows 907 kernels for four expert layers forward and backward, about
  // 227 a layer; about a third of them are casts, which come with a precision recipe and are not
  // counted here.
  const auto launches = [](const LayerOperators& layer) {
    int sum = 0;
    for (const Operator& each : all_of(layer))
      sum += each.forward_kernels + each.backward_kernels;
    return sum;
  };
  const Shard shard{.sequence_length = 4096};
  const int sparse = launches(layer_operators(deepseek_v3(), LayerKind::Experts, shard));
  CHECK(sparse >= 80);
  CHECK(sparse <= 227);
  const int dense = launches(layer_operators(llama_3_8b(), LayerKind::Dense, shard));
  CHECK(dense >= 25);
  CHECK(dense <= 75);
}

TEST_CASE("destinations of a token's experts") {
  const ModelSpec model = deepseek_v3();
  CHECK(dispatch_elements_per_token(model) == 7168);
  CHECK(expected_destinations(model, 1, 0) == 1);
  // 8 (1 - (7/8)^8) = 5.251; four nodes at most.
  CHECK(expected_destinations(model, 8, 0) == Approx(8 * (1 - 5764801.0 / 16777216)));
  CHECK(expected_destinations(model, 8, 4) == 4);
  CHECK(expected_destinations(model, 2, 4) == Approx(2 * (1 - 1.0 / 256)));
  CHECK(expected_destinations(llama_3_8b(), 8, 0) == 0);
}

TEST_CASE("degrees that do not divide are refused") {
  const auto path = [](const ModelSpec& model, const Shard& shard) {
    try {
      layer_operators(model, layer_kind(model, model.layers - 1), shard);
    } catch (const InfeasibleError& error) {
      return error.path();
    }
    return std::string();
  };
  CHECK(path(llama_3_8b(), {.tensor = 3, .sequence_length = 8192}) == "parallelism.tensor");
  CHECK(path(llama_3_8b(), {.expert = 2, .sequence_length = 8192}) == "parallelism.expert");
  CHECK(path(deepseek_v3(), {.expert = 3, .sequence_length = 8192}) == "parallelism.expert");
  ModelSpec model = llama_3_8b();
  model.attention.kv_heads = 4;
  model.attention.heads = 24; // 4 key-value heads and tensor 6: neither divides the other
  CHECK(path(model, {.tensor = 6, .sequence_length = 8192}) == "parallelism.tensor");
  model = llama_3_8b();
  model.inner = 14337;
  CHECK(path(model, {.tensor = 2, .sequence_length = 8192}) == "parallelism.tensor");
  model = deepseek_v3();
  model.experts->inner = 2047;
  CHECK(path(model, {.tensor = 2, .sequence_length = 8192}) == "parallelism.tensor");
}
