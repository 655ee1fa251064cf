// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/workload/counts.hpp"
#include "tests/workload/models.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::workload;

namespace {

// Bytes per token and hidden element, all in 16 bit, FP32 statistics aside.
double bytes_per_sbh(const ModelSpec& model, const Shard& shard) {
  return 2 * activation_elements(model, LayerKind::Dense, shard).kept().total() /
         (shard.tokens() * model.hidden);
}

} // namespace

TEST_CASE("a GPT layer keeps what Korthikanti et al. count") {
  // arXiv 2205.05198, table 2, in bytes per s b h: 34 + 5as/h on one GPU, 10 + 24/t with tensor
  // parallelism, 34/t with sequence parallelism besides, 2 with full recomputation. Modern training
  // has no dropout, so their two one-byte masks (unsharded with tensor parallelism alone) are added
  // here; and fused attention keeps no scores, so the term 5as/h does not exist and their
  // "selective" rows are the ones to compare.
  const ModelSpec model = gpt_3();
  Shard shard{.sequence_length = 2048};
  const double masks = 2;
  CHECK(bytes_per_sbh(model, shard) + masks == Approx(34));
  shard.tensor = 8;
  CHECK(bytes_per_sbh(model, shard) + masks == Approx(10 + 24.0 / 8));
  const double selective = bytes_per_sbh(model, shard) + masks;
  shard.sequence_parallel = true;
  CHECK(bytes_per_sbh(model, shard) + masks / 8 == Approx(34.0 / 8));
  const double sharded = bytes_per_sbh(model, shard) + masks / 8;

  // Their profiled ratios to 10 + 24/t + 5as/(ht) = 23 (figure 7, 175B): 56.53 %, 18.49 %, full
  // recomputation 8.71 %.
  CHECK(selective / 23 == Approx(0.5653).epsilon(0.001));
  CHECK(sharded / 23 == Approx(0.1849).epsilon(0.001));
  shard.sequence_parallel = false;
  const ActivationElements kept = activation_elements(model, LayerKind::Dense, shard);
  CHECK(2 * kept.boundary / (2048 * 12288.0) / 23 == Approx(0.0871).epsilon(0.003));
  CHECK(kept.kept({Module::AttentionCore}).total() == kept.kept().total());
  CHECK(kept.fixed == 2048.0 * 96 / 8 * 4 * byte);
}

TEST_CASE(
    "with unfused attention and dropout a GPT layer keeps all that Korthikanti et al. count") {
  // arXiv 2205.05198, equations 1 to 4, in bytes per s b h: 34 + 5as/h, 10 + 24/t + 5as/(ht), all
  // of it over t; selective recomputation drops the term with as/h.
  const ModelSpec model = gpt_3();
  const auto per_sbh = [&model](const Shard& shard, bool selective) {
    const ActivationElements kept = activation_elements(model, LayerKind::Dense, shard);
    const ModuleSet again = selective ? ModuleSet{Module::AttentionCore} : ModuleSet{};
    return (2 * kept.kept(again).total() + kept.fixed / byte) / (2048 * 12288.0);
  };
  Shard shard{.sequence_length = 2048};
  shard.fused_attention = false;
  shard.dropout = true;
  const double scores = 5 * 96 * 2048.0 / 12288;
  CHECK(per_sbh(shard, false) == Approx(34 + scores));
  shard.tensor = 8;
  CHECK(per_sbh(shard, false) == Approx(10 + (24 + scores) / 8));
  CHECK(per_sbh(shard, true) == Approx(10 + 24.0 / 8));
  shard.sequence_parallel = true;
  CHECK(per_sbh(shard, false) == Approx((34 + scores) / 8));
  CHECK(per_sbh(shard, true) == Approx(34.0 / 8));
  // Without dropout the softmax alone remains of the scores: 2as/h.
  shard.dropout = false;
  CHECK(per_sbh(shard, false) == Approx((32 + 2.0 / 5 * scores) / 8));
}

TEST_CASE("a parallel block keeps one norm") {
  ModelSpec model = gpt_3();
  const Shard shard{.sequence_length = 2048};
  const KeptElements two = activation_elements(model, LayerKind::Dense, shard).kept();
  model.parallel_block = true;
  const KeptElements one = activation_elements(model, LayerKind::Dense, shard).kept();
  CHECK(two.inputs - one.inputs == 2048 * 12288.0);
  CHECK(two.others - one.others == 2048 * 12288.0);
}

TEST_CASE("a Llama layer by hand") {
  // Per token, Llama-3.1 8B: norm input and output twice, query 32 x 128, key and value 8 x 128
  // each, attention output 4096, gate and up 2 x 14336, their product 14336.
  const Shard shard{.sequence_length = 8192, .sequences = 2};
  const ActivationElements kept = activation_elements(llama_3_8b(), LayerKind::Dense, shard);
  const double tokens = 16384;
  const KeptElements all = kept.kept();
  CHECK(all.inputs == tokens * (2 * 4096 + 3 * 14336));
  CHECK(all.others == tokens * (2 * 4096 + 4096 + 2 * 1024 + 4096));
  const auto dropped = [&](const ModuleSet& again) {
    CHECK(kept.kept(again).others == all.others);
    return all.inputs - kept.kept(again).inputs;
  };
  CHECK(dropped({Module::Norm}) == tokens * 2 * 4096);
  CHECK(dropped({Module::Activation}) == tokens * 14336);
  CHECK(dropped({Module::Norm, Module::Activation}) == tokens * (2 * 4096 + 14336));
  // From the normalised input on: gate, up and product, which is in it already.
  CHECK(dropped({Module::FeedForward}) == tokens * 3 * 14336);
  CHECK(dropped({Module::FeedForward, Module::Activation}) == tokens * 3 * 14336);
  CHECK(dropped({Module::Experts, Module::ExpertActivation, Module::LatentUpProjection}) == 0);
  CHECK(kept.boundary == tokens * 4096);
  CHECK(kept.fixed == tokens * 32 * 4 * byte);
}

TEST_CASE("a DeepSeek-V3 expert layer by hand") {
  // Per token without what is cheap: two norm inputs, latents 1536 + 512 + 64, attention output 128
  // x 128, FP32 scores of 256 experts, 8 dispatched rows, gate and up of 8 + 1 experts of 2048.
  const Shard shard{.expert = 64, .sequence_length = 4096, .expert_imbalance = 1.25};
  const ActivationElements kept = activation_elements(deepseek_v3(), LayerKind::Experts, shard);
  const double routed = 8 * 1.25;
  const double expected =
      2 * 7168 + 1536 + 512 + 64 + 128 * 128 + 2 * 256 + routed * 7168 + 2 * (routed + 1) * 2048;
  const ModuleSet cheap{Module::Norm, Module::LatentUpProjection, Module::Activation,
                        Module::ExpertActivation};
  const KeptElements all = kept.kept(), rest = kept.kept(cheap);
  CHECK(rest.total() == Approx(4096 * expected).epsilon(1e-14));
  // Cheap: norm outputs, normalised latents, expanded query, key and value, products.
  CHECK(all.total() - rest.total() ==
        Approx(4096 * (2 * 7168 + 1536 + 512 + 128 * (192 + 192 + 128) + (routed + 1) * 2048)));
  // Of these only the expanded query, key and value are no operands of a matrix multiply.
  CHECK(all.others - rest.others == Approx(4096.0 * 128 * (192 + 192 + 128)));
  // All between the normalised input of the experts and what they add to the residual.
  CHECK(all.total() - kept.kept({Module::Experts}).total() ==
        Approx(4096 * (2 * 256 + routed * 7168 + 3 * (routed + 1) * 2048)));
}

TEST_CASE("activations are shared out by tensor and context parallelism") {
  for (const ModelSpec& model : {llama_3_405b(), deepseek_v3()})
    for (const int tensor : {1, 2, 8})
      for (const int context : {1, 4}) {
        const LayerKind kind = layer_kind(model, model.layers - 1);
        const Shard whole{.sequence_length = 32768};
        const Shard part{.tensor = tensor,
                         .context = context,
                         .sequence_parallel = true,
                         .sequence_length = 32768};
        const ActivationElements all = activation_elements(model, kind, whole);
        const ActivationElements one = activation_elements(model, kind, part);
        const double ranks = tensor * context;
        for (const ModuleSet& again :
             {ModuleSet{}, ModuleSet{Module::Norm}, ModuleSet{Module::LatentUpProjection},
              ModuleSet{Module::FeedForward, Module::Experts}}) {
          const KeptElements whole_kept = all.kept(again), part_kept = one.kept(again);
          CHECK(ranks * part_kept.inputs == Approx(whole_kept.inputs).epsilon(1e-12));
          CHECK(ranks * part_kept.others == Approx(whole_kept.others).epsilon(1e-12));
        }
        CHECK(ranks * one.boundary == Approx(all.boundary).epsilon(1e-12));
        CHECK(ranks * one.fixed / all.fixed == Approx(1).epsilon(1e-12));
      }
}

TEST_CASE("frozen multiplies do not keep their inputs, adapters do") {
  // Llama-3.1 8B, rank 16 beside the query-key-value projection: the norm before it stays, the
  // other norm's result and the product go; the adapter keeps 16 elements of each token.
  ModelSpec model = llama_3_8b();
  const Shard shard{.sequence_length = 8192};
  const double tokens = 8192;
  const KeptElements trained = activation_elements(model, LayerKind::Dense, shard).kept();
  model.adapters = AdaptersSpec{16, {AdaptedLayer::QueryKeyValue}};
  const KeptElements frozen = activation_elements(model, LayerKind::Dense, shard).kept();
  CHECK(trained.inputs - frozen.inputs == tokens * (4096 + 14336));
  CHECK(frozen.others - trained.others == tokens * 16);
  model.adapters = AdaptersSpec{16};
  const KeptElements all = activation_elements(model, LayerKind::Dense, shard).kept();
  CHECK(all.inputs == trained.inputs);
  CHECK(all.others - trained.others == tokens * 4 * 16);
}

TEST_CASE("experts that tensor ranks do not cut keep whole inner dimensions of fewer rows") {
  // Four tensor ranks with sequence parallelism: each dispatches a quarter of the copies. Cut over
  // all four, every rank works on all rows; whole, on its quarter: the same elements.
  const ModelSpec model = deepseek_v3();
  Shard shard{.tensor = 4, .expert = 8, .sequence_parallel = true, .sequence_length = 4096};
  const KeptElements cut = activation_elements(model, LayerKind::Experts, shard).kept();
  for (const int expert_tensor : {1, 2, 4}) {
    shard.expert_tensor = expert_tensor;
    const KeptElements kept = activation_elements(model, LayerKind::Experts, shard).kept();
    CHECK(kept.inputs == Approx(cut.inputs).epsilon(1e-14));
    CHECK(kept.others == Approx(cut.others).epsilon(1e-14));
  }
}
