// SPDX-License-Identifier: Apache-2.0
#include "sim/report/csv_table.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/report/text_table.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace sim::report {
namespace {

constexpr std::size_t notes = 3; // error, substitutions, scope

// Totals by their last words, so that a table fits the page.
std::string head_of(const std::string& name) {
  const std::string totals = "totals.";
  return name.starts_with(totals) ? name.substr(totals.size()) : name;
}

std::string cell_of(const std::string& field) {
  const std::size_t blank = field.find(' ');
  const std::optional<double> number = parse_number(field.substr(0, blank));
  if (!number)
    return field.empty() ? "-" : field;
  return significant(*number) + (blank == std::string::npos ? "" : field.substr(blank));
}

// A text and the rows that it holds for.
using Note = std::pair<std::string, std::string>;

void add_note(std::vector<Note>& known, const std::string& text, const std::string& field,
              const std::string& label) {
  if (field.empty())
    return;
  for (auto& [other, rows] : known)
    if (other == text) {
      rows += (rows.empty() || label.empty() ? "" : "; ") + label;
      return;
    }
  known.emplace_back(text, label);
}

} // namespace

std::vector<std::vector<std::string>> csv_fields(const std::string& csv) {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string> fields;
  std::string field;
  bool quoted = false;
  for (std::size_t i = 0; i < csv.size(); ++i) {
    const char c = csv[i];
    if (c == '"' && quoted && i + 1 < csv.size() && csv[i + 1] == '"') {
      field += csv[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == ',' || c == '\n')) {
      fields.push_back(std::move(field));
      field.clear();
      if (c == '\n') {
        lines.push_back(std::move(fields));
        fields.clear();
      }
    } else {
      field += c;
    }
  }
  return lines;
}

std::string csv_table(const std::string& csv, std::size_t labels) {
  const std::vector<std::vector<std::string>> lines = csv_fields(csv);
  if (lines.empty() || lines.front().size() < notes)
    return "";
  const std::size_t shown = lines.front().size() - notes;
  std::vector<std::string> heads;
  for (std::size_t i = 0; i < shown; ++i)
    heads.push_back(head_of(lines.front()[i]));
  TextTable table(heads, std::max<std::size_t>(labels, 1));
  std::vector<Note> notes_below;
  for (std::size_t row = 1; row < lines.size(); ++row) {
    const std::vector<std::string>& fields = lines[row];
    std::vector<std::string> cells;
    std::string label;
    for (std::size_t i = 0; i < shown; ++i)
      cells.push_back(i < labels ? fields[i] : cell_of(fields[i]));
    for (std::size_t i = 0; i < labels; ++i)
      label += (i == 0 ? "" : ", ") + fields[i];
    table.add(cells);
    add_note(notes_below, "cannot be: " + fields[shown], fields[shown], label);
    add_note(notes_below, fields[shown + 1], fields[shown + 1], label);
    add_note(notes_below, "USD: " + fields[shown + 2], fields[shown + 2], label);
  }
  std::string below;
  for (const auto& [text, rows] : notes_below)
    below += wrapped("  " + (rows.empty() ? "" : rows + ": ") + text, 4);
  return table.text() + below;
}

} // namespace sim::report
