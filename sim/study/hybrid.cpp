// SPDX-License-Identifier: Apache-2.0
#include "sim/study/hybrid.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/economics/ownership.hpp"
#include "sim/scenario/canonical.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sim::study {
namespace {

using hardware::AcceleratorSpec;
using hardware::NodeSpec;
using hardware::PoolSpec;
using scenario::Scenario;

struct PropertyText {
  Property property;
  std::string_view key, label;
};
constexpr std::array<PropertyText, properties> texts{{
    {Property::Compute, "compute", "compute"},
    {Property::MemoryBandwidth, "memory-bandwidth", "HBM bandwidth"},
    {Property::MemorySize, "memory-size", "HBM size"},
    {Property::ScaleUp, "scale-up", "NVLink (scale-up)"},
    {Property::Network, "network", "NIC and fabric"},
    {Property::Count, "count", "number of GPUs"},
    {Property::Power, "power", "power"},
    {Property::Price, "price", "price"},
    {Property::Workload, "workload", "model and software"},
}};

// `value` for another number of GPUs in the node.
int scaled(int value, const NodeSpec& from, int accelerators, const char* path) {
  const int product = value * accelerators;
  if (from.accelerators == 0 || product % from.accelerators != 0)
    throw InfeasibleError(path,
                          fmt::format("{} for {} GPUs in a node are no whole number for {}", value,
                                      from.accelerators, accelerators),
                          "compare nodes with as many GPUs");
  return product / from.accelerators;
}

// As many GPUs in nodes of another size.
int nodes_for(int nodes, int in_node, int in_other) {
  const std::int64_t gpus = std::int64_t{nodes} * in_node;
  if (gpus % in_other != 0)
    throw InfeasibleError("cluster.nodes",
                          fmt::format("{} GPUs do not fill nodes of {}", gpus, in_other),
                          "another number of nodes");
  return static_cast<int>(gpus / in_other);
}

void take_compute(PoolSpec& to, const PoolSpec& from) {
  AcceleratorSpec& chip = to.node->accelerator.spec;
  const AcceleratorSpec& other = from.node->accelerator.spec;
  chip.peak = other.peak;
  chip.integer_peak = other.integer_peak;
  chip.special_function_peak = other.special_function_peak;
  chip.streaming_multiprocessors = other.streaming_multiprocessors;
  const hardware::MemoryKernelSpec memory = chip.kernels->memory;
  const double decoding = chip.kernels->attention.decode_bandwidth_fraction;
  const std::optional<hardware::PowerCurveSpec> curve = chip.kernels->power_curve;
  chip.kernels.spec = other.kernels.spec;
  chip.kernels->power_curve = curve;
  chip.kernels->memory = memory;
  chip.kernels->attention.decode_bandwidth_fraction = decoding;
}

void take_memory_bandwidth(PoolSpec& to, const PoolSpec& from) {
  AcceleratorSpec& chip = to.node->accelerator.spec;
  const AcceleratorSpec& other = from.node->accelerator.spec;
  chip.memory_bandwidth = other.memory_bandwidth;
  chip.kernels->memory = other.kernels->memory;
  chip.kernels->attention.decode_bandwidth_fraction =
      other.kernels->attention.decode_bandwidth_fraction;
}

// GPUs in a node and what is counted by node: its NICs, power and the number of nodes stay the same
// for a GPU.
void take_scale_up(PoolSpec& to, const PoolSpec& from) {
  NodeSpec& node = to.node.spec;
  const NodeSpec& other = from.node.spec;
  if (node.accelerators != other.accelerators) {
    const double size = double(other.accelerators) / node.accelerators;
    node.nics = scaled(node.nics, node, other.accelerators, "cluster.node.nics");
    for (hardware::DeliverySpec& delivery : to.deliveries)
      delivery.nodes = nodes_for(delivery.nodes, node.accelerators, other.accelerators);
    to.nodes = nodes_for(to.nodes, node.accelerators, other.accelerators);
    node.power *= size;
    node.idle_power *= size;
    node.accelerators = other.accelerators;
  }
  AcceleratorSpec& chip = node.accelerator.spec;
  chip.scale_up_bandwidth = other.accelerator->scale_up_bandwidth;
  chip.scale_up_efficiency = other.accelerator->scale_up_efficiency;
  chip.collectives = other.accelerator->collectives;
  node.scale_up = other.scale_up;
  node.scale_up_switches = other.scale_up_switches;
  node.in_switch_reduction = other.in_switch_reduction;
  to.fabric->scale_up_latency = from.fabric->scale_up_latency;
}

void take_network(PoolSpec& to, const PoolSpec& from) {
  NodeSpec& node = to.node.spec;
  const NodeSpec& other = from.node.spec;
  node.nics = scaled(other.nics, other, node.accelerators, "cluster.node.nics");
  node.nic = other.nic;
  node.pcie = other.pcie;
  node.storage = other.storage;
  node.host = other.host;
  node.accelerator->host_bandwidth = other.accelerator->host_bandwidth;
  const hardware::FabricSpec own = to.fabric.spec;
  to.fabric.spec = from.fabric.spec;
  to.fabric->scale_up_latency = own.scale_up_latency; // the others' business
  to.fabric->switch_power = own.switch_power;
  to.fabric->switch_price = own.switch_price;
  to.fabric->cable_price = own.cable_price;
  to.fabric->nic_price = own.nic_price;
}

void take_count(PoolSpec& to, const PoolSpec& from) {
  const int in_node = to.node->accelerators, in_other = from.node->accelerators;
  to.nodes = nodes_for(from.nodes, in_other, in_node);
  to.deliveries = from.deliveries;
  for (hardware::DeliverySpec& delivery : to.deliveries)
    delivery.nodes = nodes_for(delivery.nodes, in_other, in_node);
}

void take_power(PoolSpec& to, const PoolSpec& from) {
  AcceleratorSpec& chip = to.node->accelerator.spec;
  chip.power = from.node->accelerator->power;
  chip.idle_power = from.node->accelerator->idle_power;
  chip.power_limit = from.node->accelerator->power_limit;
  chip.kernels->power_curve = from.node->accelerator->kernels->power_curve;
  const double size = double(to.node->accelerators) / from.node->accelerators;
  to.node->power = from.node->power * size;
  to.node->idle_power = from.node->idle_power * size;
  to.fabric->switch_power = from.fabric->switch_power;
}

// Price lists go by the accelerator's name.
void take_price(PoolSpec& to, const PoolSpec& from) {
  to.node->accelerator.name = from.node->accelerator.name;
  to.acquired = from.acquired;
  to.fabric->switch_price = from.fabric->switch_price;
  to.fabric->cable_price = from.fabric->cable_price;
  to.fabric->nic_price = from.fabric->nic_price;
}

// What is wrong with single parts goes with the failures.
void take_faults(PoolSpec& to, const PoolSpec& from) {
  to.slow_gpus = from.slow_gpus;
  to.weak_links = from.weak_links;
  to.weak_switches = from.weak_switches;
}

void take(Property property, PoolSpec& to, const PoolSpec& from) {
  switch (property) {
  case Property::Compute:
    return take_compute(to, from);
  case Property::MemoryBandwidth:
    return take_memory_bandwidth(to, from);
  case Property::MemorySize:
    to.node->accelerator->memory = from.node->accelerator->memory;
    return;
  case Property::ScaleUp:
    return take_scale_up(to, from);
  case Property::Network:
    return take_network(to, from);
  case Property::Count:
    return take_count(to, from);
  case Property::Power:
    return take_power(to, from);
  case Property::Price:
    return take_price(to, from);
  case Property::Workload:
    return take_faults(to, from);
  }
}

void take_workload(Scenario& to, const Scenario& from) {
  to.model = from.model;
  to.stack = from.stack;
  to.parallelism = from.parallelism;
  to.stages = from.stages;
  to.reliability = from.reliability;
  to.checkpoint = from.checkpoint;
}

// What no property is, so that its difference does not count as one.
void drop_texts(Scenario& s) {
  s.name = s.description = s.builds_on = "";
  s.scope = {};
  s.published.clear();
  s.asserts.clear();
  s.provenance.clear();
  s.probes.clear();
  s.export_controls.reset();
  s.parallelism = {}; // layouts are held apart
  for (training::StageSpec& stage : s.stages)
    stage.parallelism.reset();
}

void forget_names(PoolSpec& pool) { pool.node->accelerator.name.clear(); }

std::string chips_of(const Scenario& s) {
  std::string chips = s.cluster.main.node->accelerator.name;
  for (const auto& [name, pool] : s.cluster.pools)
    chips += " " + pool.node->accelerator.name;
  return chips;
}

plan::PortSpec both(const plan::PortSpec& first, const plan::PortSpec& second) {
  plan::PortSpec port = first;
  for (const hardware::Precision p : second.precision)
    if (std::find(port.precision.begin(), port.precision.end(), p) == port.precision.end())
      port.precision.push_back(p);
  return port;
}

const PoolSpec& some_pool(const Scenario& s) {
  return s.cluster.pools.empty() ? s.cluster.main : s.cluster.pools.begin()->second;
}

std::int64_t gpus_of(const Scenario& s) {
  std::int64_t gpus = 0;
  if (s.cluster.pools.empty())
    return std::int64_t{s.cluster.main.nodes} * s.cluster.main.node->accelerators;
  for (const auto& [name, pool] : s.cluster.pools)
    gpus += std::int64_t{pool.nodes} * pool.node->accelerators;
  return gpus;
}

std::string rates_of(const AcceleratorSpec& chip) {
  using hardware::Precision;
  std::string text;
  for (const Precision precision : {Precision::Bf16, Precision::Fp8})
    if (const auto rate = chip.peak.find(precision); rate != chip.peak.end())
      text += fmt::format("{}{:.4g}", text.empty() ? "" : "/", rate->second / (teraflop / second));
    else
      text += text.empty() ? "-" : "/-";
  return text;
}

std::string price_of(const Scenario& s) {
  if (!s.price.rentals.empty()) {
    std::string text;
    for (const auto& [pool, rent] : s.price.rentals)
      text +=
          fmt::format("{}{} {:.4g}", text.empty() ? "" : ", ", pool, rent / dollar_per_gpu_hour);
    return text + " USD/h";
  }
  if (s.price.rental)
    return fmt::format("{:.4g} USD/h", *s.price.rental / dollar_per_gpu_hour);
  if (s.price.market.empty() || s.price.convention == economics::Convention::Owned)
    return "owned";
  const auto list = s.price_lists.find(economics::list_name(some_pool(s).node->accelerator.name));
  const Date day = s.price.date.known() ? s.price.date : s.calendar.start;
  const auto rent = list == s.price_lists.end()
                        ? std::nullopt
                        : economics::rent_on(list->second, s.price.market, day, s.price.level);
  return rent ? fmt::format("{:.4g} USD/h", *rent / dollar_per_gpu_hour)
              : s.price.market + " market";
}

std::string value_of(Property property, const Scenario& s) {
  const NodeSpec& node = some_pool(s).node.spec;
  constexpr BytesPerSecond gigabyte_per_second = 1e9 * (byte / second);
  switch (property) {
  case Property::Compute:
    return rates_of(node.accelerator.spec);
  case Property::MemoryBandwidth:
    return fmt::format("{:.4g} GB/s", node.accelerator->memory_bandwidth / gigabyte_per_second);
  case Property::MemorySize:
    return fmt::format("{:.4g} GB", node.accelerator->memory / (1e9 * byte));
  case Property::ScaleUp:
    return fmt::format("{:.4g} GB/s", node.accelerator->scale_up_bandwidth / gigabyte_per_second);
  case Property::Network:
    return fmt::format("{}x{:.4g} Gb/s", node.nics, 8 * (node.nic.bandwidth / gigabyte_per_second));
  case Property::Count:
    return std::to_string(gpus_of(s));
  case Property::Power:
    return fmt::format("{:.4g} kW/node", node.power / (1000 * watt)) +
           (node.accelerator->power_limit
                ? fmt::format(", limit {:.4g} W", *node.accelerator->power_limit / watt)
                : "");
  case Property::Price:
    return price_of(s);
  case Property::Workload:
    return s.model->title + ", " + s.stack->title;
  }
  return "";
}

} // namespace

std::string_view key_of(Property property) { return texts[static_cast<std::size_t>(property)].key; }
std::string_view label_of(Property property) {
  return texts[static_cast<std::size_t>(property)].label;
}

StageLayouts layouts_of(const training::RunResult& run) {
  StageLayouts layouts;
  for (const training::StageResult& stage : run.stages)
    if (stage.kind != training::StageKind::Inference) {
      plan::ParallelismSpec layout = stage.step.layout;
      if (layout.data_shard == layout.data * layout.context)
        layout.data_shard = 0; // all of them, whatever their number
      layout.data = 0;
      layouts.emplace(stage.name, layout);
    }
  return layouts;
}

Hybrid::Hybrid(const Scenario& first, const Scenario& second) : first_(first), second_(second) {
  const auto &a = first.cluster.pools, &b = second.cluster.pools;
  if (!std::equal(a.begin(), a.end(), b.begin(), b.end(),
                  [](const auto& x, const auto& y) { return x.first == y.first; }))
    throw InfeasibleError("cluster.pools",
                          "the two runs have pools of other names, whose properties cannot change "
                          "places",
                          "give both the same pools");
  // Prices of the market are beside the canonical text: they differ where names of chips do.
  const auto named = [](Scenario s, const std::string& market) {
    const std::string chips = chips_of(s);
    drop_texts(s);
    forget_names(s.cluster.main);
    for (auto& [name, pool] : s.cluster.pools)
      forget_names(pool);
    return scenario::canonical_text(s, {}) + (market.empty() ? "" : chips);
  };
  const std::string market = first.price.market + second.price.market;
  const std::string base = named(with(0), market);
  for (std::size_t i = 0; i < properties; ++i) {
    const PropertySet alone = PropertySet{1} << i;
    try {
      if (named(with(alone), market) != base)
        differing_ |= alone;
    } catch (const InfeasibleError&) { // it differs, and cannot be alone
      differing_ |= alone;
    }
  }
}

Scenario Hybrid::with(PropertySet of_second) const {
  Scenario result = first_;
  const auto has = [&](Property p) { return (of_second & bit(p)) != 0; };
  if (has(Property::Workload))
    take_workload(result, second_);
  if (has(Property::Price)) {
    result.price = second_.price;
    result.price_lists = second_.price_lists;
    result.calendar = second_.calendar;
  }
  result.port = both(first_.port, second_.port);
  const auto change = [&](PoolSpec& to, const PoolSpec& from) {
    for (std::size_t i = 0; i < properties; ++i)
      if (has(static_cast<Property>(i)))
        take(static_cast<Property>(i), to, from);
  };
  if (result.cluster.pools.empty())
    change(result.cluster.main, second_.cluster.main);
  for (auto& [name, pool] : result.cluster.pools)
    change(pool, second_.cluster.pools.at(name));
  return result;
}

std::string Hybrid::change(Property property) const {
  const std::string from = value_of(property, first_), to = value_of(property, second_);
  return from == to ? "" : from + " -> " + to;
}

void set_layouts(Scenario& scenario, const StageLayouts& layouts) {
  scenario.port.layout = plan::PortLayout::Keep;
  for (training::StageSpec& stage : scenario.stages)
    if (const auto layout = layouts.find(stage.name); layout != layouts.end())
      stage.parallelism = Auto<plan::ParallelismSpec>{layout->second};
}

void search_layouts(Scenario& scenario) {
  for (training::StageSpec& stage : scenario.stages)
    if (stage.kind != training::StageKind::Inference)
      stage.parallelism = Auto<plan::ParallelismSpec>{};
}

} // namespace sim::study
