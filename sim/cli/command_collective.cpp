// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/options.hpp"
#include "sim/report/collective_writer.hpp"
#include "sim/report/text_table.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace sim::cli {

namespace {

constexpr std::uint64_t most_nodes = 1 << 20, most_ranks = 1 << 20;

// The arguments as a scenario, so that they are read, checked and changed by --set as one.
std::string scenario_text(const Arguments& given, const std::string& operation) {
  const std::uint64_t nodes = given.number("nodes", 1, 1, most_nodes);
  const std::string fabric = given.text("fabric");
  if (nodes > 1 && fabric.empty())
    throw UsageError("several nodes need a network: --fabric NAME; see trainfare catalog fabrics");
  const std::uint64_t ranks = given.number("ranks", 0, 1, most_ranks);
  return "name: collective\n"
         "cluster: {node: " +
         given.text("node") + ", nodes: " + std::to_string(nodes) +
         ", fabric: " + (fabric.empty() ? "rail-optimized-400g" : fabric) + "}\n" +
         "model: llama-3.1-8b\n"
         "stack: megatron-core\n"
         "stages: []\n"
         "price: {rental: 1 USD/GPU-hour}\n"
         "probes: [{name: collective, collective: {operation: " +
         operation + ", size: " + given.text("size") +
         ", ranks: " + std::to_string(std::max<std::uint64_t>(1, ranks)) + "}}]\n";
}

template <class Enum, std::size_t N, class Name>
Enum one_of(const std::string& what, const std::string& text, const std::array<Enum, N>& all,
            Name&& name) {
  std::vector<std::string> names;
  for (const Enum value : all) {
    if (name(value) == text)
      return value;
    names.emplace_back(name(value));
  }
  throw UsageError("no " + what + " '" + text + "'; there are: " + report::joined(names, ", "));
}

std::optional<network::Algorithm> algorithm_of(const std::string& text) {
  using network::Algorithm;
  if (text.empty())
    return std::nullopt;
  return one_of("algorithm", text,
                std::array{Algorithm::Ring, Algorithm::Tree, Algorithm::Nvls, Algorithm::NvlsTree,
                           Algorithm::CollNet, Algorithm::Pat, Algorithm::Hierarchical,
                           Algorithm::HalvingDoubling, Algorithm::Pairwise, Algorithm::TwoLevel,
                           Algorithm::Direct},
                [](Algorithm a) { return network::name_of(a); });
}

hardware::Protocol protocol_of(const std::string& text) {
  using hardware::Protocol;
  if (text.empty())
    return Protocol::Simple;
  return one_of("protocol", text, std::array{Protocol::LL, Protocol::LL128, Protocol::Simple},
                [](Protocol p) { return name_of(p); });
}

void require(const Arguments& given, const char* name) {
  if (given.text(name).empty())
    throw UsageError(std::string("--") + name + " is missing");
}

} // namespace

Outcome collective_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_text("node", "NAME", "node of the catalogue")
      .with_text("nodes", "N", "how many (default 1)")
      .with_text("fabric", "NAME", "network between nodes, of the catalogue")
      .with_text("op", "NAME",
                 "all-reduce, all-gather, reduce-scatter, all-to-all, broadcast or send-receive")
      .with_text("size", "SIZE", "as nccl-tests count it: 1GiB")
      .with_text("ranks", "N", "GPUs of a group (default all); all groups do the same at once")
      .with_text("algorithm", "NAME", "instead of what the library chooses")
      .with_text("protocol", "NAME", "of that algorithm: ll, ll128 or simple (default)")
      .with_flag("exact", "play each flow on every link of its route; no closed form")
      .with_scenario()
      .with_format(false);
  if (!given.parse(arguments, 0, 0))
    return given.help();
  for (const char* name : {"node", "op", "size"})
    require(given, name);
  const Format format = given.format();
  const auto algorithm = algorithm_of(given.text("algorithm"));
  const hardware::Protocol protocol = protocol_of(given.text("protocol"));
  if (!algorithm && !given.text("protocol").empty())
    throw UsageError("--protocol belongs to --algorithm");
  std::string operation = given.text("op");
  std::replace(operation.begin(), operation.end(), '_', '-');
  const scenario::Loaded loaded =
      scenario::load_text(scenario_text(given, operation), "arguments", given.load_options());
  const hardware::PoolSpec& pool = loaded.scenario.cluster.main;
  probe::CollectiveProbe probe = *loaded.scenario.probes.front().collective;
  if (given.text("ranks").empty())
    probe.ranks = pool.nodes * pool.node->accelerators;
  const probe::CollectiveReport report = located(loaded, [&] {
    return probe::report_collective(probe, pool, algorithm, protocol, given.flag("exact"));
  });
  Outcome outcome;
  outcome.text = format == Format::Json ? report::write_collective_json(report)
                                        : report::write_collective_table(report);
  return outcome;
}

} // namespace sim::cli
