// SPDX-License-Identifier: Apache-2.0
// The one table of what a result holds: JSON, CSV, sweep columns, comparisons, `published` and
// `assert` all read it. A new quantity is one row in columns.cpp.
//
// Names are dotted; a dot is a level of nesting in the JSON. Values are in the column's unit.
// Conventions:
//   mfu                   model FLOPs, attention counted causally, over step time x GPUs x dense
//   BF16 peak; no recomputation, no
//                         prediction modules, whatever precision the GEMMs run in
//   mfu_noncausal         the same with attention counted in full (PaLM, 2204.02311, appendix B;
//   Megatron) tokens_per_second...  at the final batch
#pragma once

#include "sim/simulate.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim::report {

inline constexpr std::string_view mfu_convention =
    "causal attention, dense BF16 peak, no recomputation, no prediction modules";

// Kinds of stages that a column means something for.
enum class Applies { Always, Training, Generation, Reinforcement, Inference };
bool applies(Applies to, training::StageKind kind);

struct ColumnText {
  std::string name;
  std::string unit;   // of the quantity grammar; empty: a plain number
  bool count = false; // a whole number
  std::string help;
  // Base units of one `unit`.
  [[nodiscard]] double scale() const;
  [[nodiscard]] Dimension dimension() const;
};

struct TotalColumn : ColumnText {
  std::function<std::optional<double>(const Result&)> base_value;
};
struct StageColumn : ColumnText {
  Applies to = Applies::Always;
  std::function<std::optional<double>(const Result&, const training::StageResult&)> base_value;
};
// Of a class of failures in a stage: stages.NAME.failures.by_cause.CLASS.COLUMN.
struct CauseColumn : ColumnText {
  std::function<std::optional<double>(const training::Cause&)> base_value;
};
struct LedgerColumn : ColumnText {
  std::function<std::optional<double>(const Result&, execution::Category)> base_value;
};

struct ProbeColumn : ColumnText {
  std::function<bool(const probe::ProbeSpec&)> applies;
  std::function<std::optional<double>(const probe::ProbeResult&)> base_value;
};

const std::vector<TotalColumn>& total_columns();
const std::vector<StageColumn>& stage_columns();
const std::vector<CauseColumn>& cause_columns();
const std::vector<LedgerColumn>& ledger_columns();
const std::vector<ProbeColumn>& probe_columns();

// Probes as a table for people, empty when there are none.
std::string probes_text(const Result& result);

// The value in the column's unit; empty where the result has none (MFU of a chip whose BF16 peak
// nobody states).
template <class Column, class... Subject>
std::optional<double> value_of(const Column& column, const Subject&... subject) {
  const std::optional<double> base = column.base_value(subject...);
  if (!base)
    return std::nullopt;
  return *base / column.scale();
}

// Dollars of a stage, of a category: the bill of each pool is split by GPU time, last of all.
Dollars dollars_of(const Result& result, const training::StageResult& stage);
Dollars dollars_of(const Result& result, execution::Category category);

} // namespace sim::report
