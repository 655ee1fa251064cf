// SPDX-License-Identifier: Apache-2.0
#include "sim/report/collective_writer.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/text_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sim::report {

namespace {

constexpr double unit_giga = 1e9, unit_micro = 1e-6;

std::string protocol_text(const network::Collective& collective) {
  return collective.protocol ? std::string(name_of(*collective.protocol)) : "plain";
}

std::string rate_text(BytesPerSecond rate) {
  return significant(rate.base() / unit_giga) + " GB/s";
}

} // namespace

std::string write_collective_table(const probe::CollectiveReport& report) {
  std::string text = fmt::format(
      "{} of {} over {} GPUs in {}{} node{}\n", network::name_of(report.collective.kind),
      to_text(report.size), report.ranks,
      report.fewest_nodes < report.nodes ? fmt::format("{} to ", report.fewest_nodes) : "",
      report.nodes, report.nodes == 1 ? "" : "s");
  TextTable table({"", "value"});
  table.add({"time", significant(report.time.base() / unit_micro) + " us"});
  table.add({"algorithm", std::string(network::name_of(report.collective.algorithm))});
  table.add({"protocol", protocol_text(report.collective)});
  table.add({"algorithm bandwidth", rate_text(report.algorithm_bandwidth)});
  table.add({"bus bandwidth", rate_text(report.bus_bandwidth)});
  if (report.exact) {
    table.add({"flows",
               fmt::format("{} in {} activities", report.exact->flows, report.exact->activities)});
    table.add({"rate of a flow",
               fmt::format("{} slowest, {} mean, {} fastest", rate_text(report.exact->slowest),
                           rate_text(report.exact->mean), rate_text(report.exact->fastest))});
  }
  if (report.messages)
    table.add({"messages", std::to_string(*report.messages)});
  text += table.text();
  if (report.links.empty())
    return text;
  TextTable links({"busiest links", "capacity", "carried", "busy"});
  for (const probe::LinkUse& use : report.links)
    links.add({std::string(name_of(use.kind)), rate_text(use.capacity),
               significant(use.carried.base() / unit_giga) + " GB", percent(100 * use.busy)});
  return text + links.text();
}

std::string write_collective_json(const probe::CollectiveReport& report) {
  nlohmann::ordered_json links = nlohmann::ordered_json::array();
  for (const probe::LinkUse& use : report.links)
    links.push_back({{"link", name_of(use.kind)},
                     {"capacity", use.capacity.base()},
                     {"carried_bytes", use.carried.base()},
                     {"busy_percent", 100 * use.busy}});
  nlohmann::ordered_json object;
  object["operation"] = network::name_of(report.collective.kind);
  object["size_bytes"] = report.size.base();
  object["ranks"] = report.ranks;
  object["time_s"] = report.time.base();
  object["algorithm"] = network::name_of(report.collective.algorithm);
  object["protocol"] = protocol_text(report.collective);
  object["algorithm_bandwidth"] = report.algorithm_bandwidth.base();
  object["bus_bandwidth"] = report.bus_bandwidth.base();
  if (report.exact)
    object["exact"] = {{"flows", report.exact->flows},
                       {"activities", report.exact->activities},
                       {"slowest_flow_rate", report.exact->slowest.base()},
                       {"mean_flow_rate", report.exact->mean.base()},
                       {"fastest_flow_rate", report.exact->fastest.base()}};
  if (report.messages)
    object["messages"] = *report.messages;
  object["busiest_links"] = std::move(links);
  return json_text(object);
}

} // namespace sim::report
