// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/check.hpp"

#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

// The scenario with its stage written on one line.
std::string with_stage(const std::string& stage) {
  std::vector<std::string> text = lines();
  text.erase(text.begin() + 5, text.begin() + 10);
  text.insert(text.begin() + 5, "  - {" + stage + "}");
  return joined(text);
}

TEST_CASE("an interval is given or chosen by a rule, not both") {
  const auto with = [](const std::string& keys) {
    std::vector<std::string> text = lines();
    text.push_back("checkpoint: {" + keys + "}");
    return message_of(joined(text));
  };
  CHECK(with("interval: 1 h").empty());
  CHECK(with("interval: auto, interval_rule: optimise").empty());
  CHECK(with("interval: 1 h, interval_rule: optimise")
            .find("checkpoint.interval_rule: it chooses an interval, and one is given") !=
        std::string::npos);
}

TEST_CASE("rules across the keys of a stage") {
  const std::string sft = "name: s, kind: sft, sequence_length: 4096, batch: 8, ";
  const std::string response =
      "response: {mean: [{step: 0, tokens: 9}], cap: [{until_step: 9, tokens: 9}]}";
  struct Case {
    std::string stage, expected;
  };
  const std::vector<Case> good = {
      {sft + "steps: 5", ""},
      {sft + "samples: 5, tokens_per_sample: 100", ""},
      {"name: i, kind: inference, tokens: 5, inference: {" + response + "}", ""},
      {"name: i, kind: inference, samples: 5, inference: {" + response + "}", ""},
      {"name: r, kind: rl, steps: 5, sequence_length: 9, batch: 8, reinforcement: "
       "{outputs_per_rollout: 8, " +
           response + "}",
       ""},
      {"name: s, kind: sft, sequence_length: 4, steps: 5, batch: {start: 4, end: 8, ramp_tokens: "
       "9}",
       ""}};
  for (const Case& c : good) {
    INFO(c.stage);
    CHECK(message_of(with_stage(c.stage)) == c.expected);
  }
  const std::vector<Case> bad = {
      {"name: s, kind: sft, sequence_length: 4096, batch: 8",
       "6:5 stages.s: how long the stage lasts is not said"},
      {sft + "steps: 5, tokens: 6",
       "6:5 stages.s: how long the stage lasts is said more than once"},
      {sft + "samples: 5", "6:5 stages.s.tokens_per_sample: samples need it"},
      {"name: s, kind: sft, batch: 8, steps: 5",
       "6:5 stages.s.sequence_length: a training stage needs it"},
      {"name: s, kind: sft, sequence_length: 8, steps: 5",
       "6:5 stages.s.batch: a training stage needs it"},
      {"name: r, kind: rl, steps: 5, sequence_length: 9, batch: 8",
       "6:5 stages.r.reinforcement: an rl stage needs it"},
      {"name: i, kind: inference, tokens: 5",
       "6:5 stages.i.inference: an inference stage needs it"},
      {"name: i, kind: inference, steps: 5, inference: {" + response + "}",
       "6:5 stages.i: an inference stage lasts as long"},
      {"name: i, kind: inference, tokens: 5, samples: 5, inference: {" + response + "}",
       "6:5 stages.i: an inference stage lasts as long"},
      {"name: i, kind: inference, samples: 5, tokens_per_sample: 9, inference: {" + response + "}",
       "6:63 stages.i.tokens_per_sample: answers are as long as inference.response says"},
      {sft + "steps: 5, inference: {" + response + "}",
       "6:80 stages.s.inference: only an inference stage has it"},
      {sft + "steps: 5, pool: rollout", "6:75 stages.s.pool: the cluster has no pool 'rollout'"},
      {"name: s, kind: sft, sequence_length: 4, steps: 5, batch: {start: 9, end: 8, ramp_tokens: "
       "5}",
       "6:71 stages.s.batch.start: the batch would shrink from 9 to 8"},
      {"name: s, kind: sft, sequence_length: 4, steps: 5, batch: {start: 4, end: 8}",
       "6:63 stages.s.batch.ramp_tokens: a ramp needs start and ramp_tokens"},
      {"name: a.b, kind: sft, sequence_length: 4, batch: 8, steps: 5",
       "'a.b' cannot be the name of a stage"},
      {"name: r, kind: rl, steps: 5, sequence_length: 9, batch: 8, reinforcement: "
       "{outputs_per_rollout: 8, reward: {model: llama-3.1-8b}, " +
           response + "}",
       "stages.r.reinforcement.reward: rules have no model and no layout"},
      {"name: r, kind: rl, steps: 5, sequence_length: 9, batch: 8, reinforcement: "
       "{outputs_per_rollout: 8, critic: {model: llama-3.1-8b}, " +
           response + "}",
       "stages.r.reinforcement.critic: only ppo has a critic"},
      {"name: r, kind: rl, steps: 5, sequence_length: 9, batch: 8, reinforcement: "
       "{outputs_per_rollout: 8, reward: {kind: model, model: {extends: llama-3.1-8b, "
       "dense_layers: 40}}, " +
           response + "}",
       "stages.r.reinforcement.reward.model.dense_layers: more dense layers than layers"},
      {"name: i, kind: inference, tokens: 5, inference: {response: {mean: [], cap: []}}",
       "need a mean and a cap"},
  };
  for (const Case& c : bad) {
    INFO(c.stage);
    CHECK_THAT(message_of(with_stage(c.stage)), Catch::Contains(c.expected));
  }
}

TEST_CASE("no text is longer than the positions that a model has learned") {
  // gpt-22b learned 2048.
  const auto told = [](const std::string& stage) {
    std::string text = with_stage(stage);
    text.replace(text.find("model: deepseek-v3"), 18, "model: gpt-22b");
    return message_of(text);
  };
  const std::string sft = "name: s, kind: sft, batch: 8, ";
  const auto rl = [](const std::string& model, int cap) {
    return "name: r, kind: rl, steps: 5, sequence_length: 4096, batch: 8, reinforcement: "
           "{outputs_per_rollout: 8, prompt_tokens: 48, reward: {kind: model, model: " +
           model + "}, response: {mean: [{step: 0, tokens: 9}], cap: [{until_step: 9, tokens: " +
           std::to_string(cap) + "}]}}";
  };
  CHECK(told(sft + "steps: 5, sequence_length: 2048").empty());
  CHECK_THAT(told(sft + "steps: 5, sequence_length: 2049"),
             Catch::StartsWith("6:63 stages.s.sequence_length: a text of 2049 tokens, and the "
                               "model has learned 2048 positions; at most 2048"));
  // Texts that are packed into a sequence begin at position 0 each.
  CHECK(told(sft + "samples: 5, tokens_per_sample: 900, sequence_length: 8192").empty());
  CHECK_THAT(told(sft + "samples: 5, tokens_per_sample: 3000, sequence_length: 8192"),
             Catch::Contains("stages.s.tokens_per_sample: a text of 3000 tokens"));
  CHECK(told(rl("llama-3.1-8b", 2000)).empty());
  CHECK_THAT(told(rl("llama-3.1-8b", 2001)),
             Catch::Contains("stages.r.reinforcement.response.cap: a text of 2049 tokens"));
  CHECK_THAT(message_of(with_stage(rl("gpt-22b", 2001))),
             Catch::Contains("stages.r.reinforcement.response.cap: a text of 2049 tokens"));
  CHECK(message_of(with_stage(rl("llama-3.1-8b", 2001))).empty());
}

TEST_CASE("rules across the keys of a class of failures") {
  const auto told = [](const std::string& failure) {
    return message_of(with({{12, "reliability: {title: t, classes: {a: {" + failure + "}}}"}}));
  };
  for (const char* good :
       {"rate: 1 failures/h", "component: job, rate: 1 failures/h, scaling: 0.5, reference_gpus: 8",
        "rate: 1 failures/h, effect: slow, speed: 0.5",
        "rate: 1 failures/h, infant_factor: 3, infant_time: 9 h"}) {
    INFO(good);
    CHECK(told(good).empty());
  }
  const std::pair<const char*, const char*> bad[] = {
      {"component: gpu", "rate"},
      {"rate: 1 failures/h, scaling: 0.5", "scaling: only component job has it"},
      {"component: job, rate: 1 failures/h, scaling: 1", "reference_gpus: scaling needs it"},
      {"rate: 1 failures/h, infant_factor: 3", "infant_factor: it needs infant_time"},
      {"rate: 1 failures/h, infant_factor: 3, infant_time: 9 h, shape: 0.7",
       "infant_factor: a Weibull law has early failures of its own"},
      {"rate: 1 failures/h, effect: slow", "speed: effect slow needs it"},
      {"rate: 1 failures/h, speed: 0.5", "speed: only effect slow has it"},
      {"rate: 1 failures/h, effect: corrupt, notice: 1 min", "notice: only effect stop has it"}};
  for (const auto& [text, expected] : bad) {
    INFO(text);
    CHECK_THAT(told(text), Catch::Matchers::Contains(expected));
  }
}

TEST_CASE("stages have names of their own") {
  std::vector<std::string> text = lines();
  const std::vector<std::string> stage(text.begin() + 5, text.begin() + 10);
  text.insert(text.begin() + 10, stage.begin(), stage.end());
  CHECK_THAT(message_of(joined(text)),
             Catch::StartsWith("11:11 two stages have the name 'pre-training'"));
}

TEST_CASE("rules across the keys of models, nodes and pools") {
  const auto model = [](const std::string& keys) {
    return message_of(with({{3, "model: {extends: deepseek-v3, " + keys + "}"}}));
  };
  CHECK(model("layers: 62").empty());
  CHECK_THAT(model("dense_layers: 62"),
             Catch::StartsWith("3:45 model.dense_layers: more dense layers than layers"));
  CHECK_THAT(model("experts: {active: 300}"),
             Catch::Contains("model.experts.active: more experts per token"));
  CHECK_THAT(model("experts: {max_nodes: 9}"),
             Catch::Contains("model.experts.max_nodes: more nodes"));
  CHECK_THAT(model("attention: {kv_rank: 0}"),
             Catch::Contains("model.attention.kv_rank: latent attention needs it"));
  CHECK_THAT(model("attention: {kind: grouped-query}"),
             Catch::Contains("only latent attention has it"));
  CHECK_THAT(
      model("parallel_block: true"),
      Catch::Contains("model.parallel_block: attention and experts do not run as one block"));
  CHECK_THAT(model("inner: 0"), Catch::Contains("model.inner: dense layers need it"));
  const auto cluster = [](const std::string& keys) {
    return message_of(with({{2, "cluster: {" + keys + "}"}}));
  };
  CHECK_THAT(
      cluster("node: {extends: hgx-h800, idle_power: 99 kW}, nodes: 8, fabric: deepseek-mpft"),
      Catch::StartsWith("2:49 cluster.node.idle_power: more power without work"));
  const auto limit = [&](const std::string& chip, const std::string& keys) {
    return cluster("node: {extends: hgx-h800, accelerator: {extends: " + chip + ", " + keys +
                   "}}, nodes: 8, fabric: deepseek-mpft");
  };
  const std::string chip = "cluster.node.accelerator.";
  CHECK(limit("h800-sxm", "power_limit: 500 W").empty());
  CHECK(limit("h800-sxm", "power_limit: 700 W").empty());
  CHECK_THAT(limit("h800-sxm", "power_limit: 800 W"),
             Catch::StartsWith("2:83 " + chip + "power_limit: the limit is not between"));
  CHECK_THAT(limit("h800-sxm", "power_limit: 75 W"),
             Catch::Contains("must be above idle_power and not above power"));
  CHECK_THAT(limit("h800-sxm", "power: 0 W, idle_power: 0 W, power_limit: 500 W"),
             Catch::Contains(chip + "power: it is not known, and power_limit"));
  CHECK_THAT(limit("h800-sxm", "idle_power: 0 W, power_limit: 500 W"),
             Catch::Contains(chip + "idle_power: it is not known, and power_limit"));
  CHECK_THAT(limit("mi300x", "power_limit: 500 W"),
             Catch::Contains(chip + "kernels.power_curve: it is not known, and power_limit"));
  CHECK_THAT(cluster("node: hgx-h800, nodes: 8, fabric: {extends: deepseek-mpft, tiers: 3}"),
             Catch::Contains("cluster.fabric.pod_nodes: three tiers need it"));
  const auto fabric = [&](const std::string& keys) {
    return cluster("node: hgx-h800, nodes: 8, fabric: {extends: deepseek-mpft, " + keys + "}");
  };
  CHECK_THAT(fabric("builder: torus"),
             Catch::Contains("cluster.fabric.dimensions: a torus needs it"));
  CHECK_THAT(fabric("dimensions: [2, 4]"),
             Catch::Contains("cluster.fabric.dimensions: only a torus has it"));
  CHECK_THAT(fabric("builder: graph"),
             Catch::Contains("cluster.fabric.graph: builder graph needs it"));
  CHECK_THAT(fabric("switch_ports: null"),
             Catch::Contains("cluster.fabric.switch_ports: builder multi-plane needs it"));
  const auto graph = [&](const std::string& link) {
    return fabric("builder: graph, graph: {vertices: [{name: left, ports: 64, nics: 32}, {name: "
                  "right, ports: 64, nics: 32}], links: [" +
                  link + "]}");
  };
  CHECK(graph("{from: left, to: right}").empty());
  CHECK_THAT(graph("{from: left, to: rigth}"),
             Catch::Contains("cluster.fabric.graph.links.0.to: there is no vertex 'rigth'; did you "
                             "mean 'right'?"));
  CHECK_THAT(graph("{from: left, to: right, bandwidth: -1 GB/s}"),
             Catch::Contains("cluster.fabric.graph.links.0.bandwidth: '-1 GB/s' is out of range"));
  CHECK_THAT(cluster("pools: {train: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft}}"),
             Catch::Contains(
                 "stages.pre-training.pool: the cluster has no pool 'main'; did you mean 'train'"));
  const std::string flat = "node: hgx-h800, nodes: 8, fabric: deepseek-mpft, ";
  CHECK(cluster(flat + "slow_gpus: [{gpu: 63, speed: 0.8}, {gpu: 0, speed: 1}]").empty());
  CHECK_THAT(
      cluster(flat + "slow_gpus: [{gpu: 0, speed: 0.8}, {gpu: 64, speed: 0.8}]"),
      Catch::Contains("cluster.slow_gpus.1.gpu: there is no GPU 64; the pool has GPUs 0 to 63"));
  CHECK_THAT(cluster(flat + "slow_gpus: [{gpu: 3, speed: 0.8}, {gpu: 3, speed: 0.8}]"),
             Catch::Contains("cluster.slow_gpus.1.gpu: GPU 3 stands here twice"));
  CHECK_THAT(cluster("pools: {main: {" + flat + "slow_gpus: [{gpu: 64, speed: 0.8}]}}"),
             Catch::Contains("cluster.pools.main.slow_gpus.0.gpu: there is no GPU 64"));
  CHECK_THAT(cluster("pools: {}"), Catch::Contains("cluster.pools: there is no pool"));
}

TEST_CASE("nodes come after the start, in order, and no more than there are") {
  const auto grown = [](const std::string& keys, const std::string& calendar) {
    return message_of(
        with({{2, "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, " + keys + "}"},
              {12, calendar}}));
  };
  const std::string start = "calendar: {start: 2024-10-01}";
  CHECK(grown("deliveries: [{date: 2024-11-01, nodes: 4}, {date: 2024-12-01, nodes: 4}]", start)
            .empty());
  CHECK_THAT(grown("deliveries: [{date: 2024-11-01, nodes: 4}]", ""),
             Catch::StartsWith(
                 "2:72 cluster.deliveries: it is not known when the run starts; write calendar"));
  CHECK_THAT(grown("deliveries: [{date: 2024-10-01, nodes: 4}]", start),
             Catch::Contains("cluster.deliveries.0.date: 2024-10-01 is not after 2024-10-01; nodes "
                             "that are there at the start are no delivery"));
  CHECK_THAT(
      grown("deliveries: [{date: 2024-12-01, nodes: 2}, {date: 2024-11-01, nodes: 2}]", start),
      Catch::Contains("cluster.deliveries.1.date: 2024-11-01 is not after 2024-12-01; order them"));
  CHECK_THAT(grown("deliveries: [{date: 2024-11-01, nodes: 9}]", start),
             Catch::Contains("cluster.deliveries: 9 nodes come, the pool has 8"));
  CHECK_THAT(grown("deliveries: [{date: 2024-11-31, nodes: 9}]", start),
             Catch::Contains("2024-11-31"));
  CHECK_THAT(grown("deliveries: [{date: 2024-11-01, nodes: 0}]", start),
             Catch::Contains("cluster.deliveries.0.nodes"));
  CHECK_THAT(grown("deliveries: [{nodes: 1}]", start), Catch::Contains("date"));
  CHECK_THAT(grown("acquired: 2024-10-02, deliveries: [{date: 2024-11-01, nodes: 1}]", start),
             Catch::Contains("cluster.acquired: the first nodes are there from calendar.start"));
  CHECK_THAT(
      grown("slow_gpus: [{gpu: 0, speed: 0.5}], deliveries: [{date: 2024-11-01, nodes: 1}]", start),
      Catch::Contains("cluster.deliveries: a pool that grows has no slow or weak parts"));
}

TEST_CASE("pools that generate and pools with a rent of their own exist") {
  const std::string response =
      "response: {mean: [{step: 0, tokens: 9}], cap: [{until_step: 9, tokens: 9}]}";
  CHECK_THAT(
      message_of(with_stage("name: r, kind: rl, steps: 5, sequence_length: 9, batch: 8, "
                            "reinforcement: {outputs_per_rollout: 8, rollout_pool: other, " +
                            response + "}")),
      Catch::Contains("stages.r.reinforcement.rollout_pool: the cluster has no pool 'other'"));
  CHECK(message_of(with({{11, "price: {rentals: {main: 2 USD/GPU-hour}}"}})).empty());
  CHECK_THAT(
      message_of(with({{11, "price: {rental: 2 USD/GPU-hour, rentals: {mine: 2 USD/GPU-hour}}"}})),
      Catch::Contains("price.rentals.mine: the cluster has no pool 'mine'"));
}

TEST_CASE("a probe times one thing, and a scenario may consist of probes alone") {
  const auto probes = [](const std::string& list) {
    return message_of(with({{12, "probes: [" + list + "]"}}));
  };
  CHECK(probes("{name: a, collective: {size: 1 GiB, ranks: 8}}").empty());
  CHECK_THAT(probes("{name: a}"), Catch::Contains("probes.0: what is timed is said not at all"));
  CHECK_THAT(
      probes("{name: a, collective: {size: 1 GiB, ranks: 8}, exchange: {tokens: 1, ranks: 8}}"),
      Catch::Contains("probes.0: what is timed is said twice"));
  CHECK_THAT(probes("{name: a, exchange: {tokens: 1, ranks: 8}}, {name: a, exchange: {tokens: 1, "
                    "ranks: 8}}"),
             Catch::Contains("two probes have the name 'a'"));
  CHECK_THAT(probes("{name: a.b, exchange: {tokens: 1, ranks: 8}}"),
             Catch::Contains("'a.b' cannot be the name of a probe"));
  const std::string head = "name: x\ncluster: {node: hgx-h800, nodes: 1, fabric: deepseek-mpft}\n"
                           "model: deepseek-v3\nstack: deepseek-v3\nstages: []\n"
                           "price: {rental: 1 USD/GPU-hour}\n";
  CHECK_THAT(message_of(head), Catch::Contains("there is no stage"));
  CHECK(message_of(head + "probes: [{name: a, exchange: {tokens: 1, ranks: 8}}]\n").empty());
}

} // namespace
} // namespace sim::scenario
