// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/evidence.hpp"

#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/reader.hpp"

#include <fmt/format.h>

namespace sim::scenario {

std::vector<MeasuredGroup> load_evidence(const std::string& catalog_directory) {
  Findings findings;
  const Catalogue catalogue(catalog_directory);
  catalogue.check(findings);
  findings.raise();
  std::vector<MeasuredGroup> groups;
  if (const auto entry = catalogue.find("", "evidence", findings)) {
    const std::optional<Node> root = parse_document(entry->text, entry->file, findings);
    const Node* list = root && root->is_map() ? root->find("groups") : nullptr;
    if (list == nullptr)
      findings.add({entry->file, 1, 1}, "the key 'groups' is missing");
    else
      Reader(findings).read(*list, groups, anything, "groups");
  }
  for (const MeasuredGroup& group : groups)
    if (group.errors.empty())
      findings.add({"evidence.yaml", 1, 1}, "a group of " + group.family + " without errors",
                   "leave it out");
  findings.raise();
  return groups;
}

std::string evidence_text(const std::vector<MeasuredGroup>& groups) {
  std::string text = "# How long measured runs took over what the simulator says, as ln(measured / "
                     "simulated), by table, chip, stack and\n"
                     "# workload; held-out rows alone. Written by tools/update-score; intervals of "
                     "step times rest on it. `carried`: the same rows under\n"
                     "# kernel constants of a neighbouring architecture, as a new chip has them.\n"
                     "groups:\n";
  for (const MeasuredGroup& g : groups) {
    text += fmt::format("- family: {}\n  chip: {}\n  stack: {}\n  workload: {}\n", g.family, g.chip,
                        g.stack, name_of(g.workload));
    if (g.carried)
      text += "  carried: true\n";
    text += fmt::format("  least_gpus: {}\n  most_gpus: {}\n", g.least_gpus, g.most_gpus);
    text += fmt::format("  least_parameters: {:.3e}\n  most_parameters: {:.3e}\n",
                        g.least_parameters, g.most_parameters);
    text += "  errors: [";
    for (std::size_t i = 0; i < g.errors.size(); ++i)
      text += fmt::format("{}{:.3f}", i == 0 ? "" : ", ", g.errors[i]);
    text += "]\n";
  }
  return text;
}

} // namespace sim::scenario
