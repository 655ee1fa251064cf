// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/check_loop_effect.hpp"

#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

const std::string lengths = "mean: [{step: 0, tokens: 900}], cap: [{until_step: 9, tokens: 4000}]";

std::string stage(const std::string& text, const std::string& model, const LoadOptions& options) {
  std::vector<std::string> all = lines();
  all[2] = "model: " + model;
  all[5] = "  - {" + text + "}";
  all.erase(all.begin() + 6, all.begin() + 10);
  return message_of(joined(all), options);
}

// An rl stage with these keys of its loop, of its response lengths and of its decoding.
std::string loop(const std::string& keys, const std::string& response = "",
                 const std::string& decoding = "", const std::string& model = "llama-3.1-8b",
                 const LoadOptions& options = {}) {
  return stage("name: r, kind: rl, steps: 5, sequence_length: 4096, batch: 8, reinforcement: "
               "{outputs_per_rollout: 8" +
                   (keys.empty() ? "" : ", " + keys) + ", response: {" + lengths +
                   (response.empty() ? "" : ", " + response) + "}, decoding: {" + decoding + "}}",
               model, options);
}

std::string load(const std::string& keys, const std::string& response = "",
                 const std::string& decoding = "") {
  return stage("name: i, kind: inference, tokens: 1e9, inference: {prompt_tokens: 9" +
                   (keys.empty() ? "" : ", " + keys) + ", response: {" + lengths +
                   (response.empty() ? "" : ", " + response) + "}, decoding: {" + decoding + "}}",
               "llama-3.1-8b", {});
}

const std::string at = "stages.r.reinforcement.";

TEST_CASE("only asynchronous partial rollouts have versions of the weights to run ahead by") {
  const std::string ahead = ", rollout_nodes: 4, max_staleness: 4";
  CHECK(loop("placement: asynchronous, partial_rollouts: true" + ahead).empty());
  CHECK(loop("placement: asynchronous, rollout_nodes: 4, max_staleness: 1").empty());
  CHECK_THAT(loop("placement: asynchronous" + ahead),
             Catch::StartsWith("6:166 " + at +
                               "max_staleness: without partial rollouts a rollout waits for its "
                               "last response") &&
                 Catch::EndsWith("; write partial_rollouts: true, or leave it out"));
  for (const char* placement : {"colocated", "disaggregated", "one-step-off"}) {
    INFO(placement);
    CHECK_THAT(loop("placement: " + std::string(placement) +
                    (placement == std::string("colocated") ? ", max_staleness: 4" : ahead)),
               Catch::Contains(at +
                               "max_staleness: only placement asynchronous runs ahead of the "
                               "updates, and placement is " +
                               placement + "; leave it out, or write placement: asynchronous"));
  }
  CHECK_THAT(loop("max_staleness: 4"), Catch::Contains("placement is colocated"));
}

TEST_CASE("a law of response lengths has the numbers of its shape") {
  CHECK(loop("", "sigma: 0.5").empty());
  CHECK(loop("", "shape: weibull, weibull_shape: 2").empty());
  CHECK(loop("", "shape: mixture, mixture: [{weight: 1, mean: 1}]").empty());
  CHECK_THAT(loop("", "weibull_shape: 2"),
             Catch::Contains(at + "response.weibull_shape: only shape weibull reads it, and shape "
                                  "is lognormal; leave it out, or write shape: weibull"));
  CHECK_THAT(load("", "weibull_shape: 2"),
             Catch::Contains("stages.i.inference.response.weibull_shape: only shape weibull"));
  CHECK_THAT(loop("", "shape: weibull, sigma: 0.5"),
             Catch::Contains(at + "response.sigma: only shape lognormal reads it"));
  CHECK_THAT(loop("", "mixture: [{weight: 1, mean: 1}]"),
             Catch::Contains(at + "response.mixture: only shape mixture reads it"));
  CHECK_THAT(loop("", "quantiles: [{share: 0, tokens: 1}, {share: 1, tokens: 9}]"),
             Catch::Contains(at + "response.quantiles: only shape quantiles reads it"));
}

TEST_CASE("one response to a prompt has no group") {
  const std::string group = "responses_per_prompt: 8, ";
  CHECK(loop("", group + "group_correlation: 0.5").empty());
  CHECK(loop("", "group_correlation: 0").empty());
  CHECK_THAT(loop("", "group_correlation: 0.5"),
             Catch::Contains(at + "response.group_correlation: each prompt has one response") &&
                 Catch::EndsWith("or write responses_per_prompt: 16"));
  CHECK_THAT(loop("placement: asynchronous, rollout_nodes: 4, partial_rollouts: true",
                  group + "group_correlation: 0.5"),
             Catch::Contains(at + "response.group_correlation: partial rollouts go on"));
  CHECK_THAT(load("", group + "group_correlation: 0.5"),
             Catch::Contains("stages.i.inference.response.group_correlation: a steady load"));
  CHECK(loop("", "responses_per_prompt: 8", "prefix_cache: true").empty());
  CHECK(loop("", "", "prefix_cache: false").empty());
  CHECK_THAT(loop("", "", "prefix_cache: true"),
             Catch::Contains(at + "decoding.prefix_cache: each prompt has one response, so nothing "
                                  "is shared; leave it out"));
  CHECK_THAT(load("", "", "prefix_cache: true"),
             Catch::Contains("stages.i.inference.decoding.prefix_cache: each prompt"));
}

TEST_CASE("without drafts none is accepted") {
  CHECK(loop("", "", "drafts: 1, acceptance: 0.85", "deepseek-v3").empty());
  CHECK(loop("", "", "drafts: 0, acceptance: 0", "deepseek-v3").empty());
  CHECK_THAT(loop("", "", "acceptance: 0.85", "deepseek-v3"),
             Catch::Contains(at + "decoding.acceptance: no draft is made that could be accepted: "
                                  "drafts is 0; leave it out, or write drafts: 1"));
  CHECK_THAT(loop("", "", "acceptance_by_position: [0.85]", "deepseek-v3"),
             Catch::Contains(at + "decoding.acceptance_by_position: no draft is made"));
  CHECK_THAT(loop("", "", "drafts: 2, acceptance: 0.8, acceptance_by_position: [0.8, 0.7]"),
             Catch::Contains(at + "decoding.acceptance: acceptance_by_position says it of each"));
}

TEST_CASE("two batches overlap what a replica exchanges") {
  // The sums of tensor parallelism are exchanged too, those of dense models among them.
  CHECK(loop("", "", "two_batch_overlap: true").empty());
  CHECK(loop("", "", "two_batch_overlap: true, expert: 8, tensor: 8").empty());
  CHECK(loop("", "", "two_batch_overlap: true, tensor: 1", "deepseek-v3").empty());
  CHECK(loop("", "", "two_batch_overlap: false, expert: 1").empty());
  CHECK_THAT(loop("", "", "two_batch_overlap: true, expert: 1"),
             Catch::Contains(at + "decoding.two_batch_overlap: a replica of one GPU exchanges "
                                  "nothing"));
  CHECK_THAT(loop("", "", "two_batch_overlap: true, tensor: 1"),
             Catch::Contains(at + "decoding.two_batch_overlap: the model is dense and not cut by "
                                  "tensor parallelism"));
  for (const char* key : {"all_to_all_floor", "host_expert_layer_time"}) {
    const std::string written = std::string(key) + ": 30 us";
    INFO(key);
    CHECK(loop("", "", written, "mixtral-8x7b").empty());
    CHECK_THAT(loop("", "", written),
               Catch::Contains(at + "decoding." + key + ": the model is dense and has no experts"));
  }
}

TEST_CASE("a reward model needs no processors") {
  CHECK(loop("reward: {kind: rules, time: 2 s, workers: 64}").empty());
  CHECK(loop("reward: {kind: model, time: 0 s, workers: 0}").empty());
  CHECK_THAT(loop("reward: {kind: model, time: 2 s}"),
             Catch::Contains(at + "reward.time: a reward model runs on the GPUs of the updates") &&
                 Catch::EndsWith("leave it out, or write kind: rules"));
  CHECK_THAT(loop("reward: {kind: model, workers: 64}"),
             Catch::Contains(at + "reward.workers: a reward model"));
  CHECK_THAT(loop("reward: {kind: rules, workers: 64}"),
             Catch::Contains(at + "reward.workers: rules without a time cost nothing"));
}

TEST_CASE("keys of a loop need what they act on") {
  CHECK(
      loop("placement: disaggregated, rollout_nodes: 4, weight_sync: {bandwidth: 9 GB/s}").empty());
  CHECK_THAT(loop("weight_sync: {bandwidth: 9 GB/s}"),
             Catch::Contains(at + "weight_sync.bandwidth: colocated rollouts have no pool"));
  CHECK(loop("reference_refresh_steps: 50").empty());
  CHECK_THAT(loop("reference_model: false, reference_refresh_steps: 50"),
             Catch::Contains(at + "reference_refresh_steps: there is no reference model"));
  CHECK(loop("offload_to: disk").empty());
  CHECK_THAT(loop("offload: false, offload_to: disk"),
             Catch::Contains(at + "offload_to: nothing is offloaded"));
  CHECK_THAT(loop("offload: false, offload_bandwidth: 9 GB/s"),
             Catch::Contains(at + "offload_bandwidth: nothing is offloaded"));
  const std::string outputs = "resampling: {usable: 0.5, outputs: 16}";
  CHECK(loop(outputs).empty());
  CHECK_THAT(loop(outputs + ", over_provisioning: 0.5, partial_rollouts: true"),
             Catch::Contains(at + "resampling.outputs: partial rollouts go on until"));
  CHECK(load("phase: prefill, cached_share: 0.5").empty());
  CHECK_THAT(load("cached_share: 0.5"),
             Catch::Contains("stages.i.inference.cached_share: only phase prefill reads it, and "
                             "phase is both"));
}

TEST_CASE("an axis or --set may take the ground from under a key of a loop") {
  LoadOptions options;
  const std::string ahead =
      "placement: asynchronous, partial_rollouts: true, rollout_nodes: 4, max_staleness: 4";
  const auto told = [&](const std::string& keys) {
    return loop(keys, "", "", "llama-3.1-8b", options);
  };
  options.sets = {"stages.r.reinforcement.partial_rollouts=false"};
  CHECK(told(ahead).empty());
  options.sets = {"stages.0.reinforcement.partial_rollouts=false"}; // by its number
  CHECK(told(ahead).empty());
  options.sets.emplace_back("stages.r.reinforcement.max_staleness=8");
  CHECK_THAT(told(ahead), Catch::StartsWith("--set:1:38 " + at + "max_staleness: without partial"));
  options.sets.clear();
  options.placed_sets = {
      {"stages.r.reinforcement.placement=one-step-off", {"s.yaml", 3, 1}, {"s.yaml", 3, 1}}};
  CHECK(told(ahead).empty());
  options.placed_sets = {
      {"stages.r.reinforcement.max_staleness=2", {"s.yaml", 4, 1}, {"s.yaml", 4, 1}}};
  CHECK_THAT(told("placement: one-step-off, rollout_nodes: 4"),
             Catch::StartsWith("s.yaml:4:1 " + at + "max_staleness: only placement"));
}

TEST_CASE("the canonical text of a scenario with a loop reads as itself") {
  std::vector<std::string> all = lines();
  all[5] = "  - {name: r, kind: rl, steps: 5, sequence_length: 4096, batch: 8, reinforcement: "
           "{outputs_per_rollout: 8, offload: false, reference_model: false, response: {" +
           lengths + ", shape: weibull}}}";
  all.erase(all.begin() + 6, all.begin() + 10);
  const std::string canonical = load_text(joined(all), "t.yaml").canonical;
  CHECK(load_text(canonical, "t.yaml").canonical == canonical);
}

} // namespace
} // namespace sim::scenario
