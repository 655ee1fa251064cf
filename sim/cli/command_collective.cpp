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
constexpr const char* source = "arguments"; // of the text below, in locations

// An option that gives a value of the scenario: the value's key path and its line in the text.
struct Place {
  const char* option;
  const char* path;
  int line;
};
constexpr std::array places{Place{"node", "cluster.node", 3},
                            Place{"nodes", "cluster.nodes", 4},
                            Place{"fabric", "cluster.fabric", 5},
                            Place{"op", "probes.collective.collective.operation", 13},
                            Place{"size", "probes.collective.collective.size", 14},
                            Place{"ranks", "probes.collective.collective.ranks", 15}};
// What the planner calls them.
constexpr std::array planned{Place{"algorithm", "algorithm", 0}, Place{"protocol", "protocol", 0},
                             Place{"ranks", "parallelism", 0}, Place{"detail", "detail", 0}};

// The arguments as a scenario, so that they are read, checked and changed by --set as one; a line
// each, in the order of `places`.
std::string scenario_text(const Arguments& given, const std::string& operation) {
  const std::uint64_t nodes = given.number("nodes", 1, 1, most_nodes);
  const std::string fabric = given.text("fabric");
  if (nodes > 1 && fabric.empty())
    throw UsageError("several nodes need a network: --fabric NAME; see trainfare catalog fabrics");
  const std::uint64_t ranks = given.number("ranks", 0, 1, most_ranks);
  return "name: collective\n"
         "cluster:\n"
         "  node: " +
         given.text("node") + "\n  nodes: " + std::to_string(nodes) +
         "\n  fabric: " + (fabric.empty() ? "rail-optimized-400g" : fabric) +
         "\n"
         "model: llama-3.1-8b\n"
         "stack: megatron-core\n"
         "stages: []\n"
         "price: {rental: 1 USD/GPU-hour}\n"
         "probes:\n"
         "  - name: collective\n"
         "    collective:\n"
         "      operation: " +
         operation + "\n      size: " + given.text("size") +
         "\n      ranks: " + std::to_string(std::max<std::uint64_t>(1, ranks)) + "\n";
}

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

// Makes of a finding about the scenario's text one about the option that gave the value.
void restate(Diagnostic& finding) {
  if (finding.location.file == source)
    for (const Place& place : places)
      if (finding.location.line == place.line) {
        finding.location.file = "--";
        finding.location.file += place.option;
        finding.location.line = finding.location.column = 0;
        if (const std::string path = std::string(place.path) + ": ";
            starts_with(finding.message, path))
          finding.message.erase(0, path.size());
        return;
      }
}

scenario::Loaded load(const Arguments& given, const std::string& operation) {
  try {
    return scenario::load_text(scenario_text(given, operation), source, given.load_options());
  } catch (const ScenarioError& error) {
    std::vector<Diagnostic> findings = error.diagnostics();
    for (Diagnostic& finding : findings)
      restate(finding);
    throw ScenarioError(std::move(findings));
  }
}

// What cannot be, said of the option to change.
[[noreturn]] void refuse(std::string_view option, const std::string& message,
                         const std::string& remedy) {
  Diagnostic finding;
  finding.location.file = "--";
  finding.location.file += option;
  finding.message = message;
  finding.remedy = remedy;
  throw LocatedInfeasibleError(finding);
}

// Runs `work`; what cannot be is said of the option to change.
template <class Work> auto of_options(const scenario::Loaded& loaded, Work&& work) {
  return located(loaded, [&] {
    try {
      return work();
    } catch (const InfeasibleError& error) {
      const auto match = [&](const Place& place) {
        if (error.path() == place.path || starts_with(error.path(), std::string(place.path) + "."))
          refuse(place.option, error.message(), error.remedy());
      };
      std::for_each(planned.begin(), planned.end(), match);
      std::for_each(places.begin(), places.end(), match);
      throw;
    }
  });
}

// GPUs of a group; all by default.
int ranks_of(const Arguments& given, const hardware::PoolSpec& pool) {
  const int gpus = pool.nodes * pool.node->accelerators;
  const auto ranks =
      static_cast<int>(given.number("ranks", static_cast<std::uint64_t>(gpus), 1, most_ranks));
  if (gpus % ranks == 0)
    return ranks;
  const int node = pool.node->accelerators;
  refuse("ranks",
         "groups of " + std::to_string(ranks) + " do not fill the " + std::to_string(gpus) +
             " GPUs of " + std::to_string(pool.nodes) + (pool.nodes == 1 ? " node" : " nodes"),
         ranks % node == 0 && ranks > gpus
             ? "--nodes " + std::to_string(ranks / node) + " --fabric NAME gives as many"
             : "a divisor of " + std::to_string(gpus));
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
      .with_text("detail", "message", "play a ring message by message, each step after the last")
      .with_scenario()
      .with_format(false);
  if (!given.parse(arguments, 0, 0))
    return given.help();
  for (const char* name : {"node", "op", "size"})
    require(given, name);
  for (const Place& place : places)
    if (given.text(place.option).find('\n') != std::string::npos)
      throw UsageError("--" + std::string(place.option) + ": more than one line");
  const Format format = given.format();
  const auto algorithm = algorithm_of(given.text("algorithm"));
  const hardware::Protocol protocol = protocol_of(given.text("protocol"));
  if (!algorithm && !given.text("protocol").empty())
    throw UsageError("--protocol belongs to --algorithm");
  probe::CollectivePlay how =
      given.flag("exact") ? probe::CollectivePlay::Flows : probe::CollectivePlay::ClosedForm;
  if (const std::string detail = given.text("detail"); !detail.empty()) {
    if (detail != "message")
      throw UsageError("--detail: '" + detail + "'; there is: message");
    if (given.flag("exact"))
      throw UsageError("--exact and --detail exclude each other");
    how = probe::CollectivePlay::Messages;
  }
  std::string operation = given.text("op");
  std::replace(operation.begin(), operation.end(), '_', '-');
  const scenario::Loaded loaded = load(given, operation);
  const hardware::PoolSpec& pool = loaded.scenario.cluster.main;
  probe::CollectiveProbe probe = *loaded.scenario.probes.front().collective;
  probe.ranks = ranks_of(given, pool);
  const probe::CollectiveReport report = of_options(
      loaded, [&] { return probe::report_collective(probe, pool, algorithm, protocol, how); });
  Outcome outcome;
  outcome.text = format == Format::Json ? report::write_collective_json(report)
                                        : report::write_collective_table(report);
  return outcome;
}

} // namespace sim::cli
