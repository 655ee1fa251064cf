// SPDX-License-Identifier: Apache-2.0
#include "sim/cli/options.hpp"
#include "sim/report/fabric_writer.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/text_table.hpp"
#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/pool_entry.hpp"
#include "sim/topology/inventory.hpp"

#include "sim/base/limit.hpp"

#include <algorithm>

namespace sim::cli {

namespace {

[[noreturn]] void fail_unknown(const std::string& what, const std::string& name,
                               const std::vector<std::string>& names) {
  const std::string near = nearest_name(name, names);
  throw UsageError("the catalogue has no " + what + " '" + name + "'; " +
                   (near.empty() ? "there are: " + report::joined(names, ", ")
                                 : "did you mean '" + near + "'?"));
}

const std::string& checked(const std::string& what, const std::string& name,
                           const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) == names.end())
    fail_unknown(what, name, names);
  return name;
}

std::string listing(const scenario::Catalogue& catalogue, const std::vector<std::string>& kinds,
                    Format format) {
  std::vector<std::pair<std::string, std::vector<std::string>>> names_by_kind;
  std::string text;
  for (const std::string& kind : kinds) {
    names_by_kind.emplace_back(kind, catalogue.names(kind));
    text += (text.empty() ? "" : "\n") + kind + "\n" +
            report::wrapped("  " + report::joined(names_by_kind.back().second, "  "), 2);
  }
  return format == Format::Json ? report::write_names_json(names_by_kind) : text;
}

// What a fabric consists of at a size.
std::string inventory(const Arguments& given, const scenario::Catalogue& catalogue, Format format) {
  const std::string& name = checked("fabric", given.positional()[1], catalogue.names("fabrics"));
  const std::string node = given.text("node");
  if (!node.empty())
    checked("node", node, catalogue.names("nodes"));
  hardware::PoolSpec pool = scenario::read_pool_entry(name, node, given.text("catalog"));
  pool.nodes = static_cast<int>(given.number("nodes", 0, 2, std::uint64_t{limit::gpus}));
  if (pool.nodes == 0)
    pool.nodes = topology::most_nodes(pool);
  const topology::Inventory taken = topology::take_inventory(pool);
  return format == Format::Json ? report::write_fabric_json(pool, taken)
                                : report::write_fabric_text(pool, taken);
}

} // namespace

Outcome catalog_command(const Command& command, const std::vector<std::string>& arguments) {
  Arguments given(command);
  given.with_catalog().with_format(false);
  given.with_text("nodes", "N", "fabric NAME: number of nodes; absent: as many as it carries")
      .with_text("node", "NAME", "fabric NAME: node type; absent: eight NICs a node");
  if (!given.parse(arguments, 0, 2)) {
    Outcome help = given.help();
    help.text +=
        "\nAn entry is printed as it is written, with the provenance and source of its numbers.\n"
        "`catalog fabric NAME` counts what a fabric of that size consists of.\n";
    return help;
  }
  const Format format = given.format();
  const scenario::Catalogue catalogue(given.text("catalog"));
  scenario::Findings findings;
  catalogue.check(findings);
  findings.raise();

  const std::vector<std::string>& words = given.positional();
  Outcome outcome;
  if (words.empty()) {
    outcome.text = listing(catalogue, catalogue.kinds(), format);
    return outcome;
  }
  const bool counted = words.size() == 2 && words[0] == "fabric";
  if (!counted && (!given.text("nodes").empty() || !given.text("node").empty()))
    throw UsageError("--nodes and --node go with `catalog fabric NAME`");
  if (counted) {
    outcome.text = inventory(given, catalogue, format);
    return outcome;
  }
  const std::string& kind = checked("kind", words[0], catalogue.kinds());
  if (words.size() == 1) {
    outcome.text = listing(catalogue, {kind}, format);
    return outcome;
  }
  const std::string& name =
      checked("entry of kind '" + kind + "' named", words[1], catalogue.names(kind));
  const auto entry = catalogue.find(kind, name, findings);
  findings.raise();
  SIM_ASSERT(entry.has_value());
  outcome.text =
      format == Format::Json
          ? report::write_fields_json(
                {{"kind", kind}, {"name", name}, {"file", entry->file}, {"text", entry->text}})
          : "# " + entry->file + "\n" + entry->text;
  return outcome;
}

} // namespace sim::cli
