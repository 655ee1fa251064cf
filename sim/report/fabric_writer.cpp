// SPDX-License-Identifier: Apache-2.0
#include "sim/report/fabric_writer.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/report/text_table.hpp"

#include <nlohmann/json.hpp>

#include <utility>
#include <vector>

namespace sim::report {
namespace {

using topology::Inventory;

std::vector<std::pair<std::string, std::int64_t>> switches_by_tier(const Inventory& inventory) {
  std::vector<std::pair<std::string, std::int64_t>> tiers;
  for (const auto& [tier, name] : EnumNames<hardware::SwitchTier>::names)
    if (const auto count = inventory.counts.switches_of_tier[static_cast<std::size_t>(tier)];
        count > 0)
      tiers.emplace_back(name, count);
  return tiers;
}

std::vector<std::pair<std::string, std::int64_t>> links_by_tier(const Inventory& inventory) {
  std::vector<std::pair<std::string, std::int64_t>> tiers;
  for (const auto& [kind, name] : EnumNames<hardware::LinkKind>::names)
    if (const auto count = inventory.counts.links_of_kind[static_cast<std::size_t>(kind)];
        count > 0)
      tiers.emplace_back(name, count);
  return tiers;
}

std::string_view scale_up_name(const hardware::PoolSpec& pool) {
  return pool.node->scale_up == hardware::ScaleUpWiring::Pcie ? "PCIe" : "scale-up";
}

std::string known(const std::optional<Dollars>& amount, const char* key) {
  return amount ? dollars(*amount / dollar) : "not known: the fabric has no " + std::string(key);
}

bool known_power(const hardware::PoolSpec& pool, const Inventory& inventory) {
  return pool.fabric.spec.switch_power > Watts{} || inventory.counts.switches == 0;
}

void put_costs(TextTable& table, const Inventory& i) {
  table.add({"cost of switches", known(i.switches, "switch_price")});
  table.add({"cost of links between switches", known(i.cables, "cable_price")});
  table.add({"cost of NICs", known(i.nics, "nic_price")});
  table.add({"switches and links per endpoint",
             known(i.per_endpoint, i.switches ? "cable_price" : "switch_price")});
}

nlohmann::ordered_json money(const std::optional<Dollars>& amount) {
  return amount ? nlohmann::ordered_json(*amount / dollar) : nlohmann::ordered_json(nullptr);
}

} // namespace

std::string write_fabric_text(const hardware::PoolSpec& pool, const Inventory& inventory) {
  const hardware::FabricSpec& spec = pool.fabric.spec;
  TextTable table({pool.fabric.name, std::string(name_of(spec.builder))});
  const auto count = [](std::int64_t n) { return with_commas(static_cast<double>(n)); };
  table.add({"nodes", count(inventory.nodes) + " of at most " + count(inventory.most_nodes)});
  table.add({"endpoints (NICs)", count(inventory.counts.endpoints)});
  table.add({"ports in the nodes (" + std::string(scale_up_name(pool)) + ")",
             count(inventory.scale_up_ports)});
  table.add({"  switches between them", count(inventory.scale_up_switches)});
  if (inventory.pcie_links > 0)
    table.add({"  PCIe links that limit NICs", count(inventory.pcie_links)});
  table.add({"switches", count(inventory.counts.switches)});
  for (const auto& [name, n] : switches_by_tier(inventory))
    table.add({"  " + name, count(n)});
  if (inventory.counts.switches == 0)
    table.add({"  routers", "in the nodes"});
  table.add({"links between switches", count(inventory.counts.switch_links)});
  for (const auto& [name, n] : links_by_tier(inventory))
    table.add({"  " + name, count(n)});
  table.add({"bandwidth between halves of the nodes", to_text(inventory.bisection)});
  table.add({"oversubscription across them", significant(inventory.oversubscription) + " : 1"});
  table.add({"power of switches", known_power(pool, inventory)
                                      ? to_text(inventory.switch_power)
                                      : "not known: the fabric has no switch_power"});
  put_costs(table, inventory);
  return table.text();
}

std::string write_fabric_json(const hardware::PoolSpec& pool, const Inventory& inventory) {
  nlohmann::ordered_json json;
  json["fabric"] = pool.fabric.name;
  json["builder"] = name_of(pool.fabric.spec.builder);
  json["nodes"] = inventory.nodes;
  json["most_nodes"] = inventory.most_nodes;
  json["endpoints"] = inventory.counts.endpoints;
  json["scale_up"] = name_of(pool.node->scale_up);
  json["scale_up_ports"] = inventory.scale_up_ports;
  json["scale_up_switches"] = inventory.scale_up_switches;
  json["pcie_links"] = inventory.pcie_links;
  json["switches"] = inventory.counts.switches;
  json["switches_by_tier"] = nlohmann::ordered_json::object();
  for (const auto& [name, n] : switches_by_tier(inventory))
    json["switches_by_tier"][name] = n;
  json["switch_links"] = inventory.counts.switch_links;
  json["switch_links_by_tier"] = nlohmann::ordered_json::object();
  for (const auto& [name, n] : links_by_tier(inventory))
    json["switch_links_by_tier"][name] = n;
  json["bisection_bandwidth"] = inventory.bisection / (byte / second);
  json["oversubscription"] = inventory.oversubscription;
  json["switch_power_w"] = known_power(pool, inventory)
                               ? nlohmann::ordered_json(inventory.switch_power / watt)
                               : nlohmann::ordered_json(nullptr);
  json["switches_cost_usd"] = money(inventory.switches);
  json["switch_links_cost_usd"] = money(inventory.cables);
  json["nics_cost_usd"] = money(inventory.nics);
  json["cost_per_endpoint_usd"] = money(inventory.per_endpoint);
  return json.dump(2) + "\n";
}

} // namespace sim::report
