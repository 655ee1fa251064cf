// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/check_effect.hpp"

#include "sim/base/quantity_text.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace sim::scenario {
namespace {

using workload::Module;

// Whether one key path is the other, or leads to it.
bool meets(const std::string& a, const std::string& b) {
  const std::string &part = a.size() < b.size() ? a : b, &whole = a.size() < b.size() ? b : a;
  return whole.compare(0, part.size(), part) == 0 &&
         (part.size() == whole.size() || whole[part.size()] == '.');
}

bool met(const std::vector<std::string>& changed, const std::string& path) {
  return std::any_of(changed.begin(), changed.end(),
                     [&](const std::string& one) { return meets(one, path); });
}

// A section that is written out whole, as the canonical text does it, has keys that a person leaves
// out: the title of an entry of the catalogue, the epochs of a stage without samples.
bool is_whole(const std::map<std::string, Location>& places, const std::string& key) {
  const bool entry = places.contains("stack.title") && !places.contains("stack.extends");
  if (!key.starts_with("stages."))
    return entry;
  const std::size_t name = std::string("stages.").size();
  return entry && places.contains(key.substr(0, key.find('.', name)) + ".epochs");
}

std::string key_of(const std::string& argument) { return argument.substr(0, argument.find('=')); }

std::string list_of(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool has(const workload::ModelSpec& model, Module module) {
  const bool dense = !model.experts || model.dense_layers > 0;
  switch (module) {
  case Module::Norm:
  case Module::AttentionCore:
    return true;
  case Module::LatentUpProjection:
    return model.attention.kind == workload::AttentionKind::Latent;
  case Module::Activation:
    return dense || model.experts->shared > 0;
  case Module::FeedForward:
    return dense;
  case Module::ExpertActivation:
  case Module::Experts:
    return model.experts.has_value();
  }
  return true;
}

// A model that is trained, and how; without a layout one is searched for.
struct Trained {
  const workload::ModelSpec* model;
  std::optional<plan::ParallelismSpec> layout;
};

class EffectChecker {
public:
  EffectChecker(const Scenario& scenario, const Written& written, const Say& say)
      : scenario_(scenario), stack_(scenario.stack.spec), written_(written), say_(say) {
    for (const training::StageSpec& stage : scenario.stages)
      collect(stage);
  }

  void modules() const;
  void experts() const;
  void layers(const char* key, int layers, bool asked) const;
  void sharding(const char* key, int least, const char* what) const;
  void scaling() const;
  void attention() const;

private:
  void collect(const training::StageSpec& stage);
  void add(const workload::ModelSpec& model, const Auto<plan::ParallelismSpec>& layout);
  [[nodiscard]] bool any_has(Module module) const {
    return has(scenario_.model.spec, module) ||
           std::any_of(trained_.begin(), trained_.end(),
                       [&](const Trained& t) { return has(*t.model, module); });
  }

  const Scenario& scenario_;
  const plan::StackSpec& stack_;
  const Written& written_;
  const Say& say_;
  std::vector<Trained> trained_;
  std::vector<std::string> models_{"model"}, layouts_{"parallelism", "port.layout"}; // their keys
};

void EffectChecker::add(const workload::ModelSpec& model,
                        const Auto<plan::ParallelismSpec>& layout) {
  trained_.push_back({&model, layout.given});
  if (scenario_.port.layout == plan::PortLayout::Auto) // stands in where the given one does not fit
    trained_.push_back({&model, std::nullopt});
}

void EffectChecker::collect(const training::StageSpec& stage) {
  if (stage.kind == training::StageKind::Inference)
    return;
  const std::string path = "stages." + stage.name;
  const Auto<plan::ParallelismSpec>& layout = stage.parallelism.value_or(scenario_.parallelism);
  layouts_.push_back(path + ".parallelism");
  add(scenario_.model.spec, layout);
  if (!stage.reinforcement)
    return;
  const training::ReinforcementSpec& loop = *stage.reinforcement;
  for (const auto& [key, beside] : {std::pair{".reinforcement.reward", &loop.reward.companion},
                                    std::pair{".reinforcement.critic", &loop.critic}}) {
    models_.push_back(path + key + ".model");
    layouts_.push_back(path + key + ".parallelism");
    if (beside->model || beside->parallelism)
      add(beside->model ? beside->model->spec : scenario_.model.spec,
          beside->parallelism.value_or(layout));
  }
}

void EffectChecker::modules() const {
  if (stack_.recompute != plan::Recompute::Selective)
    return;
  std::vector<std::string> known;
  for (const auto& [module, name] : EnumNames<Module>::names)
    if (any_has(module))
      known.emplace_back(name);
  for (std::size_t i = 0; i < stack_.recompute_modules.size(); ++i) {
    const Module module = stack_.recompute_modules[i];
    const std::string key = "stack.recompute_modules." + std::to_string(i);
    if (!any_has(module) && written_.stands(key, models_))
      say_(key, "no layer of the model has " + std::string(name_of(module)),
           "leave it out; the model has " + list_of(known));
  }
}

void EffectChecker::experts() const {
  if (stack_.expert_capacity && !any_has(Module::Experts) &&
      written_.stands("stack.expert_capacity", models_))
    say_("stack.expert_capacity", "the model is dense and has no experts",
         "leave it out, or take a model with experts");
}

// Layers of a chunk: the most that any layout gives one.
void EffectChecker::layers(const char* key, int layers, bool asked) const {
  if (!asked || trained_.empty())
    return;
  int most = 0;
  for (const Trained& each : trained_) {
    int chunk = each.model->layers;
    if (each.layout && !each.layout->layers_per_stage.empty())
      chunk = *std::max_element(each.layout->layers_per_stage.begin(),
                                each.layout->layers_per_stage.end());
    else if (each.layout)
      for (const int cuts : {each.layout->pipeline, each.layout->virtual_stages})
        chunk = (chunk + cuts - 1) / std::max(1, cuts);
    most = std::max(most, chunk);
  }
  std::vector<std::string> depends_on = models_;
  depends_on.insert(depends_on.end(), layouts_.begin(), layouts_.end());
  if (layers > most && written_.stands(key, depends_on))
    say_(key,
         std::to_string(layers) + " layers, but no model chunk has more than " +
             std::to_string(most),
         "at most " + std::to_string(most));
}

void EffectChecker::sharding(const char* key, int least, const char* what) const {
  if (trained_.empty())
    return;
  int most = 0;
  for (const Trained& each : trained_)
    most = std::max(most, each.layout ? each.layout->zero_stage : stack_.sharding.zero_stage);
  std::vector<std::string> depends_on = layouts_;
  depends_on.emplace_back("stack.sharding.zero_stage");
  if (most < least && written_.stands(key, depends_on))
    say_(key, std::string(what) + ", and the layout has zero_stage " + std::to_string(most),
         "leave it out, or parallelism: {zero_stage: " + std::to_string(least) + "}");
}

void EffectChecker::scaling() const {
  using hardware::Precision;
  const Precision gemm = stack_.precision.gemm;
  if (gemm != Precision::Fp8 && gemm != Precision::Fp4 &&
      written_.stands("stack.precision.scaling", {"stack.precision.gemm"}))
    say_("stack.precision.scaling",
         "only 8-bit multiplies have scales, and gemm is " + std::string(name_of(gemm)),
         "leave it out, or precision: {gemm: fp8}");
}

// A name that none of the accelerators knows.
void EffectChecker::attention() const {
  const std::string& name = stack_.attention;
  if (name.empty() || name == hardware::unfused_attention)
    return;
  std::vector<std::string> known{std::string(hardware::unfused_attention)}, nodes{"cluster.node"};
  const auto look_at = [&](const hardware::PoolSpec& pool) {
    for (const auto& entry : pool.node->accelerator->kernels->attention.implementations)
      if (std::find(known.begin(), known.end(), entry.first) == known.end())
        known.push_back(entry.first);
  };
  if (scenario_.cluster.pools.empty())
    look_at(scenario_.cluster.main);
  for (const auto& [pool, spec] : scenario_.cluster.pools) {
    look_at(spec);
    nodes.push_back("cluster.pools." + pool + ".node");
  }
  if (std::find(known.begin(), known.end(), name) == known.end() &&
      written_.stands("stack.attention", nodes))
    say_("stack.attention", "the accelerator has no attention kernels '" + name + "'",
         suggestion(name, known));
}

// The longest text that the stage's models read. Where texts are packed into sequences, positions
// start again with each.
void check_positions(const training::StageSpec& stage, const workload::ModelSpec& own,
                     const Written& written, const Say& say) {
  const std::string path = "stages." + stage.name;
  double longest = 0;
  std::string place = path;
  const auto generated = [&](double prompt, const rollout::LengthSpec& response, const char* key) {
    for (const rollout::CapPoint& cap : response.cap)
      longest = std::max(longest, prompt + double(cap.tokens));
    place += std::string(key) + ".response.cap";
  };
  std::vector<const workload::ModelSpec*> models{&own};
  if (stage.reinforcement) {
    const training::ReinforcementSpec& loop = *stage.reinforcement;
    generated(loop.prompt_tokens, loop.response, ".reinforcement");
    for (const training::CompanionSpec* beside : {&loop.reward.companion, &loop.critic})
      if (beside->model)
        models.push_back(&beside->model->spec);
  } else if (stage.inference) {
    generated(stage.inference->prompt_tokens, stage.inference->response, ".inference");
  } else {
    longest = stage.samples ? stage.tokens_per_sample : double(stage.sequence_length);
    place += stage.samples ? ".tokens_per_sample" : ".sequence_length";
  }
  for (const workload::ModelSpec* model : models)
    if (model->learned_positions > 0 && longest > model->learned_positions &&
        !written.by_axis(place))
      return say(place,
                 "a text of " + number_text(longest) + " tokens, and the model has learned " +
                     std::to_string(model->learned_positions) + " positions",
                 "at most " + std::to_string(model->learned_positions) +
                     ", or a model with more, or without (rotary embeddings)");
}

} // namespace

Written::Written(const std::map<std::string, Location>& places, const LoadOptions& options)
    : places_(places) {
  for (const std::string& set : options.sets)
    sets_.push_back(key_of(set));
  for (const PlacedSet& set : options.placed_sets) {
    axes_.push_back(key_of(set.argument));
    axis_places_.push_back(set.place);
  }
}

bool Written::by_axis(const std::string& key) const { return met(axes_, key); }

bool Written::stands(const std::string& key, const std::vector<std::string>& depends_on) const {
  const auto place = places_.find(key);
  if (place == places_.end())
    return false;
  const bool own_set =
      place->second.file == "--set" ||
      std::find(axis_places_.begin(), axis_places_.end(), place->second) != axis_places_.end();
  if (is_whole(places_, key) && !own_set)
    return false;
  return std::none_of(depends_on.begin(), depends_on.end(), [&](const std::string& path) {
    return met(axes_, path) || (!own_set && met(sets_, path));
  });
}

void check_effects(const Scenario& scenario, const Written& written, const Say& say) {
  const plan::StackSpec& stack = scenario.stack.spec;
  const EffectChecker checker(scenario, written, say);
  checker.modules();
  checker.experts();
  checker.layers("stack.recompute_layers", stack.recompute_layers,
                 plan::keeps_inputs_only(stack.recompute));
  checker.layers("stack.offload_layers", stack.offload_layers, true);
  checker.sharding("stack.sharding.prefetch", 3, "weights are gathered at zero_stage 3");
  checker.sharding("stack.sharding.gather_copies", 3, "weights are gathered at zero_stage 3");
  checker.sharding("stack.sharding.reduction_copies", 2,
                   "gradients are reduced in every micro-batch at zero_stage 2 and 3");
  checker.scaling();
  checker.attention();
  for (const training::StageSpec& stage : scenario.stages)
    check_positions(stage, scenario.model.spec, written, say);
}

} // namespace sim::scenario
