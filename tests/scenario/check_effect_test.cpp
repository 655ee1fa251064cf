// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/check_effect.hpp"

#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

// A dense model of 32 layers with a stack and a layout; nothing else differs from texts.hpp.
std::string told(const std::string& stack, const std::string& layout = "{pipeline: 4}",
                 const std::string& model = "llama-3.1-8b", const LoadOptions& options = {}) {
  return message_of(with({{3, "model: " + model},
                          {4, "stack: {extends: megatron-core, " + stack + "}"},
                          {12, "parallelism: " + layout}}),
                    options);
}
std::string modules(const std::string& list, const std::string& model) {
  return told("recompute: selective, recompute_modules: [" + list + "]", "{pipeline: 4}", model);
}

TEST_CASE("modules that no layer of the model has cannot be computed again") {
  CHECK(modules("norm, attention-core, activation, feed-forward", "llama-3.1-8b").empty());
  CHECK(modules("expert-activation, experts", "mixtral-8x7b").empty());
  CHECK(modules("latent-up-projection, feed-forward, experts", "deepseek-v3").empty());
  CHECK_THAT(modules("norm, experts", "llama-3.1-8b"),
             Catch::StartsWith("4:81 stack.recompute_modules.1: no layer of the model has experts; "
                               "leave it out; the model has norm, attention-core"));
  for (const char* absent : {"expert-activation", "latent-up-projection"}) {
    INFO(absent);
    CHECK_THAT(modules(absent, "llama-3.1-8b"),
               Catch::StartsWith("4:75 stack.recompute_modules.0: no layer of the model has " +
                                 std::string(absent)));
  }
  CHECK_THAT(modules("feed-forward", "mixtral-8x7b"),
             Catch::Contains("no layer of the model has feed-forward"));
}

TEST_CASE("a dense model has no capacity of experts") {
  CHECK(told("expert_capacity: 1.2", "{}", "mixtral-8x7b").empty());
  CHECK_THAT(told("expert_capacity: 1.2"),
             Catch::StartsWith("4:50 stack.expert_capacity: the model is dense"));
}

TEST_CASE("no more layers are computed again or offloaded than a model chunk has") {
  const std::string again = "recompute: full, recompute_layers: ";
  CHECK(told(again + "8").empty());
  CHECK_THAT(told(again + "9"), Catch::StartsWith("4:68 stack.recompute_layers: 9 layers, but no "
                                                  "model chunk has more than 8; at most 8"));
  CHECK(told(again + "4", "{pipeline: 4, virtual_stages: 2}").empty());
  CHECK_THAT(told(again + "5", "{pipeline: 4, virtual_stages: 2}"), Catch::Contains("at most 4"));
  CHECK(told(again + "11", "{pipeline: 3}").empty()); // 32 / 3, rounded up
  CHECK(told(again + "14", "{pipeline: 3, layers_per_stage: [9, 14, 9]}").empty());
  CHECK_THAT(told(again + "15", "{pipeline: 3, layers_per_stage: [9, 14, 9]}"),
             Catch::Contains("at most 14"));
  // A layout that is searched for may have one stage.
  CHECK(told(again + "32", "auto").empty());
  CHECK_THAT(told(again + "33", "auto"), Catch::Contains("at most 32"));
  CHECK_THAT(told("offload_layers: 9"),
             Catch::Contains("stack.offload_layers: 9 layers, but no model chunk has more than 8"));
}

TEST_CASE("what only sharded gradients and weights read needs their zero_stage") {
  for (const char* key : {"prefetch", "gather_copies"}) {
    const std::string stack = "sharding: {" + std::string(key) + ": 2}";
    INFO(key);
    CHECK(told(stack, "{zero_stage: 3}").empty());
    CHECK_THAT(told(stack, "{zero_stage: 2}"),
               Catch::Contains("stack.sharding." + std::string(key) +
                               ": weights are gathered at zero_stage 3, and the layout has "
                               "zero_stage 2"));
    CHECK_THAT(told(stack, "auto"), Catch::Contains("the layout has zero_stage 1"));
  }
  CHECK(told("sharding: {zero_stage: 3, prefetch: 2}", "auto").empty());
  CHECK(told("sharding: {reduction_copies: 2}", "{zero_stage: 2}").empty());
  CHECK_THAT(told("sharding: {reduction_copies: 2}"),
             Catch::StartsWith("4:62 stack.sharding.reduction_copies: gradients are reduced in "
                               "every micro-batch at zero_stage 2 and 3, and the layout has "
                               "zero_stage 1; leave it out"));
}

TEST_CASE("16-bit multiplies have no scales") {
  CHECK(told("precision: {gemm: fp8, scaling: tensor}").empty());
  CHECK_THAT(told("precision: {gemm: bf16, scaling: tensor}"),
             Catch::StartsWith("4:66 stack.precision.scaling: only 8-bit multiplies have scales, "
                               "and gemm is bf16"));
}

TEST_CASE("attention kernels that the accelerator does not have are an unknown word") {
  CHECK(told("attention: flash-attention-2").empty());
  CHECK(told("attention: unfused").empty());
  CHECK_THAT(told("attention: flash-atention-2"),
             Catch::StartsWith("4:44 stack.attention: the accelerator has no attention kernels "
                               "'flash-atention-2'; did you mean 'flash-attention-2'?"));
}

TEST_CASE("what an entry of the catalogue says may stay without effect") {
  // mosaic-fsdp says how weights are gathered, nemo-fp8 what shares a scale.
  const auto with_stack = [](const std::string& stack) {
    return message_of(
        with({{3, "model: llama-3.1-8b"}, {4, "stack: " + stack}, {12, "parallelism: {}"}}));
  };
  CHECK(with_stack("mosaic-fsdp").empty());
  CHECK(load_text(load_text(with({}), "t.yaml").canonical, "t.yaml").canonical ==
        load_text(with({}), "t.yaml").canonical); // a stack that is written out whole
  CHECK(with_stack("{extends: nemo-fp8, precision: {gemm: bf16}}").empty());
}

TEST_CASE("an axis or a later --set may take the ground from under a key of the file") {
  LoadOptions options;
  options.sets = {"model=llama-3.1-8b"};
  CHECK(told("expert_capacity: 1.2", "{}", "mixtral-8x7b", options).empty());
  // Not where --set itself writes the key, and not where it changes something else.
  options.sets = {"model=llama-3.1-8b", "stack.expert_capacity=1.2"};
  CHECK_THAT(told("jitter: 0", "{}", "mixtral-8x7b", options),
             Catch::StartsWith("--set:1:23 stack.expert_capacity: the model is dense"));
  options.sets = {"cluster.nodes=4"};
  CHECK_FALSE(told("expert_capacity: 1.2", "{}", "llama-3.1-8b", options).empty());
  options.sets.clear();
  options.placed_sets = {{"parallelism.pipeline=8", {"s.yaml", 3, 1}, {"s.yaml", 3, 1}},
                         {"stack.recompute_layers=5", {"s.yaml", 4, 1}, {"s.yaml", 4, 1}}};
  CHECK(told("recompute: full", "{pipeline: 4}", "llama-3.1-8b", options).empty());
  options.placed_sets.erase(options.placed_sets.begin());
  CHECK(told("recompute: full", "{pipeline: 4}", "llama-3.1-8b", options).empty());
  CHECK_THAT(told("recompute: full", "{pipeline: 8}", "llama-3.1-8b", options),
             Catch::StartsWith("s.yaml:4:1 stack.recompute_layers: 5 layers"));
}

} // namespace
} // namespace sim::scenario
