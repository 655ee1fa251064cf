// SPDX-License-Identifier: Apache-2.0
#include "tests/swarm/random_scenario.hpp"

namespace sim::swarm {
namespace {

struct CatalogueNode {
  const char* name;
  bool fast_nic; // 400 Gb/s, else 200
  bool narrow;
  double memory;
};

CatalogueNode random_node(Choices& choices) {
  return choices.one_of<CatalogueNode>({{"hgx-h100", true, true, 80e9},
                                        {"hgx-h800", true, true, 80e9},
                                        {"hgx-h200", true, true, 141e9},
                                        {"hgx-b200", true, true, 180e9},
                                        {"hgx-h20-8x400", true, true, 96e9},
                                        {"hgx-h20-4x200", false, true, 96e9},
                                        {"hgx-a100", false, false, 80e9},
                                        {"hgx-a800", false, false, 80e9}});
}

Tree catalogue_fabric(Choices& choices, bool fast_nic) {
  if (!fast_nic)
    return choices.one_of({"rail-optimized-200g", "fat-tree-200g"});
  return choices.one_of({"rail-optimized-400g", "deepseek-mpft", "fat-tree-400g",
                         "fat-tree-400g-3tier", "rail-only-400g", "dragonfly-400g", "slim-fly-400g",
                         "full-mesh-400g", "two-sites-400g"});
}

// Any builder and routing, tapered or not, with ports for the nodes.
Tree written_fabric(Choices& choices, bool fast_nic) {
  Tree fabric;
  fabric["builder"] = choices.one_of({"rail-optimized", "fat-tree", "multi-plane"});
  fabric["switch_ports"] = choices.one_of({32, 64, 128, 144});
  fabric["link_bandwidth"] = fast_nic ? "400 Gb/s" : "200 Gb/s";
  fabric["efficiency"] = 0.96;
  fabric["routing"] = choices.one_of({"adaptive", "static"});
  fabric["leaf_oversubscription"] = choices.one_of({1, 2, 3});
  if (choices.chance(30)) {
    fabric["tiers"] = 3;
    fabric["pod_nodes"] = choices.power_of_two(0, 3);
    fabric["spine_oversubscription"] = choices.one_of({1, 2, 7});
  }
  const double scale = choices.chance(20) ? 0 : 1;
  fabric["scale_up_latency"] = quantity(3.4 * scale, "us");
  fabric["leaf_latency"] = quantity(2.8 * scale, "us");
  fabric["tier_latency"] = quantity(0.9 * scale, "us");
  return fabric;
}

} // namespace

Machine random_machine(Choices& choices, std::int64_t least_gpus) {
  const CatalogueNode node = random_node(choices);
  Machine machine;
  machine.node = node.name;
  machine.narrow = node.narrow;
  machine.memory = node.memory;
  if (choices.chance(25)) { // fewer GPUs a node, one NIC for several of them
    machine.accelerators = choices.one_of({1, 2, 4, 6, 8});
    machine.node = Tree();
    machine.node["extends"] = node.name;
    machine.node["accelerators"] = machine.accelerators;
    machine.node["nics"] = machine.accelerators % 2 == 0 && choices.chance(50)
                               ? machine.accelerators / 2
                               : machine.accelerators;
  }
  const std::int64_t least = (least_gpus + machine.accelerators - 1) / machine.accelerators;
  std::int64_t nodes = 1;
  while (nodes < least)
    nodes *= 2;
  machine.nodes =
      choices.chance(85) ? nodes * choices.power_of_two(0, 2) : least + choices.between(0, 7);
  const bool written = choices.chance(25);
  machine.fabric =
      written ? written_fabric(choices, node.fast_nic) : catalogue_fabric(choices, node.fast_nic);
  return machine;
}

} // namespace sim::swarm
