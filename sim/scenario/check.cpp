// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/check.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/base/time.hpp"
#include "sim/scenario/check_economics.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

namespace sim::scenario {
namespace {

using training::StageKind;

// Whether nothing was found in the node's text.
bool is_sound(const Node& node, const Findings& findings) {
  if (node.kind == Node::Kind::Refused || findings.at(node.location))
    return false;
  for (const Node& item : node.items)
    if (!is_sound(item, findings))
      return false;
  for (const Member& member : node.members)
    if (findings.at(member.key_location) || !is_sound(member.value, findings))
      return false;
  return true;
}

class Checker {
public:
  Checker(const Scenario& scenario, const std::function<Location(const std::string&)>& locate,
          Findings& findings)
      : scenario_(scenario), locate_(locate), findings_(findings) {}

  bool sound_cluster = false; // else nothing is said about pools
  void stages(const Node& list);
  void pools();
  void model(const workload::ModelSpec& model, const std::string& path);
  void loop(const training::ReinforcementSpec& spec, const std::string& path);
  void published();
  void probes();
  void reliability();
  void say(const std::string& path, const std::string& message, const std::string& remedy) {
    findings_.add(locate_(path), path + ": " + message, remedy);
  }

private:
  void stage(const training::StageSpec& stage, const std::string& path);
  void work(const training::StageSpec& stage, const std::string& path);
  void evaluation(const training::StageSpec& stage, const std::string& path);
  void batch(const training::BatchSpec& batch, const std::string& path);
  void response(const rollout::LengthSpec& response, const std::string& path);
  void stage_pool(const std::string& pool, const std::string& path);
  void pool(const hardware::PoolSpec& pool, const std::string& path);
  void fabric(const hardware::FabricSpec& fabric, const std::string& path);
  void slow_gpus(const hardware::PoolSpec& pool, const std::string& path);
  void deliveries(const hardware::PoolSpec& pool, const std::string& path);
  void attention(const workload::AttentionSpec& attention, const std::string& path);
  void amount(const std::string& text, const std::string& path);

  const Scenario& scenario_;
  const std::function<Location(const std::string&)>& locate_;
  Findings& findings_;
};

void Checker::stages(const Node& list) {
  if (scenario_.stages.size() != list.items.size())
    return;
  if (list.items.empty() && scenario_.probes.empty())
    say("stages", "there is no stage", "a run needs at least one");
  std::vector<bool> sound;
  for (const Node& item : list.items)
    sound.push_back(is_sound(item, findings_));
  std::set<std::string> names;
  for (std::size_t i = 0; i < scenario_.stages.size(); ++i) {
    const training::StageSpec& stage = scenario_.stages[i];
    if (!sound[i])
      continue;
    const std::string path = "stages." + stage.name;
    if (stage.name.empty() || stage.name.find_first_of(". =\n\t") != std::string::npos)
      findings_.add(locate_(path + ".name"), "'" + stage.name + "' cannot be the name of a stage",
                    "use letters, digits, '-' and '_'");
    else if (!names.insert(stage.name).second)
      findings_.add(locate_("stages." + std::to_string(i) + ".name"),
                    "two stages have the name '" + stage.name + "'",
                    "quantities are addressed by it; choose another");
    this->stage(stage, path);
  }
}

void Checker::stage(const training::StageSpec& stage, const std::string& path) {
  const bool inference = stage.kind == StageKind::Inference;
  const bool reinforcement = stage.kind == StageKind::ReinforcementLearning;
  work(stage, path);
  if (reinforcement != stage.reinforcement.has_value())
    say(path + ".reinforcement", reinforcement ? "an rl stage needs it" : "only an rl stage has it",
        reinforcement ? "write reinforcement: {outputs_per_rollout: ..., response: ...}"
                      : "leave it out");
  if (inference != stage.inference.has_value())
    say(path + ".inference",
        inference ? "an inference stage needs it" : "only an inference stage has it",
        inference ? "write inference: {response: ...}" : "leave it out");
  if (stage.evaluation)
    evaluation(stage, path + ".evaluation");
  if (!inference && stage.sequence_length == 0)
    say(path + ".sequence_length", "a training stage needs it",
        "write the tokens per sequence, such as 4096");
  if (!inference && stage.batch.end == 0)
    say(path + ".batch", "a training stage needs it", "write the sequences per step, such as 1024");
  batch(stage.batch, path + ".batch");
  if (stage.reinforcement)
    loop(*stage.reinforcement, path + ".reinforcement");
  if (stage.inference)
    response(stage.inference->response, path + ".inference.response");
  if (sound_cluster)
    stage_pool(stage.pool, path + ".pool");
  if (sound_cluster && stage.reinforcement && !stage.reinforcement->rollout_pool.empty())
    stage_pool(stage.reinforcement->rollout_pool, path + ".reinforcement.rollout_pool");
}

void Checker::loop(const training::ReinforcementSpec& spec, const std::string& path) {
  response(spec.response, path + ".response");
  const auto companion = [&](const training::CompanionSpec& beside, const std::string& key,
                             bool runs, const char* message, const char* remedy) {
    if (!runs && (beside.model || beside.parallelism))
      say(key, message, remedy);
    if (runs && beside.model)
      model(beside.model->spec, key + ".model");
  };
  companion(spec.reward.companion, path + ".reward",
            spec.reward.kind == training::RewardKind::Model, "rules have no model and no layout",
            "write kind: model, or leave them out");
  companion(spec.critic, path + ".critic", spec.algorithm == training::Algorithm::Ppo,
            "only ppo has a critic", "write algorithm: ppo, or leave it out");
}

// How long the stage lasts must be said in exactly one way.
void Checker::work(const training::StageSpec& stage, const std::string& path) {
  const int ways =
      static_cast<int>(stage.tokens.has_value()) + static_cast<int>(stage.steps.has_value()) +
      static_cast<int>(stage.samples.has_value()) + static_cast<int>(stage.duration.has_value());
  if (stage.kind == StageKind::Inference) {
    if (stage.tokens.has_value() == stage.samples.has_value() || ways != 1)
      say(path, "an inference stage lasts as long as its tokens or samples say",
          "write one of tokens and samples, and neither steps nor duration");
    if (stage.tokens_per_sample > 0)
      say(path + ".tokens_per_sample", "answers are as long as inference.response says",
          "leave it out");
    return;
  }
  if (ways != 1)
    say(path,
        ways == 0 ? "how long the stage lasts is not said"
                  : "how long the stage lasts is said more than once",
        "write one of tokens, steps, samples, duration");
  if (stage.kind == StageKind::ReinforcementLearning && stage.duration)
    say(path + ".duration", "an rl stage lasts as long as its steps say", "write steps");
  if (stage.samples && stage.tokens_per_sample == 0)
    say(path + ".tokens_per_sample", "samples need it", "write the mean tokens of a sample");
}

void Checker::evaluation(const training::StageSpec& stage, const std::string& path) {
  if (stage.kind != StageKind::Pretraining && stage.kind != StageKind::SupervisedFineTuning)
    say(path, "only pretraining and sft stages have it", "leave it out");
  const training::EvaluationSpec& evaluation = *stage.evaluation;
  if (evaluation.every_steps.has_value() == evaluation.every_sequences.has_value())
    say(path, evaluation.every_steps ? "how often is said twice" : "how often is not said",
        "write one of every_steps and every_sequences");
  if (evaluation.sequences.has_value() == evaluation.tokens.has_value())
    say(path, evaluation.sequences ? "how much is said twice" : "how much is not said",
        "write one of sequences and tokens");
}

void Checker::batch(const training::BatchSpec& batch, const std::string& path) {
  if (batch.start > batch.end)
    say(path + ".start",
        "the batch would shrink from " + std::to_string(batch.start) + " to " +
            std::to_string(batch.end),
        "start must not be above end");
  if ((batch.start > 0) != (batch.ramp_tokens > 0))
    say(path + ".ramp_tokens", "a ramp needs start and ramp_tokens", "write both, or neither");
}

void Checker::response(const rollout::LengthSpec& response, const std::string& path) {
  if (response.mean.empty() || response.cap.empty())
    say(path, "response lengths need a mean and a cap",
        "write mean: [{step: 0, tokens: ...}] and cap: [...]");
  for (std::size_t i = 1; i < response.mean.size(); ++i)
    if (response.mean[i].step <= response.mean[i - 1].step)
      say(path + ".mean." + std::to_string(i), "steps must rise", "order the points by step");
  for (std::size_t i = 1; i < response.cap.size(); ++i)
    if (response.cap[i].until_step <= response.cap[i - 1].until_step)
      say(path + ".cap." + std::to_string(i), "steps must rise", "order the points by until_step");
}

void Checker::stage_pool(const std::string& pool, const std::string& path) {
  const auto& pools = scenario_.cluster.pools;
  const std::string name = pool.empty() ? "main" : pool;
  if (pools.empty() ? name == "main" : pools.contains(name))
    return;
  std::vector<std::string> known;
  for (const auto& [key, value] : pools)
    known.push_back(key);
  if (pools.empty())
    known.emplace_back("main");
  say(path, "the cluster has no pool '" + name + "'", suggestion(name, known));
}

void Checker::pools() {
  if (scenario_.cluster.pools.empty())
    pool(scenario_.cluster.main, "cluster");
  for (const auto& [name, spec] : scenario_.cluster.pools)
    pool(spec, "cluster.pools." + name);
}

void Checker::pool(const hardware::PoolSpec& pool, const std::string& path) {
  const hardware::NodeSpec& node = pool.node.spec;
  check_accelerator(node, scenario_.port, path + ".node",
                    [this](const auto&... texts) { say(texts...); });
  if (node.idle_power > node.power)
    say(path + ".node.idle_power", "more power without work than with it",
        "must not be above power");
  fabric(pool.fabric.spec, path + ".fabric");
  slow_gpus(pool, path + ".slow_gpus");
  if (!pool.deliveries.empty())
    deliveries(pool, path);
}

void Checker::fabric(const hardware::FabricSpec& fabric, const std::string& path) {
  using hardware::FabricBuilder;
  const bool torus = fabric.builder == FabricBuilder::Torus,
             written = fabric.builder == FabricBuilder::Graph;
  const std::string builder = "builder " + std::string(name_of(fabric.builder));
  const bool tree = !torus && !written && fabric.builder != FabricBuilder::Dragonfly &&
                    fabric.builder != FabricBuilder::DragonflyPlus &&
                    fabric.builder != FabricBuilder::FullMesh &&
                    fabric.builder != FabricBuilder::SlimFly;
  if (tree && fabric.tiers == 3 && fabric.pod_nodes == 0)
    say(path + ".pod_nodes", "three tiers need it", "write the nodes in one pod");
  if (!torus && !written && fabric.switch_ports == 0)
    say(path + ".switch_ports", builder + " needs it", "write the ports of a switch");
  if (torus == fabric.dimensions.empty())
    say(path + ".dimensions", torus ? "a torus needs it" : "only a torus has it",
        torus ? "write the routers along each: [4, 4, 4]" : "leave it out");
  if (written != fabric.graph.has_value())
    say(path + ".graph", written ? builder + " needs it" : "only builder graph has it",
        written ? "write {vertices: [...], links: [...]}" : "leave it out");
  if (!fabric.graph)
    return;
  std::vector<std::string> names;
  for (const auto& vertex : fabric.graph->vertices) {
    if (std::find(names.begin(), names.end(), vertex.name) != names.end())
      say(path + ".graph.vertices." + vertex.name, "two vertices have this name", "choose another");
    names.push_back(vertex.name);
  }
  for (std::size_t i = 0; i < fabric.graph->links.size(); ++i) {
    const auto& link = fabric.graph->links[i];
    for (const auto& [key, name] : {std::pair{".from", &link.from}, std::pair{".to", &link.to}})
      if (std::find(names.begin(), names.end(), *name) == names.end())
        say(path + ".graph.links." + std::to_string(i) + key, "there is no vertex '" + *name + "'",
            suggestion(*name, names));
  }
}

void Checker::slow_gpus(const hardware::PoolSpec& pool, const std::string& path) {
  const std::int64_t gpus = std::int64_t{pool.nodes} * pool.node.spec.accelerators;
  std::set<int> seen;
  for (std::size_t i = 0; i < pool.slow_gpus.size(); ++i) {
    const int gpu = pool.slow_gpus[i].gpu;
    const std::string place = path + "." + std::to_string(i) + ".gpu";
    if (gpu >= gpus)
      say(place, "there is no GPU " + std::to_string(gpu),
          "the pool has GPUs 0 to " + std::to_string(gpus - 1));
    else if (!seen.insert(gpu).second)
      say(place, "GPU " + std::to_string(gpu) + " stands here twice", "write one speed for it");
  }
}

// Nodes that come: after the start, in order, no more than there are in the end.
void Checker::deliveries(const hardware::PoolSpec& pool, const std::string& path) {
  const Date start = scenario_.calendar.start;
  const std::string list = path + ".deliveries";
  if (!start.known())
    return say(list, "it is not known when the run starts", "write calendar: {start: ...}");
  if (pool.acquired > start)
    say(path + ".acquired", "the first nodes are there from calendar.start",
        "a day before " + to_text(start) + ", or all nodes among the deliveries");
  if (!pool.slow_gpus.empty() || !pool.weak_links.empty() || !pool.weak_switches.empty())
    say(list, "a pool that grows has no slow or weak parts at given places",
        "failures of effect slow, under reliability");
  Date last = start;
  std::int64_t nodes = 0;
  for (std::size_t i = 0; i < pool.deliveries.size(); ++i) {
    const hardware::DeliverySpec& delivery = pool.deliveries[i];
    if (delivery.date <= last)
      say(list + "." + std::to_string(i) + ".date",
          to_text(delivery.date) + " is not after " + to_text(last),
          i == 0 ? "nodes that are there at the start are no delivery" : "order them by date");
    last = std::max(last, delivery.date);
    nodes += delivery.nodes;
  }
  if (nodes > pool.nodes)
    say(list, std::to_string(nodes) + " nodes come, the pool has " + std::to_string(pool.nodes),
        "nodes counts all, those that come too");
}

void Checker::model(const workload::ModelSpec& model, const std::string& path) {
  attention(model.attention, path + ".attention");
  if (model.dense_layers > model.layers)
    say(path + ".dense_layers", "more dense layers than layers", "must not be above layers");
  if (model.dense_layers > 0 && !model.experts)
    say(path + ".dense_layers", "without experts all layers are dense",
        "leave it out, or write experts");
  if ((!model.experts || model.dense_layers > 0) && model.inner == 0)
    say(path + ".inner", "dense layers need it", "write the inner dimension of the feed-forward");
  if (model.parallel_block && model.experts)
    say(path + ".parallel_block", "attention and experts do not run as one block",
        "leave out one of them");
  if (!model.experts)
    return;
  if (model.experts->active > model.experts->routed)
    say(path + ".experts.active", "more experts per token than there are",
        "must not be above routed");
  if (model.experts->max_nodes > model.experts->active)
    say(path + ".experts.max_nodes", "more nodes than experts per token",
        "must not be above active");
}

void Checker::attention(const workload::AttentionSpec& attention, const std::string& path) {
  if (attention.kind == workload::AttentionKind::GroupedQuery) {
    if (attention.kv_heads > 0 && attention.heads % attention.kv_heads != 0)
      say(path + ".kv_heads", "it does not divide heads",
          "each key-value head serves equally many query heads");
    for (const auto& [key, value] :
         {std::pair{"query_rank", attention.query_rank}, std::pair{"kv_rank", attention.kv_rank},
          std::pair{"rope_dim", attention.rope_dim}, std::pair{"value_dim", attention.value_dim}})
      if (value != 0)
        say(path + "." + key, "only latent attention has it",
            "leave it out, or write kind: latent");
    return;
  }
  for (const auto& [key, value] :
       {std::pair{"kv_rank", attention.kv_rank}, std::pair{"rope_dim", attention.rope_dim},
        std::pair{"value_dim", attention.value_dim}})
    if (value == 0)
      say(path + "." + key, "latent attention needs it", "write its dimension");
}

void Checker::amount(const std::string& text, const std::string& path) {
  if (parse_number(text))
    return;
  if (const QuantityText quantity = parse_quantity(text); !quantity.parsed)
    say(path, "'" + text + "': " + quantity.problem,
        "write a number with its unit, or alone for counts and shares");
}

void Checker::reliability() {
  using reliability::Component;
  using reliability::Effect;
  for (const auto& [name, c] : scenario_.reliability->classes) {
    const std::string path = "reliability.classes." + name;
    if (c.scaling != 0 && c.component != Component::Job)
      say(path + ".scaling", "only component job has it",
          "other components are counted: leave it out");
    if (c.scaling != 0 && c.reference_gpus == 0)
      say(path + ".reference_gpus", "scaling needs it",
          "write the GPUs of the job that the rate was seen on");
    if (c.infant_factor != 1 && (c.shape != 1 || c.infant_time == Seconds{}))
      say(path + ".infant_factor",
          c.shape != 1 ? "a Weibull law has early failures of its own" : "it needs infant_time",
          c.shape != 1 ? "leave out one of shape and infant_factor" : "write how fast it decays");
    if ((c.effect == Effect::Slow) != (c.speed < 1))
      say(path + ".speed", c.speed < 1 ? "only effect slow has it" : "effect slow needs it",
          c.speed < 1 ? "leave it out, or write effect: slow" : "write a speed below 1");
    if (c.notice > Seconds{} && c.effect != Effect::Stop)
      say(path + ".notice", "only effect stop has it", "leave it out");
  }
}

void Checker::probes() {
  std::set<std::string> names;
  for (std::size_t i = 0; i < scenario_.probes.size(); ++i) {
    const probe::ProbeSpec& probe = scenario_.probes[i];
    const std::string path = "probes." + std::to_string(i);
    if (probe.name.empty() || probe.name.find_first_of(". =\n\t") != std::string::npos)
      say(path + ".name", "'" + probe.name + "' cannot be the name of a probe",
          "use letters, digits, '-' and '_'");
    else if (!names.insert(probe.name).second)
      say(path + ".name", "two probes have the name '" + probe.name + "'", "choose another");
    const int kinds = static_cast<int>(probe.matrix_multiply.has_value()) +
                      static_cast<int>(probe.attention.has_value()) +
                      static_cast<int>(probe.latent_attention.has_value()) +
                      static_cast<int>(probe.memory.has_value()) +
                      static_cast<int>(probe.collective.has_value()) +
                      static_cast<int>(probe.exchange.has_value()) +
                      static_cast<int>(probe.layer.has_value());
    if (kinds != 1)
      say(path, "what is timed is said " + std::string(kinds == 0 ? "not at all" : "twice"),
          "write one of matrix_multiply, attention, latent_attention, memory, collective, "
          "exchange, "
          "layer");
  }
}

void Checker::published() {
  for (std::size_t i = 0; i < scenario_.published.size(); ++i)
    amount(scenario_.published[i].value, "published." + std::to_string(i) + ".value");
  for (std::size_t i = 0; i < scenario_.asserts.size(); ++i) {
    const AssertSpec& limit = scenario_.asserts[i];
    const std::string path = "assert." + std::to_string(i);
    if (!limit.min && !limit.max)
      say(path, "no limit is given", "write min, max or both");
    if (limit.min)
      amount(*limit.min, path + ".min");
    if (limit.max)
      amount(*limit.max, path + ".max");
  }
}

} // namespace

void check(const Scenario& scenario, const Node& root,
           const std::function<Location(const std::string&)>& locate, Findings& findings) {
  Checker checker(scenario, locate, findings);
  const auto sound = [&](const char* key) {
    const Node* node = root.find(key);
    return node != nullptr && is_sound(*node, findings);
  };
  checker.sound_cluster = sound("cluster");
  const bool sound_model = sound("model");
  if (checker.sound_cluster)
    checker.pools();
  if (sound_model)
    checker.model(scenario.model.spec, "model");
  if (const Node* stages = root.find("stages"))
    checker.stages(*stages);
  checker.reliability();
  // The canonical text has both, the rule as it is by itself.
  if (sound("checkpoint") && scenario.checkpoint.interval.given &&
      scenario.checkpoint.interval_rule != reliability::CheckpointSpec{}.interval_rule)
    checker.say("checkpoint.interval_rule", "it chooses an interval, and one is given",
                "leave out one of interval and interval_rule");
  if (sound("probes"))
    checker.probes();
  const auto say = [&](const auto&... texts) { checker.say(texts...); };
  if (sound("price"))
    check_price(scenario, say);
  if (sound("export_controls"))
    check_export_controls(scenario, say);
  if (sound("published") || sound("assert"))
    checker.published();
}

} // namespace sim::scenario
