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

constexpr std::size_t words_before_numbers = 5, words_before_errors = 9;
constexpr const char* line_form = "write: table chip stack workload measured least-GPUs most-GPUs "
                                  "least-parameters most-parameters error ...";

template <class E> bool read_name(std::string_view word, E& value) {
  for (const auto& [named, name] : EnumNames<E>::names)
    if (name == word) {
      value = named;
      return true;
    }
  return false;
}

// What is wrong with the line; empty: nothing.
std::string read_line(std::string_view line, MeasuredGroup& group) {
  const std::vector<std::string_view> words = words_of(line);
  if (words.size() <= words_before_errors)
    return "a group needs its table, what it was, and at least one error";
  group.family = words[0];
  group.chip = words[1];
  group.stack = words[2];
  if (!read_name(words[3], group.workload))
    return "'" + std::string(words[3]) + "' is no workload";
  if (!read_name(words[4], group.measured))
    return "'" + std::string(words[4]) + "' is nothing that is measured";
  std::vector<double> numbers;
  for (std::size_t i = words_before_numbers; i < words.size(); ++i) {
    const std::optional<double> number = parse_number(words[i]);
    if (!number || (i < words_before_errors && (*number < 1 || *number > 1e15)))
      return "'" + std::string(words[i]) + "' is not what stands here";
    numbers.push_back(*number);
  }
  if (numbers[0] > numbers[1] || numbers[2] > numbers[3])
    return "the least is more than the most";
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
  std::string text = "# How long measured runs took over what the simulator says; held-out rows "
                     "alone. Written by tools/update-score;\n"
                     "# intervals rest on it. A line is a table of published runs, chip, stack, "
                     "workload and what was measured (steps: times or\n"
                     "# rates of steps; run: GPU-hours or dollars of whole runs; carried: steps "
                     "simulated as though nothing had been measured\n"
                     "# on the chip); least and most GPUs and parameters; and of each run "
                     "ln(measured / simulated).\n"
                     "groups:\n";
  for (const MeasuredGroup& g : groups) {
    text += fmt::format("- {} {} {} {} {} {} {} {:.3e} {:.3e}", g.family, g.chip, g.stack,
                        name_of(g.workload), name_of(g.measured), g.least_gpus, g.most_gpus,
                        g.least_parameters, g.most_parameters);
    for (const double error : g.errors)
      text += fmt::format(" {:.3f}", error);
    text += "\n";
  }
  return text;
}

} // namespace sim::scenario
