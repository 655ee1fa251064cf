// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/published_file.hpp"

#include "sim/base/time.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/embedded_catalog.hpp"
#include "sim/scenario/map_reader.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace sim::scenario {
namespace {

// A named setting that a row chooses by its label.
struct Choice {
  std::string label;
  std::vector<PlacedSet> sets;
  std::vector<std::string> needs;
};

struct Column {
  enum class Kind { Path, Choices, Quantity, Note } kind = Kind::Note;
  std::string name;
  std::string path; // of the scenario, or of the result
  std::string unit; // of a quantity
  PublishedRole role = PublishedRole::HeldOut;
  std::vector<Choice> choices;
  Location place, path_place;
};

class TableReader : private MapReader {
public:
  explicit TableReader(Findings& findings) : MapReader(findings) {}

  PublishedTable table(const Node& root) {
    PublishedTable table;
    if (!expect_map(root, "the table",
                    {"name", "description", "source", "measured", "flops", "scenario", "needs",
                     "columns", "rows"},
                    {"name", "source", "flops", "columns", "rows"}))
      return table;
    table.name = text(root, "name");
    table.flops = text(root, "flops");
    table.sources = texts(root, "source");
    if (const Node* measured = root.find("measured"))
      table.measured = measured_on(*measured);
    needs_of_all_ = texts(root, "needs");
    for (const Node* column : items(root, "columns"))
      columns_.push_back(this->column(*column));
    for (const Node* row : items(root, "rows"))
      table.rows.push_back(this->row(*row));
    if (table.rows.empty() && findings_.empty())
      findings_.add(root.location, "rows: there is no row", "write rows: [[...], ...]");
    scenario(root, table);
    check_labels(table.rows);
    return table;
  }

private:
  // One text or a list of them.
  std::vector<std::string> texts(const Node& map, const std::string& key) {
    const Node* found = map.find(key);
    if (found == nullptr)
      return {};
    if (!found->is_sequence())
      return {scalar(*found, key)};
    std::vector<std::string> all;
    for (const Node& item : found->items)
      all.push_back(scalar(item, key));
    return all;
  }

  MeasuredOn measured_on(const Node& node) {
    MeasuredOn measured;
    const std::vector<std::string> keys{"device", "driver", "date", "software"};
    if (!expect_map(node, "where it was measured", keys, keys))
      return measured;
    measured.device = text(node, "device");
    measured.driver = text(node, "driver");
    measured.software = text(node, "software");
    const Node* day = node.find("date");
    if (day == nullptr)
      return measured;
    const std::string written = scalar(*day, "date");
    if (const auto date = parse_date(written))
      measured.date = *date;
    else if (!written.empty())
      findings_.add(day->location, "date: '" + written + "' is no day", "write it as 2026-11-25");
    return measured;
  }

  PublishedRole role(const Node& map, PublishedRole absent) {
    const Node* found = map.find("role");
    if (found == nullptr)
      return absent;
    const std::string word = scalar(*found, "role");
    std::vector<std::string> known;
    for (const auto& [role, name] : EnumNames<PublishedRole>::names) {
      if (word == name)
        return role;
      known.emplace_back(name);
    }
    findings_.add(found->location, "role: '" + word + "' is none", suggestion(word, known));
    return absent;
  }

  Column column(const Node& node) {
    Column column;
    column.place = node.location;
    if (!expect_map(node, "a column", {"name", "path", "points", "quantity", "unit", "role"}, {}))
      return column;
    column.name = text(node, "name");
    const bool by_path = node.find("path") != nullptr,
               by_quantity = node.find("quantity") != nullptr,
               by_points = node.find("points") != nullptr;
    if (static_cast<int>(by_path) + static_cast<int>(by_quantity) + static_cast<int>(by_points) > 1)
      findings_.add(node.location, "a column is one of path, points, quantity",
                    "or a name alone, for people");
    if (!by_quantity && (node.find("unit") != nullptr || node.find("role") != nullptr))
      findings_.add(node.location, "only a quantity has a unit or a role");
    if (by_points) {
      column.kind = Column::Kind::Choices;
      for (const Node* point : items(node, "points"))
        column.choices.push_back(choice(*point));
    } else if (by_path) {
      column.kind = Column::Kind::Path;
      column.path = text(node, "path");
      column.path_place = node.find("path")->location;
      if (column.path.find('=') != std::string::npos)
        findings_.add(node.find("path")->location, "'" + column.path + "' is not a key path");
    } else if (by_quantity) {
      column.kind = Column::Kind::Quantity;
      column.path = text(node, "quantity");
      column.unit = text(node, "unit");
      column.role = role(node, PublishedRole::HeldOut);
    }
    if (column.name.empty())
      column.name = column.path.substr(column.path.rfind('.') + 1);
    if (column.name.empty())
      findings_.add(node.location, "a column without name", "write name: ...");
    return column;
  }

  Choice choice(const Node& node) {
    Choice choice;
    if (!expect_map(node, "a point", {"label", "set", "needs"}, {"label"}))
      return choice;
    choice.label = text(node, "label");
    choice.sets = settings(node, "set");
    choice.needs = texts(node, "needs");
    return choice;
  }

  // Left out only with a reason.
  bool evidence(const Node& node) {
    const Node* found = node.find("evidence");
    if (found == nullptr)
      return true;
    if (scalar(*found, "evidence") != "false" || node.find("note") == nullptr)
      findings_.add(found->location, "evidence: only false is said, with a note",
                    "{row: [...], evidence: false, note: why}");
    return false;
  }

  TableRow row(const Node& node) {
    TableRow row;
    row.place = node.location;
    row.needs = needs_of_all_;
    const Node* cells = &node;
    std::optional<PublishedRole> own_role;
    if (node.is_map()) {
      if (!expect_map(node, "a row", {"row", "with", "needs", "role", "evidence", "note"}, {"row"}))
        return row;
      cells = node.find("row");
      const std::vector<std::string> needs = texts(node, "needs");
      row.needs.insert(row.needs.end(), needs.begin(), needs.end());
      if (node.find("role") != nullptr)
        own_role = role(node, PublishedRole::HeldOut);
      row.evidence = evidence(node);
    }
    if (cells == nullptr || !cells->is_sequence() || cells->items.size() != columns_.size()) {
      findings_.add(cells == nullptr ? node.location : cells->location,
                    "a row of " + std::to_string(cells == nullptr ? 0 : cells->items.size()) +
                        " cells for " + std::to_string(columns_.size()) + " columns",
                    "write a list in the order of the columns; null where nothing was published");
      return row;
    }
    for (std::size_t i = 0; i < columns_.size(); ++i)
      cell(columns_[i], cells->items[i], own_role, row);
    for (Measurement& measurement : row.measurements)
      fill_in(measurement, *cells);
    const std::vector<PlacedSet> own = settings(node, "with");
    row.sets.insert(row.sets.end(), own.begin(), own.end());
    if (row.measurements.empty())
      findings_.add(row.place, "a row without a measured value", "leave it out");
    return row;
  }

  // "{name}" in a quantity stands for the row's cell of that column.
  void fill_in(Measurement& measurement, const Node& cells) {
    std::string& path = measurement.quantity;
    for (std::size_t open = path.find('{'); open != path.npos; open = path.find('{', open)) {
      const std::size_t close = path.find('}', open);
      const std::string name = close == path.npos ? "" : path.substr(open + 1, close - open - 1);
      std::size_t i = 0;
      while (i < columns_.size() && columns_[i].name != name)
        ++i;
      if (i == columns_.size() || !cells.items[i].is_scalar()) {
        findings_.add(measurement.column,
                      "quantity '" + path + "': nothing to put in for {" + name + "}",
                      "name a column that has a text in this row");
        return;
      }
      path.replace(open, close - open + 1, cells.items[i].text);
      open += cells.items[i].text.size();
    }
  }

  static void extend_label(std::string& label, const std::string& part) {
    label += (label.empty() ? "" : " ") + part;
  }

  void cell(const Column& column, const Node& node, std::optional<PublishedRole> own_role,
            TableRow& row) {
    if (node.is_null())
      return;
    switch (column.kind) {
    case Column::Kind::Note:
      return extend_label(row.label, scalar(node, column.name));
    case Column::Kind::Path:
      extend_label(row.label, column.name + "=" + (node.is_scalar() ? node.text : flow_text(node)));
      row.sets.push_back(setting(column.path, column.path_place, node));
      return;
    case Column::Kind::Choices:
      return choose(column, node, row);
    case Column::Kind::Quantity:
      row.measurements.push_back(
          {column.path, scalar(node, column.name) + (column.unit.empty() ? "" : " " + column.unit),
           own_role.value_or(column.role), node.location, column.place});
    }
  }

  void choose(const Column& column, const Node& node, TableRow& row) {
    const std::string label = scalar(node, column.name);
    const auto chosen = std::find_if(column.choices.begin(), column.choices.end(),
                                     [&](const Choice& c) { return c.label == label; });
    if (chosen == column.choices.end()) {
      std::vector<std::string> known;
      for (const Choice& c : column.choices)
        known.push_back(c.label);
      findings_.add(node.location, column.name + ": there is no point '" + label + "'",
                    suggestion(label, known));
      return;
    }
    extend_label(row.label, label);
    row.sets.insert(row.sets.end(), chosen->sets.begin(), chosen->sets.end());
    row.needs.insert(row.needs.end(), chosen->needs.begin(), chosen->needs.end());
  }

  void scenario(const Node& root, PublishedTable& table) {
    const Node* found = root.find("scenario");
    if (found != nullptr && !found->is_map())
      findings_.add(found->location, "scenario: found " + describe(*found),
                    "write a scenario, or {extends: file}");
    else if (found != nullptr)
      table.scenario = *found;
    else if (needs_of_all_.empty())
      findings_.add(root.location, "the key 'scenario' of the table is missing");
    if (Node* tree = &table.scenario; tree->is_map() && tree->find("name") == nullptr) {
      Node name;
      name.kind = Node::Kind::Scalar;
      name.quoted = true;
      name.text = table.name;
      name.location = tree->location;
      tree->members.push_back({"name", tree->location, std::move(name)});
    }
  }

  // Rows are addressed by their label; equal ones are told apart by their line.
  static void check_labels(std::vector<TableRow>& rows) {
    std::map<std::string, int> count;
    for (const TableRow& row : rows)
      ++count[row.label];
    for (TableRow& row : rows)
      if (count[row.label] > 1)
        extend_label(row.label, "(line " + std::to_string(row.place.line) + ")");
  }

  std::vector<std::string> needs_of_all_;
  std::vector<Column> columns_;
};

} // namespace

PublishedTable load_published_text(const std::string& text, const std::string& file) {
  Findings findings;
  const std::optional<Node> root = parse_document(text, file, findings);
  PublishedTable table;
  if (root)
    table = TableReader(findings).table(*root);
  findings.raise();
  table.file = file;
  return table;
}

PublishedTable load_published(const std::string& file) {
  Findings findings;
  const std::optional<std::string> text = read_text_file(file, findings);
  findings.raise();
  return load_published_text(*text, file);
}

Loaded load_row(const PublishedTable& table, const TableRow& row, const LoadOptions& options) {
  LoadOptions own = options;
  own.placed_sets = row.sets;
  for (const std::string& set : options.sets) // --set wins over the row
    own.placed_sets.push_back({set, {"--set", 1, 1}, {"--set", 1, 1}});
  own.sets.clear();
  return load_tree(table.scenario, table.file, own);
}

std::vector<std::string> embedded_tables() {
  std::vector<std::string> names;
  for (const EmbeddedEntry& entry : embedded_published())
    names.emplace_back(entry.name);
  return names;
}

PublishedTable load_embedded_table(const std::string& name) {
  for (const EmbeddedEntry& entry : embedded_published())
    if (entry.name == name)
      return load_published_text(std::string(entry.text), "published/" + name + ".yaml");
  fail_internal("a table that is built in", __FILE__, __LINE__);
}

} // namespace sim::scenario
