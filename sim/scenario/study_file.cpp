// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/study_file.hpp"

#include "sim/scenario/compose.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/findings.hpp"
#include "sim/scenario/map_reader.hpp"

#include <optional>
#include <set>

namespace sim::scenario {
namespace {

class StudyReader : private MapReader {
public:
  explicit StudyReader(Findings& findings) : MapReader(findings) {}

  StudyFile study(const Node& root) {
    StudyFile study;
    if (!expect_map(root, "the study", {"name", "description", "base", "case", "axes", "columns"},
                    {"name", "base", "axes"}))
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
    for (const Node* column : items(root, "columns"))
      study.columns.push_back(scalar(*column, "columns"));
    return study;
  }

private:
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
    if (!expect_map(node, "a point", {"label", "set"}, {"label", "set"}))
      return point;
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
