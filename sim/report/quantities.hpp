// SPDX-License-Identifier: Apache-2.0
// Quantities of a result by path: totals.<column>, stages.<name>.<column>,
// stages.<name>.failures.by_cause.<class>.<column>, ledger.<category>.<column>,
// probes.<name>.<column>. What was published and what a scenario
// asserts are held against them.
#pragma once

#include "sim/report/columns.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim::report {

struct Quantity {
  double value = 0; // in `column->unit`
  const ColumnText* column = nullptr;
};

// Every path that a result of this scenario has.
std::vector<std::string> quantity_paths(const scenario::Scenario& scenario);

// The column behind a path; null when the scenario's result has none.
const ColumnText* find_column(const scenario::Scenario& scenario, const std::string& path);

// Empty when there is no such path, or no value at it.
std::optional<Quantity> find_quantity(const Result& result, const std::string& path);

// The paths nearest to one that does not exist: "did you mean ...", or the columns there are; never
// empty.
std::string unknown_path_remedy(const scenario::Scenario& scenario, const std::string& path);

// The number in the column's unit. `problem` says why not, in a few words.
struct ConvertedText {
  std::optional<double> value;
  std::string problem, remedy;
};
ConvertedText convert(const std::string& text, const ColumnText& column);

// Throws ScenarioError for every path of `published` and `assert` that does not exist and every
// value that does not fit.
void check_quantities(const scenario::Loaded& loaded);

struct PublishedRow {
  std::string quantity, source, unit;
  scenario::PublishedRole role = scenario::PublishedRole::HeldOut;
  double published = 0, simulated = 0;
  // 100 (simulated - published) / published. Empty for back-solved rows: an input was chosen to
  // meet them; and where the run is another than the published one.
  std::optional<double> error_percent;
  std::vector<std::string> changed; // keys that make it another run; empty: it is the published one
};
// "not the published run in what hangs on cluster.node, ..."; empty where it is that run.
std::string other_run_text(const std::vector<PublishedRow>& rows);
// Requires check_quantities. Throws InfeasibleError for a quantity without a value.
std::vector<PublishedRow> published_rows(const Result& result);
int held_out_rows(const std::vector<PublishedRow>& rows);

struct FailedAssertion {
  std::string key;  // in the scenario: "assert.0.max"
  std::string text; // one sentence
};
std::vector<FailedAssertion> failed_assertions(const Result& result);

} // namespace sim::report
