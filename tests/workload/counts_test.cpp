// SPDX-License-Identifier: Apache-2.0
#include "sim/workload/counts.hpp"

#include "sim/base/diagnostics.hpp"
#include "tests/workload/models.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace sim;
using namespace sim::workload;

namespace {

std::string path_of_error(const ModelSpec& model) {
  try {
    parameters(model);
  } catch (const InfeasibleError& error) {
    return error.path();
  }
  return "";
}

double gigaflops(Flops count) { return count / gigaflop; }

} // namespace

TEST_CASE("parameters: dense models exactly") {
  // The published checkpoints' own sums.
  CHECK(parameters(llama_3_8b()).total == 8030261248.0);
  CHECK(parameters(llama_3_70b()).total == 70553706496.0);
  CHECK(parameters(llama_3_405b()).total == 405853388800.0);
  CHECK(parameters(llama_3_405b()).active == 405853388800.0);
  // 12 L h^2 + 13 L h + (V + s) h + 2 h with L 96, h 12288, V 50257, s 2048:
  // 173946175488 + 15335424 + 642723840 + 24576
  const Parameters gpt = parameters(gpt_3());
  CHECK(gpt.total == 174604259328.0);
  CHECK(gpt.head == 0); // tied
  CHECK(gpt.positions == 2048.0 * 12288);
}

TEST_CASE("parameters: DeepSeek-V3") {
  const ModelSpec model = deepseek_v3();
  // Attention: 7168 x 1536 + 1536 x 128 x 192 + 7168 x 576 + 512 x 128 x 256 + 128 x 128 x 7168
  //          = 11010048 + 37748736 + 4128768 + 16777216 + 117440512
  const LayerParameters dense = layer_parameters(model, LayerKind::Dense);
  CHECK(dense.attention == 187105280.0);
  CHECK(dense.norms == 2 * 7168.0 + 1536 + 512);
  CHECK(dense.dense == 3 * 7168.0 * 18432);
  CHECK(dense.experts == 0);
  const LayerParameters sparse = layer_parameters(model, LayerKind::Experts);
  CHECK(sparse.experts == 256 * 44040192.0); // 3 x 7168 x 2048 each
  CHECK(sparse.active_experts == 8 * 44040192.0);
  CHECK(sparse.dense == 44040192.0 + 7168 * 256);
  // The checkpoint has 671026419200 without its prediction module; it holds 58 x 256 selection
  // biases, which are adjusted and not trained, and which this count leaves out.
  const Parameters sum = parameters(model);
  CHECK(sum.total == 671026419200.0 - 58 * 256);
  CHECK(sum.total == Approx(671.0e9).epsilon(0.001));
  CHECK(sum.active == Approx(37.55e9).epsilon(
                          0.001)); // "37B activated": matrices 36.625e9 and the embedding 0.927e9
  CHECK(sum.active_matrices == 36624596992.0);
  // One layer, the 2 h^2 projection, three norms; embedding and head are shared.
  CHECK(sum.prediction_modules == Approx(11.6e9).epsilon(0.002));
  CHECK(sum.prediction_modules == sparse.total() + 2 * 7168.0 * 7168 + 3 * 7168);
}

TEST_CASE("training FLOPs per token: DeepSeek-V3 at 4096 tokens") {
  // Causal 250 GFLOP per token (ISCA'25, arXiv 2505.09343, Table 2); both conventions by hand:
  // 6 x 36624596992 + 3 x 61 x 2 x keys x 128 x 320 with keys 2048.5 or 4096.
  const TrainingFlops flops = training_flops_per_token(deepseek_v3(), 4096);
  CHECK(gigaflops(flops.causal) == Approx(250.457382912).epsilon(1e-12));
  CHECK(gigaflops(flops.full) == Approx(281.152192512).epsilon(1e-12));
  CHECK(gigaflops(flops.causal) == Approx(250.4).epsilon(0.005));
  CHECK(gigaflops(flops.full) == Approx(281).epsilon(0.005));
  CHECK(gigaflops(flops.prediction_causal) == Approx(10.191888384).epsilon(1e-12));
  CHECK(gigaflops(flops.prediction_full) == Approx(10.695081984).epsilon(1e-12));
}

TEST_CASE("training FLOPs per token: Megatron's formula for a GPT") {
  // Narayanan et al. 2021 (arXiv 2104.04473), eq. 2, without its recomputation (72 for 96, 12 for
  // 16) and full attention: 72 s L h^2 (1 + s / (6h) + V / (12 L h)) per sequence.
  const ModelSpec model = gpt_3();
  const double s = 2048, layers = 96, h = 12288, vocabulary = 50257;
  const double expected = 72 * layers * h * h * (1 + s / (6 * h) + vocabulary / (12 * layers * h));
  const TrainingFlops flops = training_flops_per_token(model, s);
  CHECK(flops.full / flop == Approx(expected).epsilon(1e-12));
  CHECK(flops.prediction_full == Flops{});
}

TEST_CASE("packed documents shorten the causal core only") {
  // Two documents of half the sequence: each token sees (s/2 + 1)/2 keys on average.
  const ModelSpec model = llama_3_8b();
  const TrainingFlops whole = training_flops_per_token(model, 8192);
  const TrainingFlops packed = training_flops_per_token(model, 8192, 4096);
  CHECK(packed.causal == training_flops_per_token(model, 4096).causal);
  CHECK(packed.full == whole.full);
  // Documents as long as the sequence are no documents.
  CHECK(training_flops_per_token(model, 8192, 8192).causal == whole.causal);
}

TEST_CASE("key-value cache per token") {
  // DeepSeek-V3 70.272 kB, Llama-3.1 405B 516.096 kB in BF16 (arXiv 2505.09343, Table 1).
  CHECK(kv_elements_per_token_layer(deepseek_v3()) * 61 * 2 == 70272);
  CHECK(kv_elements_per_token_layer(llama_3_405b()) * 126 * 2 == 516096);
  CHECK(kv_elements_per_token_layer(gpt_3()) == 2 * 12288);
}

TEST_CASE("what a context-parallel rank gathers") {
  CHECK(gathered_kv_elements(deepseek_v3(), {.sequence_length = 4096}) == 0);
  // 576 per token of the whole sequence, whatever the tensor degree.
  const Shard latent{.tensor = 2, .context = 8, .sequence_length = 32768};
  CHECK(gathered_kv_elements(deepseek_v3(), latent) == 32768 * 576);
  // Eight key-value heads of 128: one a rank at tensor 8, and still one at 16.
  for (const int tensor : {8, 16}) {
    const Shard grouped{.tensor = tensor, .context = 16, .sequence_length = 131072, .sequences = 2};
    CHECK(gathered_kv_elements(llama_3_405b(), grouped) == 2 * 131072.0 * 2 * 128);
  }
}

TEST_CASE("biases and full-rank queries are counted") {
  ModelSpec model = deepseek_v3();
  const double low_rank = layer_parameters(model, LayerKind::Dense).attention;
  model.attention.query_rank = 0; // 7168 x 128 x 192 for 7168 x 1536 + 1536 x 128 x 192
  CHECK(layer_parameters(model, LayerKind::Dense).attention - low_rank ==
        7168.0 * 24576 - 7168.0 * 1536 - 1536.0 * 24576);
  CHECK(layer_parameters(model, LayerKind::Dense).norms == 2 * 7168 + 512);
  ModelSpec biased = llama_3_8b();
  biased.biases = true; // (32 + 16) x 128 + 4096, 2 x 14336 + 4096
  CHECK(parameters(biased).total - parameters(llama_3_8b()).total ==
        32 * (48.0 * 128 + 4096 + 2 * 14336 + 4096));
}

TEST_CASE("dimensions that do not fit together are refused") {
  ModelSpec model = llama_3_8b();
  model.attention.kv_heads = 7;
  CHECK(path_of_error(model) == "model.attention.kv_heads");
  model = llama_3_8b();
  model.inner = 0;
  CHECK(path_of_error(model) == "model.inner");
  model = llama_3_8b();
  model.dense_layers = 3;
  CHECK(path_of_error(model) == "model.dense_layers");
  model = deepseek_v3();
  model.dense_layers = 62;
  CHECK(path_of_error(model) == "model.dense_layers");
  model = deepseek_v3();
  model.experts->active = 257;
  CHECK(path_of_error(model) == "model.experts.active");
  model = deepseek_v3();
  model.experts->inner = 0;
  CHECK(path_of_error(model) == "model.experts.routed");
  model = deepseek_v3();
  model.attention.kv_rank = 0;
  CHECK(path_of_error(model) == "model.attention.kv_rank");
  model = deepseek_v3();
  model.attention.value_dim = 0;
  CHECK(path_of_error(model) == "model.attention.value_dim");
  model = llama_3_8b();
  model.attention.heads = 0;
  CHECK(path_of_error(model) == "model.attention.heads");
  model = llama_3_8b();
  model.layers = 0;
  CHECK(path_of_error(model) == "model.layers");
}
