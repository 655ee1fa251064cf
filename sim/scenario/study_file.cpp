// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/study_file.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/scenario/compose.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/findings.hpp"
#include "sim/scenario/map_reader.hpp"

#include <optional>
#include <set>
#include <utility>

namespace sim::scenario {
namespace {

constexpr double most_step = 1e9;

class StudyReader : private MapReader {
public:
  explicit StudyReader(Findings& findings) : MapReader(findings) {}

  StudyFile study(const Node& root) {
    StudyFile study;
    const bool solves = root.find("solve") != nullptr;
    if (!expect_map(root, "the study",
                    {"name", "description", "base", "case", "axes", "columns", "solve"},
                    solves ? std::vector<std::string>{"name", "base"}
                           : std::vector<std::string>{"name", "base", "axes"}))
      return study;
    study.name = text(root, "name");
    study.description = text(root, "description");
    study.base = text(root, "base");
    study.base_case = text(root, "case");
    for (const Node* axis : items(root, "axes"))
      study.axes.push_back(this->axis(*axis));
    if (const Node* axes = root.find("axes");
        axes != nullptr && axes->is_sequence() && axes->items.empty())
      findings_.add(axes->location, "axes: there is no axis",
                    "write axes: [{path: ..., values: [...]}]");
    if (solves)
      study.goal = goal(*root.find("solve"));
    for (const Node* column : items(root, "columns"))
      study.columns.push_back(scalar(*column, "columns"));
    return study;
  }

private:
  StudyGoal goal(const Node& node) {
    StudyGoal goal;
    if (!expect_map(node, "solve", {"vary", "until", "low", "high", "step", "reference"},
                    {"vary", "until"}))
      return goal;
    goal.vary = text(node, "vary");
    goal.until = text(node, "until");
    if (const Node* vary = node.find("vary"))
      goal.vary_place = vary->location;
    if (const Node* until = node.find("until"))
      goal.until_place = until->location;
    for (auto [key, value] : {std::pair{"low", &goal.low}, std::pair{"high", &goal.high}})
      if (node.find(key) != nullptr)
        *value = text(node, key);
    if (const Node* step = node.find("step")) {
      const std::optional<double> number = parse_number(step->text);
      goal.step = number && *number >= 1 && *number <= most_step ? std::int64_t(*number) : 0;
      if (goal.step == 0 || double(goal.step) != *number)
        findings_.add(step->location, "solve.step: '" + step->text + "' is no whole number",
                      "1 or more: whole numbers that are multiples of it");
    }
    if (const Node* reference = node.find("reference")) {
      goal.reference.emplace();
      if (expect_map(*reference, "the reference", {"set"}, {"set"}))
        goal.reference = settings(*reference, "set");
    }
    return goal;
  }

  StudyAxis axis(const Node& node) {
    StudyAxis axis;
    const bool by_path = node.find("path") != nullptr || node.find("values") != nullptr;
    if (by_path && expect_map(node, "an axis", {"name", "path", "values"}, {"path", "values"}) &&
        node.find("path") != nullptr) {
      const std::string path = text(node, "path");
      axis.name = node.find("name") != nullptr ? text(node, "name") : path;
      for (const Node* value : items(node, "values"))
        axis.points.push_back({value->is_scalar() ? value->text : flow_text(*value),
                               {setting(path, node.find("path")->location, *value)},
                               value->location});
    } else if (!by_path && expect_map(node, "an axis", {"name", "points", "path", "values"},
                                      {"name", "points"})) {
      axis.name = text(node, "name");
      for (const Node* point : items(node, "points"))
        axis.points.push_back(this->point(*point));
    }
    const Node* list = node.find(by_path ? "values" : "points");
    if (list != nullptr && list->is_sequence() && list->items.empty())
      findings_.add(list->location, "an axis without points", "give at least one");
    std::set<std::string> labels;
    for (const StudyPoint& point : axis.points)
      if (!labels.insert(point.label).second)
        findings_.add(point.location,
                      "two points of the axis '" + axis.name + "' have the label '" + point.label +
                          "'",
                      "rows are told apart by it");
    return axis;
  }

  StudyPoint point(const Node& node) {
    StudyPoint point;
    point.location = node.location;
    const bool by_case = node.find("case") != nullptr;
    if (!expect_map(node, "a point", {"label", "set", "case"},
                    by_case ? std::vector<std::string>{"label"}
                            : std::vector<std::string>{"label", "set"}))
      return point;
    point.case_name = text(node, "case");
    point.label = text(node, "label");
    point.sets = settings(node, "set");
    return point;
  }
};

} // namespace

StudyFile load_study_text(const std::string& text, const std::string& file) {
  Findings findings;
  const std::optional<Node> root = parse_document(text, file, findings);
  StudyFile study;
  if (root)
    study = StudyReader(findings).study(*root);
  findings.raise();
  study.file = file;
  study.base = resolve_path(file, study.base);
  return study;
}

StudyFile load_study(const std::string& file) {
  Findings findings;
  const std::optional<std::string> text = read_text_file(file, findings);
  findings.raise();
  return load_study_text(*text, file);
}

} // namespace sim::scenario
