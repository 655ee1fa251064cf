// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/check_loop_effect.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace sim::scenario {
namespace {

using training::Placement;
using training::ReinforcementSpec;
using Keys = std::vector<std::string>;

// The keys of one stage. What they depend on is named within the stage, but for the model.
class StageChecker {
public:
  StageChecker(const Scenario& scenario, std::size_t index, const Written& written, const Say& say)
      : model_(scenario.model.spec),
        stage_(scenario.stages[index]), places_{"stages." + stage_.name + ".",
                                                "stages." + std::to_string(index) + "."},
        written_(written), say_(say) {}

  void loop(const ReinforcementSpec& spec) const;
  void load(const training::InferenceSpec& spec) const;

private:
  // Says so when the key is written and `idle` holds.
  void refuse(bool idle, const std::string& key, const Keys& depends_on, const std::string& message,
              const std::string& remedy) const;
  void lengths(const rollout::LengthSpec& spec, const std::string& key) const;
  void decoding(const rollout::DecodingSpec& spec, const rollout::LengthSpec& lengths,
                const std::string& part) const;
  void exchange(const rollout::DecodingSpec& spec, const std::string& key) const;
  void staleness(const ReinforcementSpec& spec, const std::string& key) const;
  void rewards(const training::RewardSpec& spec, const std::string& key) const;

  const workload::ModelSpec& model_;
  const training::StageSpec& stage_;
  Keys places_; // of the stage, by name and by number
  const Written& written_;
  const Say& say_;
};

void StageChecker::refuse(bool idle, const std::string& key, const Keys& depends_on,
                          const std::string& message, const std::string& remedy) const {
  if (!idle)
    return;
  Keys ground;
  for (const std::string& one : depends_on)
    if (one == "model")
      ground.push_back(one);
    else
      for (const std::string& place : places_)
        ground.push_back(place + one);
  if (written_.stands(places_.front() + key, ground))
    say_(places_.front() + key, message, remedy);
}

void StageChecker::lengths(const rollout::LengthSpec& spec, const std::string& key) const {
  using rollout::LengthShape;
  const auto only = [&](LengthShape shape, const char* own) {
    refuse(spec.shape != shape, key + own, {key + "shape"},
           "only shape " + std::string(name_of(shape)) + " reads it, and shape is " +
               std::string(name_of(spec.shape)),
           "leave it out, or write shape: " + std::string(name_of(shape)));
  };
  only(LengthShape::Lognormal, "sigma");
  only(LengthShape::Weibull, "weibull_shape");
  only(LengthShape::Mixture, "mixture");
  only(LengthShape::Quantiles, "quantiles");
  refuse(spec.group_correlation > 0 && spec.responses_per_prompt == 1, key + "group_correlation",
         {key + "responses_per_prompt"},
         "each prompt has one response, so none has another of its group",
         "leave it out, or write responses_per_prompt: 16");
}

// What a replica sends from GPU to GPU.
void StageChecker::exchange(const rollout::DecodingSpec& spec, const std::string& key) const {
  const bool dense = !model_.experts;
  const bool alone = spec.expert == 1 || (dense && spec.tensor == 1);
  refuse(spec.two_batch_overlap && alone, key + "two_batch_overlap",
         {"model", key + "expert", key + "tensor"},
         spec.expert == 1 ? "a replica of one GPU exchanges nothing that could be overlapped"
                          : "the model is dense and not cut by tensor parallelism, so nothing is "
                            "exchanged that could be overlapped",
         "leave it out, or take a replica of more GPUs");
  const std::string no_experts = "the model is dense and has no experts",
                    remedy = "leave it out, or take a model with experts";
  refuse(dense && spec.all_to_all_floor > Seconds{}, key + "all_to_all_floor", {"model"},
         no_experts, remedy);
  refuse(dense && spec.host_expert_layer_time > Seconds{}, key + "host_expert_layer_time",
         {"model"}, no_experts, remedy + "; host_layer_time is that of all layers");
}

void StageChecker::decoding(const rollout::DecodingSpec& spec, const rollout::LengthSpec& lengths,
                            const std::string& part) const {
  const std::string key = part + "decoding.";
  const std::string no_drafts = "no draft is made that could be accepted: drafts is 0",
                    drafts = "leave it out, or write drafts: 1";
  refuse(spec.drafts == 0 && spec.acceptance > 0, key + "acceptance", {key + "drafts"}, no_drafts,
         drafts);
  refuse(spec.drafts == 0 && !spec.acceptance_by_position.empty(), key + "acceptance_by_position",
         {key + "drafts"}, no_drafts, drafts);
  refuse(spec.drafts > 0 && spec.acceptance > 0 && !spec.acceptance_by_position.empty(),
         key + "acceptance", {key + "acceptance_by_position"},
         "acceptance_by_position says it of each draft", "leave out one of them");
  refuse(spec.prefix_cache && lengths.responses_per_prompt == 1, key + "prefix_cache",
         {part + "response.responses_per_prompt"},
         "each prompt has one response, so nothing is shared",
         "leave it out, or write response.responses_per_prompt: 16");
  exchange(spec, key);
}

void StageChecker::staleness(const ReinforcementSpec& spec, const std::string& key) const {
  const Keys ground{key + "placement", key + "partial_rollouts"};
  if (spec.placement != Placement::Asynchronous)
    refuse(true, key + "max_staleness", ground,
           "only placement asynchronous runs ahead of the updates, and placement is " +
               std::string(name_of(spec.placement)),
           "leave it out, or write placement: asynchronous and partial_rollouts: true");
  else
    refuse(!spec.partial_rollouts && spec.max_staleness > 1, key + "max_staleness", ground,
           "without partial rollouts a rollout waits for its last response before it takes new "
           "weights, and is one version behind as in placement one-step-off",
           "write partial_rollouts: true, or leave it out");
}

void StageChecker::rewards(const training::RewardSpec& spec, const std::string& key) const {
  const bool model = spec.kind == training::RewardKind::Model;
  const std::string by_model = "a reward model runs on the GPUs of the updates, not on processors",
                    rules = "leave it out, or write kind: rules";
  refuse(model && spec.time > Seconds{}, key + "time", {key + "kind"}, by_model, rules);
  refuse(model && spec.workers > 0, key + "workers", {key + "kind"}, by_model, rules);
  refuse(!model && spec.workers > 0 && spec.time == Seconds{}, key + "workers", {key + "time"},
         "rules without a time cost nothing, whoever runs them",
         "write time, that of one response on one processor, or leave it out");
}

void StageChecker::loop(const ReinforcementSpec& spec) const {
  const std::string key = "reinforcement.";
  lengths(spec.response, key + "response.");
  decoding(spec.decoding, spec.response, key);
  staleness(spec, key);
  rewards(spec.reward, key + "reward.");
  refuse(spec.response.group_correlation > 0 && spec.response.responses_per_prompt > 1 &&
             spec.partial_rollouts,
         key + "response.group_correlation", {key + "partial_rollouts"},
         "partial rollouts go on from one rollout to the next, whatever prompt a response is to",
         "leave it out, or write partial_rollouts: false");
  refuse(spec.placement == Placement::Colocated && spec.weight_sync.bandwidth.has_value(),
         key + "weight_sync.bandwidth", {key + "placement"},
         "colocated rollouts have no pool of their own that weights would travel to",
         "leave it out, or take another placement");
  refuse(!spec.reference_model && spec.reference_refresh_steps > 0, key + "reference_refresh_steps",
         {key + "reference_model"}, "there is no reference model that could be refreshed",
         "leave it out, or write reference_model: true");
  for (const char* own : {"offload_to", "offload_bandwidth"})
    refuse(!spec.offload, key + own, {key + "offload"}, "nothing is offloaded: offload is false",
           "leave it out, or write offload: true");
  refuse(spec.resampling && spec.resampling->outputs > 0 && spec.partial_rollouts,
         key + "resampling.outputs", {key + "partial_rollouts"},
         "partial rollouts go on until enough responses teach, whatever one rollout has",
         "leave it out, or write partial_rollouts: false");
}

void StageChecker::load(const training::InferenceSpec& spec) const {
  const std::string key = "inference.";
  lengths(spec.response, key + "response.");
  decoding(spec.decoding, spec.response, key);
  refuse(spec.response.group_correlation > 0 && spec.response.responses_per_prompt > 1,
         key + "response.group_correlation", {},
         "a steady load has answers of all lengths under way, whatever prompt they are to",
         "leave it out");
  refuse(spec.phase != training::InferencePhase::Prefill && spec.cached_share > 0,
         key + "cached_share", {key + "phase"},
         "only phase prefill reads it, and phase is " + std::string(name_of(spec.phase)),
         "leave it out, or write phase: prefill");
}

} // namespace

void check_loop_effects(const Scenario& scenario, const Written& written, const Say& say) {
  for (std::size_t i = 0; i < scenario.stages.size(); ++i) {
    const training::StageSpec& stage = scenario.stages[i];
    const StageChecker checker(scenario, i, written, say);
    if (stage.reinforcement)
      checker.loop(*stage.reinforcement);
    if (stage.inference)
      checker.load(*stage.inference);
  }
}

} // namespace sim::scenario
