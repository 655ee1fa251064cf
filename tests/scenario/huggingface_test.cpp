// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/huggingface.hpp"

#include "sim/workload/counts.hpp"
#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

// Keys as in the config.json of the released weights; those that say nothing here are left out.
const std::string llama = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
 "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
 "num_hidden_layers": 32, "num_key_value_heads": 8, "vocab_size": 128256,
 "tie_word_embeddings": false, "rope_scaling": {"factor": 8.0}, "eos_token_id": [1, 2]})";
const std::string deepseek = R"({"model_type": "deepseek_v3", "hidden_size": 7168,
 "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61,
 "first_k_dense_replace": 3, "num_attention_heads": 128, "num_key_value_heads": 128,
 "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "kv_lora_rank": 512,
 "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
 "num_nextn_predict_layers": 1, "vocab_size": 129280})";
const std::string gpt2 = R"({"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12,
 "n_positions": 1024, "vocab_size": 50257})";

workload::ModelSpec model_of(const Folder& folder, const std::string& keys) {
  const std::string file = folder.write(
      "run.yaml", with({{3, "model: {" + keys + "}"}, {9, "    sequence_length: 1024"}}));
  return load(file).scenario.model.spec;
}

} // namespace

TEST_CASE("a config.json is a model") {
  const Folder folder;
  folder.write("llama/config.json", llama);
  const workload::ModelSpec model = model_of(folder, "huggingface: llama/config.json");
  CHECK(model.title == "llama");
  CHECK(model.attention.head_dim == 128);
  CHECK(model.attention.kv_heads == 8);
  CHECK(workload::parameters(model).total == 8030261248.0); // as published
  CHECK(model_of(folder, "huggingface: llama/config.json, layers: 8, title: cut").layers == 8);
}

TEST_CASE("latent attention, experts and prediction modules are read") {
  const Folder folder;
  folder.write("config.json", deepseek);
  const workload::ModelSpec read = model_of(folder, "huggingface: config.json");
  const workload::ModelSpec known = load_text(joined(lines()), "t.yaml").scenario.model.spec;
  CHECK(workload::parameters(read).total == workload::parameters(known).total);
  CHECK(workload::parameters(read).active == workload::parameters(known).active);
  CHECK(read.multi_token_prediction == 1);
  CHECK(read.dense_layers == 3);
}

TEST_CASE("GPT-2 has tied embeddings, learned positions and biases") {
  const Folder folder;
  folder.write("config.json", gpt2);
  // 124,439,808 parameters, as the library counts them.
  CHECK(workload::parameters(model_of(folder, "huggingface: config.json")).total == 124439808.0);
}

TEST_CASE("sliding windows and activations are read") {
  const Folder folder;
  const auto read = [&](const std::string& type, const std::string& keys) {
    std::string config = llama;
    config.replace(config.find("\"model_type\": \"llama\""), 21,
                   "\"model_type\": \"" + type + "\", " + keys);
    folder.write("config.json", config);
    return model_of(folder, "huggingface: config.json");
  };
  CHECK(read("mistral", R"("sliding_window": 4096)").attention.window == 4096);
  CHECK(read("mistral", R"("sliding_window": null)").attention.window == 0);
  CHECK(read("qwen2", R"("sliding_window": 4096, "use_sliding_window": false)").attention.window ==
        0);
  using workload::FeedForwardKind;
  CHECK(read("llama", R"("hidden_act": "silu")").feed_forward == FeedForwardKind::SwiGlu);
  CHECK(read("llama", R"("hidden_act": "gelu_pytorch_tanh")").feed_forward ==
        FeedForwardKind::GeGlu);
  folder.write("config.json",
               gpt2.substr(0, gpt2.size() - 1) + R"(, "activation_function": "relu2"})");
  CHECK(model_of(folder, "huggingface: config.json").feed_forward == FeedForwardKind::SquaredRelu);
}

TEST_CASE("what is wrong with a config.json is told at its place") {
  const Folder folder;
  const auto message = [&](const std::string& config, const std::string& keys) {
    folder.write("config.json", config);
    return message_of(with({{3, "model: {" + keys + "}"}}));
  };
  const std::string named = "huggingface: " + folder.path("config.json");
  CHECK_THAT(message("{\"model_type\": \"lama\"}", named),
             Catch::Contains("config.json:1:16 model_type: 'lama' is none that is known here; did "
                             "you mean 'llama'?"));
  CHECK_THAT(message("{\"model_type\": \"llama\"}", named),
             Catch::Contains("the key 'num_hidden_layers' is missing"));
  CHECK_THAT(message("{\"model_type\": \"llama\", \"hidden_act\": \"sine\"}", named),
             Catch::Contains("config.json:1:39 activation 'sine' is none that is known for a gated "
                             "feed-forward"));
  CHECK_THAT(message("{\"model_type\": \"qwen2\", \"sliding_window\": 8, "
                     "\"use_sliding_window\": true, \"max_window_layers\": 2}",
                     named),
             Catch::Contains("only the layers from max_window_layers on have the window"));
  CHECK_THAT(message("[]", named), Catch::Contains("found a list instead of a config.json"));
  CHECK_THAT(message(llama, "huggingface: none.json"), Catch::Contains("3:22"));
  CHECK_THAT(message(llama, named + ", extends: deepseek-v3"),
             Catch::Contains("a model comes from a file or from the catalogue"));
}

} // namespace sim::scenario
