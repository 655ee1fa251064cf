// SPDX-License-Identifier: Apache-2.0
#include "tests/swarm/random_scenario.hpp"

#include <algorithm>

namespace sim::swarm {
namespace {

constexpr int positions = 16384; // no stage reads longer texts

Model catalogue_model(Choices& choices) {
  Tree gpt;
  gpt["extends"] = "gpt-3-175b";
  gpt["learned_positions"] = positions;
  return choices.one_of<Model>({{"llama-3.1-8b", 32, 32, 0, 8e9},
                                {"llama-3.1-70b", 64, 80, 0, 70e9},
                                {"qwen3-32b", 64, 64, 0, 32e9},
                                {"qwen3-30b-a3b", 32, 48, 128, 30e9},
                                {gpt, 96, 96, 0, 175e9},
                                {"deepseek-v3", 128, 61, 256, 671e9}});
}

Tree latent_attention(Choices& choices, int heads) {
  Tree attention;
  attention["kind"] = "latent";
  attention["heads"] = heads;
  attention["head_dim"] = choices.one_of({64, 128});
  if (choices.chance(60))
    attention["query_rank"] = choices.one_of({256, 1536});
  attention["kv_rank"] = choices.one_of({128, 512});
  attention["rope_dim"] = 64;
  attention["value_dim"] = choices.one_of({64, 128});
  return attention;
}

Tree grouped_attention(Choices& choices, int heads) {
  Tree attention;
  attention["heads"] = heads;
  if (choices.chance(70))
    attention["kv_heads"] = heads / choices.one_of({1, 2, 4, heads});
  attention["head_dim"] = choices.one_of({32, 64, 128});
  if (choices.chance(20))
    attention["window"] = choices.one_of({1, 512, 5000});
  return attention;
}

Tree random_experts(Choices& choices, int routed, int inner) {
  Tree experts;
  experts["routed"] = routed;
  const int active = static_cast<int>(choices.between(1, std::min(8, routed)));
  experts["active"] = active;
  experts["inner"] = inner;
  if (choices.chance(40))
    experts["shared"] = choices.between(1, 2);
  if (choices.chance(30))
    experts["max_nodes"] = choices.between(1, active);
  return experts;
}

Model written_model(Choices& choices) {
  Model model;
  Tree& tree = model.tree;
  const int hidden = choices.one_of({256, 1024, 2048, 4096, 5120});
  model.heads = choices.one_of({8, 16, 32, 40});
  model.layers = static_cast<int>(choices.between(1, 40));
  tree["title"] = "Written out";
  tree["layers"] = model.layers;
  tree["hidden"] = hidden;
  tree["attention"] = choices.chance(30) ? latent_attention(choices, model.heads)
                                         : grouped_attention(choices, model.heads);
  tree["vocabulary"] = choices.one_of({1024, 32000, 128256});
  tree["feed_forward"] = choices.one_of({"swiglu", "geglu", "gelu", "squared-relu"});
  double per_layer = 4.0 * hidden * hidden;
  bool dense = true;
  if (choices.chance(40)) {
    model.routed = static_cast<int>(choices.power_of_two(2, 7));
    const int inner = choices.one_of({256, 512, 1024});
    tree["experts"] = random_experts(choices, model.routed, inner);
    dense = choices.chance(50);
    if (dense)
      tree["dense_layers"] = choices.between(1, std::min(3, model.layers));
    per_layer += 3.0 * hidden * inner * (model.routed + 2);
  }
  if (dense)
    tree["inner"] = hidden * choices.one_of({2, 3, 4});
  per_layer += dense ? 12.0 * hidden * hidden : 0;
  if (choices.chance(20))
    tree["multi_token_prediction"] = choices.between(1, 2);
  if (choices.chance(20))
    tree["tied_embeddings"] = true;
  if (choices.chance(20))
    tree["biases"] = true;
  if (choices.chance(20))
    tree["learned_positions"] = positions;
  if (choices.chance(30))
    tree["norm"] = "layernorm";
  if (model.routed == 0 && choices.chance(20))
    tree["parallel_block"] = true;
  model.parameters = model.layers * per_layer + 3e5 * hidden;
  return model;
}

} // namespace

Model random_model(Choices& choices) {
  return choices.chance(60) ? written_model(choices) : catalogue_model(choices);
}

} // namespace sim::swarm
