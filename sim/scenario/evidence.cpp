// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/evidence.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace sim::scenario {

namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    if (end > begin)
      words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

constexpr std::size_t words_before_errors = 8;
constexpr const char* line_form = "write: table chip stack workload least-GPUs most-GPUs "
                                  "least-parameters most-parameters error ...";

// What is wrong with the line; empty: nothing.
std::string read_line(std::string_view line, MeasuredGroup& group) {
  const std::vector<std::string_view> words = words_of(line);
  if (words.size() <= words_before_errors)
    return "a group needs its table, what it was, and at least one error";
  group.family = words[0];
  group.chip = words[1];
  group.stack = words[2];
  const auto& names = EnumNames<Workload>::names;
  const auto workload = std::find_if(names.begin(), names.end(),
                                     [&](const auto& name) { return name.second == words[3]; });
  if (workload == names.end())
    return "'" + std::string(words[3]) + "' is no workload";
  group.workload = workload->first;
  std::vector<double> numbers;
  for (std::size_t i = 4; i < words.size(); ++i) {
    const std::optional<double> number = parse_number(words[i]);
    if (!number || (i < words_before_errors && *number < 1))
      return "'" + std::string(words[i]) + "' is not what stands here";
    numbers.push_back(*number);
  }
  group.least_gpus = static_cast<std::int64_t>(numbers[0]);
  group.most_gpus = static_cast<std::int64_t>(numbers[1]);
  group.least_parameters = numbers[2];
  group.most_parameters = numbers[3];
  group.errors.assign(numbers.begin() + 4, numbers.end());
  return "";
}

} // namespace

std::vector<MeasuredGroup> load_evidence(const std::string& catalog_directory) {
  Findings findings;
  const Catalogue catalogue(catalog_directory);
  catalogue.check(findings);
  findings.raise();
  std::vector<MeasuredGroup> groups;
  if (const auto entry = catalogue.find("", "evidence", findings)) {
    const std::optional<Node> root = parse_document(entry->text, entry->file, findings);
    const Node* list = root && root->is_map() ? root->find("groups") : nullptr;
    if (list == nullptr || !list->is_sequence()) {
      findings.add({entry->file, 1, 1}, "the list 'groups' is missing");
    } else {
      for (const Node& line : list->items)
        if (const std::string problem = read_line(line.text, groups.emplace_back());
            !problem.empty())
          findings.add(line.location, problem, line_form);
    }
  }
  findings.raise();
  return groups;
}

std::string evidence_text(const std::vector<MeasuredGroup>& groups) {
  std::string text =
      "# How long measured runs took over what the simulator says; held-out rows alone. Written by "
      "tools/update-score; intervals of step\n"
      "# times rest on it. A line is a table of published runs, chip, stack and workload; least "
      "and "
      "most GPUs and parameters; and of\n"
      "# each run ln(measured / simulated).\n"
      "groups:\n";
  for (const MeasuredGroup& g : groups) {
    text += fmt::format("- {} {} {} {} {} {} {:.3e} {:.3e}", g.family, g.chip, g.stack,
                        name_of(g.workload), g.least_gpus, g.most_gpus, g.least_parameters,
                        g.most_parameters);
    for (const double error : g.errors)
      text += fmt::format(" {:.3f}", error);
    text += "\n";
  }
  return text;
}

} // namespace sim::scenario
