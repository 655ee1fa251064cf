// SPDX-License-Identifier: Apache-2.0
#include "tests/swarm/random_scenario.hpp"

#include "tests/swarm/random_stages.hpp"

namespace sim::swarm {
namespace {

constexpr double bytes_per_parameter = 18; // of training state, before activations
constexpr double room = 2.5;               // for them

Tree random_stack(Choices& choices, bool pairs) {
  const char* name =
      choices.one_of({"megatron-core", "megatron-core", "llama-3", "deepseek-v3", "deepseek-r1"});
  if (!choices.chance(40) && !pairs)
    return name;
  Tree stack;
  stack["extends"] = name;
  if (choices.chance(60))
    stack["recompute"] = choices.one_of({"none", "norms", "selective", "full"});
  if (choices.chance(20)) {
    stack["attention"] = "unfused";
    stack["dropout"] = choices.chance(50);
  }
  if (choices.chance(40)) {
    Tree& overlap = stack["overlap"];
    overlap["data_gradients"] = choices.chance(50);
    overlap["data_parameters"] = choices.chance(50);
    overlap["tensor"] = choices.one_of({0.0, 0.5, 1.0});
    overlap["expert_pairs"] = choices.chance(50);
  }
  if (pairs)
    stack["overlap"]["expert_pairs"] = true;
  if (choices.chance(30))
    stack["jitter"] = choices.one_of({0.0, 0.01, 0.2});
  if (choices.chance(30))
    stack["expert_imbalance"] = choices.one_of({1.0, 1.1, 2.0});
  if (choices.chance(30))
    stack["communication_sms"] = choices.one_of({0, 1, 20, 60});
  if (choices.chance(20))
    stack["synchronisation"] = "20 ms";
  return stack;
}

void add_failures(Choices& choices, Tree& scenario) {
  if (choices.chance(50)) {
    scenario["reliability"] =
        choices.one_of({"none", "llama-3", "meta-rsc-1", "byterobust", "quiet", "spot"});
  } else {
    Tree& reliability = scenario["reliability"];
    reliability["title"] = "Written out";
    if (choices.chance(70))
      reliability["failures"] =
          choices.one_of({"1e-5 failures/GPU-hour", "1e-2 failures/GPU-hour"});
    if (choices.chance(50))
      reliability["job_failures"] =
          choices.one_of({"0.1 failures/day", "20 failures/day", "5 failures/h"});
    if (choices.chance(70))
      reliability["detection"] = "1 min";
    if (choices.chance(70))
      reliability["restart"] = choices.one_of({"0 s", "30 s", "1 h"});
    if (choices.chance(30)) {
      Tree& failure = reliability["classes"]["node"];
      failure["component"] = choices.one_of({"gpu", "nic", "node", "rack"});
      failure["rate"] = choices.one_of({"1e-4 failures/h", "1e-2 failures/h"});
      failure["replace"] = choices.one_of({"0.5", "1"});
      failure["repair"] = choices.one_of({"10 min", "5 h"});
      reliability["recovery"]["elastic"] = choices.one_of({"true", "false"});
    }
  }
}

void add_checkpoint(Choices& choices, Tree& scenario) {
  Tree& checkpoint = scenario["checkpoint"];
  if (choices.chance(50))
    checkpoint["interval"] = choices.one_of({"10 min", "2 h", "auto"});
  if (choices.chance(50))
    checkpoint["mode"] = choices.one_of({"synchronous", "asynchronous"});
  if (choices.chance(50))
    checkpoint["storage_bandwidth"] = choices.one_of({"50 GB/s", "2 TB/s"});
}

void add_price(Choices& choices, Tree& scenario) {
  Tree& price = scenario["price"];
  price["rental"] = quantity(double(choices.between(1, 99)) / 16, "USD/GPU-hour");
  if (choices.chance(40))
    price["energy"] = choices.one_of({"cn", "us", "world"});
  if (choices.chance(15)) {
    Tree& energy = price["energy"] = Tree();
    energy["price"] = "0.1 USD/kWh";
    energy["pue"] = 1.5;
    energy["carbon"] = "300 g/kWh";
  }
}

void add_port(Choices& choices, Tree& scenario, const Machine& machine) {
  if (machine.narrow ? !choices.chance(20) : !choices.chance(90))
    return;
  Tree& port = scenario["port"];
  port["precision"].push("fp8");
  port["precision"].push("bf16");
  if (choices.chance(50))
    port["layout"] = "auto";
}

Tree pool_of(const Machine& machine) {
  Tree pool;
  pool["node"] = machine.node;
  pool["nodes"] = machine.nodes;
  pool["fabric"] = machine.fabric;
  return pool;
}

void add_surroundings(Choices& choices, Tree& scenario) {
  if (choices.chance(30))
    scenario["calendar"]["start"] = "2024-10-01";
  if (choices.chance(30)) {
    scenario["scope"]["includes"].push("final run");
    scenario["scope"]["excludes"].push("staff");
  }
  if (choices.chance(20)) {
    Tree limit;
    limit["quantity"] = "totals.gpu_hours";
    limit["min"] = "0 GPU-hour";
    scenario["assert"].push(limit);
  }
  if (choices.chance(15))
    scenario["description"] = "made by a generator";
}

} // namespace

Tree random_scenario(Choices& choices) {
  Tree scenario;
  scenario["name"] = "Swarm";
  const Model model = random_model(choices);
  const double wanted = model.parameters * bytes_per_parameter * room / 80e9;
  const Machine machine = random_machine(choices, static_cast<std::int64_t>(wanted) + 1);
  const bool pools = choices.chance(15);
  if (pools)
    scenario["cluster"]["pools"]["train"] = pool_of(machine);
  else
    scenario["cluster"] = pool_of(machine);
  scenario["model"] = model.tree;
  std::optional<Layout> layout;
  if (choices.chance(75))
    layout = random_layout(choices, model, machine);
  if (layout)
    scenario["parallelism"] = layout->tree;
  scenario["stack"] = random_stack(choices, layout && layout->dual_pipe);
  const std::int64_t stages = choices.one_of({1, 1, 1, 2, 3});
  for (std::int64_t i = 0; i < stages; ++i) {
    Tree stage = random_stage(choices, "stage-" + std::to_string(i), machine, layout);
    if (pools)
      stage["pool"] = "train";
    for (const char* part : {"reinforcement", "inference"})
      if (model.routed == 0 && stage.find(part) != nullptr) // refused of a dense model
        stage[part]["decoding"].erase("all_to_all_floor");
    scenario["stages"].push(stage);
  }
  if (choices.chance(50))
    add_failures(choices, scenario);
  if (choices.chance(30))
    add_checkpoint(choices, scenario);
  add_price(choices, scenario);
  add_port(choices, scenario, machine);
  add_surroundings(choices, scenario);
  return scenario;
}

} // namespace sim::swarm
